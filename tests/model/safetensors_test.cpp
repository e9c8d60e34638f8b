// Safetensors and checkpoints: what is written comes back; hostile files are refused in words.
#include "model/safetensors.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <limits>
#include <sys/resource.h>

#include "core/half.h"
#include "model/checkpoint.h"
#include "tests/model/models.h"

namespace longreach::model {
namespace {

/// A file with that header text, its true length (or a lie), and `data` bytes after it.
std::string write_raw(const TempFolder& folder, const std::string& header, std::size_t data,
                      std::uint64_t lie = 0) {
  const std::string path = folder.file("raw.safetensors");
  std::ofstream out(path, std::ios::binary);
  const std::uint64_t length = lie != 0 ? lie : header.size();
  out.write(reinterpret_cast<const char*>(&length), sizeof(length));
  out << header << std::string(data, '\0');
  return path;
}

/// Files may not grow beyond so many bytes while this lives: writes fail as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

std::string refusal(const std::string& path) {
  return message_of([&] { read_safetensors(path); });
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + "}";
}

TEST_CASE("tensors, their shapes, order and metadata come back as they were written") {
  const TempFolder folder;
  TensorFile file;
  file.metadata["note"] = "a \"quoted\" line";
  for (const auto& [name, shape] : std::vector<std::pair<std::string, std::vector<i64>>>{
           {"zebra", {2, 3}}, {"apple", {4}}, {"scalar", {}}, {"empty", {0, 5}}}) {
    Tensor tensor(shape);
    for (std::size_t i = 0; i < tensor.flat().size(); ++i) {
      tensor.flat()[i] = 0.1f * static_cast<float>(i) - 1e-42f;  // a subnormal's worth off
    }
    file.tensors.push_back({name, tensor});
  }
  const std::string path = folder.file("a.safetensors");
  write_safetensors(path, file);
  const TensorFile back = read_safetensors(path);
  CHECK(back.metadata == file.metadata);
  CHECK(back.tensors.size() == file.tensors.size());
  for (const NamedTensor& named : file.tensors) {
    const Tensor* found = back.find(named.name);
    REQUIRE(found != nullptr);
    CHECK(found->shape() == named.tensor.shape());
    CHECK(std::ranges::equal(found->flat(), named.tensor.flat()));
  }
  CHECK(back.find("pear") == nullptr);
  CHECK(back.tensors.front().name == "zebra");
  // Nothing but the file is left in its folder.
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("float64 tensors are narrowed") {
  const TempFolder folder;
  const std::string path = write_raw(folder, "{" + entry("a", "F64", "[2]", "[0,16]") + "}", 0);
  const double values[2] = {0.1, -3};
  std::ofstream(path, std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(values), sizeof(values));
  const TensorFile file = read_safetensors(path);
  CHECK(file.tensors.at(0).tensor.flat()[0] == 0.1f);
  CHECK(file.tensors.at(0).tensor.flat()[1] == -3.0f);
}

TEST_CASE("half tensors are written as they are stored and read back widened") {
  const TempFolder folder;
  const Element element = GENERATE(Element::f16, Element::bf16);
  TensorFile file;
  const float values[3] = {1.5f, -0.25f, 96};
  Tensor half({3}, element);
  narrow(values, element, half.halves().data(), 3);
  file.tensors = {{"half", half}, {"wide", Tensor({2})}};  // six bytes would misalign what follows
  const std::string path = folder.file("half.safetensors");
  write_safetensors(path, file);
  const TensorFile back = read_safetensors(path);
  CHECK(std::ranges::equal(back.find("half")->flat(), values));
  CHECK(back.find("wide")->size() == 2);
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  CHECK(text.find(element == Element::f16 ? "\"F16\"" : "\"BF16\"") != std::string::npos);
}

TEST_CASE("a hostile header is refused with the file's name and the reason") {
  const TempFolder folder;
  struct Hostile {
    std::string header;
    std::size_t data;
    std::string reason;
  };
  const std::string one = entry("a", "F32", "[2]", "[0,8]");
  const std::vector<Hostile> files{
      {"{" + one + "}", 7, "truncated"},
      {"{" + one + "}", 9, "end at byte 8 of 9"},
      {"{" + one, 8, "not valid JSON"},
      {"[1, 2]", 0, "no JSON object"},
      {"[[[[[[[[1]]]]]]]]", 0, "nests too deep"},
      {"{" + one + "," + one + "}", 8, "'a' twice"},
      {"{" + entry("a", "I64", "[1]", "[0,8]") + "}", 8, "dtype I64"},
      {"{" + entry("a", "BF16", "[3]", "[0,8]") + "}", 8, "needs 6 bytes"},
      {"{" + entry("a", "F32", "[3]", "[0,8]") + "}", 8, "needs 12 bytes"},
      {"{" + entry("a", "F32", "[-2]", "[0,8]") + "}", 8, "whole number"},
      {"{" + entry("a", "F32", "[1.5]", "[0,8]") + "}", 8, "whole number"},
      {"{" + entry("a", "F32", "[4611686018427387904,4]", "[0,0]") + "}", 0, "no possible size"},
      {"{" + entry("a", "F32", "[9223372036854775809]", "[0,8]") + "}", 8, "whole number"},
      {"{" + entry("a", "F32", "[2]", "[8,0]") + "}", 8, "not in the file"},
      {"{" + entry("a", "F32", "[2]", "[0,18446744073709551615]") + "}", 8, "not in the file"},
      {"{" + entry("a", "F32", "[2]", "[0,8,16]") + "}", 8, "two whole numbers"},
      {"{" + entry("a", "F32", "[2]", "[2,10]") + "}", 10, "not aligned"},
      {"{" + one + "," + entry("b", "F32", "[2]", "[4,12]") + "}", 12, "begins at byte 4"},
      {"{" + one + "," + entry("b", "F32", "[2]", "[12,20]") + "}", 20, "begins at byte 12"},
      {R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8, "malformed entry"},
      {R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", 8, "malformed entry"},
      {R"({"a":3})", 0, "malformed entry"},
      {R"({"__metadata__":{"a":3}})", 0, "no text"},
      {R"({"__metadata__":"text"})", 0, "no JSON object"},
  };
  for (const Hostile& hostile : files) {
    const std::string path = write_raw(folder, hostile.header, hostile.data);
    INFO(hostile.header << " with " << hostile.data << " bytes");
    CHECK_THAT(refusal(path), Catch::StartsWith(path) && Catch::Contains(hostile.reason));
  }
}

TEST_CASE("a header length beyond the file is refused before anything is allocated") {
  const TempFolder folder;
  for (const std::uint64_t lie : {std::uint64_t{3}, std::uint64_t{1000}, std::uint64_t{1} << 40,
                                  std::numeric_limits<std::uint64_t>::max()}) {
    CHECK_FALSE(refusal(write_raw(folder, "{}", 0, lie)).empty());
  }
}

TEST_CASE("a file cut anywhere is refused") {
  const TempFolder folder;
  const std::string path = folder.file("whole.safetensors"), cut = folder.file("cut.safetensors");
  TensorFile file;
  file.tensors.push_back({"a", Tensor({3})});
  write_safetensors(path, file);
  const auto size = std::filesystem::file_size(path);
  for (std::uintmax_t length = 0; length < size; ++length) {
    std::filesystem::copy_file(path, cut, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(cut, length);
    CHECK_FALSE(refusal(cut).empty());
  }
  CHECK(refusal(path).empty());
}

TEST_CASE("a missing file and a folder that is not there are errors with the system's reason") {
  const TempFolder folder;
  CHECK_THAT(refusal(folder.file("none")), Catch::Contains("No such file"));
  CHECK_THAT(message_of([&] { write_safetensors(folder.file("no/where"), {}); }),
             Catch::Contains("No such file"));
}

TEST_CASE("a write that runs out of room leaves the old file whole and no temporary") {
  const TempFolder folder;
  const std::string path = folder.file("model.safetensors");
  TensorFile file;
  file.tensors.push_back({"a", Tensor({3})});
  write_safetensors(path, file);
  file.tensors.push_back({"b", Tensor({100'000})});
  std::string message;
  {
    const FileSizeLimit limit(64 * 1024);
    message = message_of([&] { write_safetensors(path, file); });
  }
  CHECK_THAT(message, Catch::StartsWith(path) && Catch::Contains("File too large"));
  CHECK(read_safetensors(path).tensors.size() == 1);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a file that cannot be put in place is an error and leaves no temporary") {
  const TempFolder folder;
  const std::string path = folder.file("model");  // a folder cannot be replaced by a file
  std::filesystem::create_directories(path + "/inside");
  CHECK_FALSE(message_of([&] { write_safetensors(path, {}); }).empty());
  CHECK(std::filesystem::is_directory(path + "/inside"));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

}  // namespace
}  // namespace longreach::model
