// A file appears whole or not at all, and what was there stays until then.
#include "model/atomic_file.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sys/resource.h>

#include "tests/model/models.h"

namespace longreach::model {
namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::ptrdiff_t files_in(const TempFolder& folder) {
  return std::distance(std::filesystem::directory_iterator(folder.path()), {});
}

void write(AtomicFile& file, const std::string& text) { file.write(text.data(), text.size()); }

TEST_CASE("a file is replaced when it is committed, not before") {
  const TempFolder folder;
  const std::string path = folder.file("weights");
  std::ofstream(path) << "old";
  AtomicFile file(path);
  write(file, "ne");
  write(file, "w");
  CHECK(content(path) == "old");
  file.commit();
  CHECK(content(path) == "new");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a file that is not committed leaves what was there, and nothing else") {
  const TempFolder folder;
  const std::string path = folder.file("weights");
  std::ofstream(path) << "old";
  {
    AtomicFile file(path);
    write(file, "new");
  }
  CHECK(content(path) == "old");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a write that fails says so and leaves what was there") {
  const TempFolder folder;
  const std::string path = folder.file("weights");
  std::ofstream(path) << "old";
  // A limit of file size stands in for a full disk.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = message_of([&] {
    AtomicFile file(path);
    write(file, "much more than fits");
    file.commit();
  });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, Catch::StartsWith(path + ": cannot write: ") && Catch::Contains("untouched"));
  CHECK(content(path) == "old");
  CHECK(files_in(folder) == 1);
  CHECK_THAT(message_of([&] { AtomicFile(folder.file("none/weights")); }),
             Catch::Contains("cannot be written"));
}

}  // namespace
}  // namespace longreach::model
