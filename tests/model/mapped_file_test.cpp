// Files as memory.
#include "model/mapped_file.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/model/models.h"

namespace longreach::model {
namespace {

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST_CASE("a mapped file has the file's bytes, also after they were released and after a move") {
  const TempFolder folder;
  const std::string path = folder.file("a");
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i);
  std::ofstream(path) << text;
  MappedFile file(path);
  CHECK(file.path() == path);
  CHECK(text_of(file) == text);
  for (const std::size_t first : {std::size_t{0}, std::size_t{1}, std::size_t{4096}}) {
    MappedFile::release(file.bytes().subspan(first));
    CHECK(text_of(file) == text);
  }
  const std::span<const std::byte> bytes = file.bytes();
  const MappedFile moved = std::move(file);
  CHECK(text_of(moved) == text);
  CHECK(moved.bytes().data() == bytes.data());
}

TEST_CASE("an empty file maps to no bytes") {
  const TempFolder folder;
  std::ofstream(folder.file("empty")).flush();
  const MappedFile file(folder.file("empty"));
  CHECK(file.bytes().empty());
  MappedFile::release(file.bytes());
}

TEST_CASE("what cannot be mapped is an error with the path and the reason") {
  const TempFolder folder;
  const auto refusal = [](const std::string& path) {
    return message_of([&] { MappedFile{path}; });
  };
  CHECK_THAT(refusal(folder.file("none")),
             Catch::StartsWith(folder.file("none")) && Catch::Contains("No such file"));
  CHECK_THAT(refusal(folder.path().string()), Catch::Contains("no regular file"));
  CHECK_THAT(refusal("/dev/zero"), Catch::Contains("no regular file"));
}

}  // namespace
}  // namespace longreach::model
