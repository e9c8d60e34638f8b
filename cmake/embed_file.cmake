# Writes a source file holding the bytes of INPUT's files, one after the other, as an array returned
# by SYMBOL().
set(hex "")
foreach(file ${INPUT})
  file(READ ${file} part HEX)
  string(APPEND hex ${part})
endforeach()
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
       "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include <string_view>
namespace longreach::embedded {
namespace {
const unsigned char bytes[] = {
${bytes}0};
}
std::string_view ${SYMBOL}();
std::string_view ${SYMBOL}() {
  return {reinterpret_cast<const char*>(bytes), sizeof(bytes) - 1};
}
}
")
