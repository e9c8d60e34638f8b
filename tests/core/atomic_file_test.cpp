// A file appears whole or not at all, and what was there stays until then.
#include "core/atomic_file.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace longreach {
namespace {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "longreach-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::ptrdiff_t files() const {
    return std::distance(std::filesystem::directory_iterator(path_), {});
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// A limit of file size stands in for a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(AtomicFile& file, const std::string& text) { file.write(text.data(), text.size()); }

}  // namespace

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
  CHECK(folder.files() == 1);
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
  CHECK(folder.files() == 1);
}

TEST_CASE("a write that fails says so and what to do, and leaves what was there") {
  const TempFolder folder;
  const std::string path = folder.file("weights");
  std::ofstream(path) << "old";
  const std::string big(200000, 'x');
  const std::string words = path + ": cannot be written: File too large; free some space";
  {
    const FullDisk full(4);
    CHECK_THROWS_WITH(replace_file(path, "much more than fits"), Catch::StartsWith(words));
    CHECK_THROWS_AS(replace_file(path, "much more than fits"), WriteError);
  }
  {
    const FullDisk full(100000);  // within what the stream hands on before its end
    CHECK_THROWS_WITH(replace_file(path, [&](std::ostream& out) { out << big << big; }),
                      Catch::StartsWith(words));
  }
  CHECK(content(path) == "old");
  CHECK(folder.files() == 1);
  CHECK_THROWS_WITH(AtomicFile(folder.file("none/weights")),
                    Catch::Contains("No such file") && Catch::Contains("make its folder first"));
}

TEST_CASE("a stream's whole content replaces the file, and what its writer throws leaves it") {
  const TempFolder folder;
  const std::string path = folder.file("report");
  std::string expected;
  replace_file(path, [&](std::ostream& out) {
    for (int i = 0; i < 50000; ++i) {
      out << i << '\n';
      expected += std::to_string(i) + '\n';
    }
  });
  CHECK(content(path) == expected);
  CHECK_THROWS_WITH(replace_file(path,
                                 [](std::ostream& out) {
                                   out << "half";
                                   throw Error("no");
                                 }),
                    "no");
  CHECK(content(path) == expected);
  CHECK(folder.files() == 1);
}

TEST_CASE("a link stays one, and what it leads to is replaced") {
  const TempFolder folder;
  std::ofstream(folder.file("target")) << "old";
  std::filesystem::create_symlink("target", folder.file("link"));
  replace_file(folder.file("link"), "new");
  CHECK(std::filesystem::is_symlink(folder.file("link")));
  std::ifstream in(folder.file("target"));
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "new");
}

TEST_CASE("a pipe or a device is not replaced by a file") {
  const TempFolder folder;
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(replace_file(folder.file("pipe"), "new"),
                    Catch::Contains("cannot be replaced"));
  CHECK(std::filesystem::is_fifo(folder.file("pipe")));
  std::filesystem::create_symlink("pipe", folder.file("link"));
  CHECK_THROWS_WITH(replace_file(folder.file("link"), "new"),
                    Catch::Contains("cannot be replaced"));
  CHECK(folder.files() == 2);
}

TEST_CASE("two writers of one file do not mix, and the last one's content stays") {
  const TempFolder folder;
  const std::string path = folder.file("report");
  AtomicFile first(path), second(path);
  write(first, "fir");
  write(second, "second");
  write(first, "st");
  first.commit();
  CHECK(content(path) == "first");
  second.commit();
  CHECK(content(path) == "second");
}

TEST_CASE("what a killed writer leaves is removed, what is being written is not") {
  const TempFolder folder;
  const std::string path = folder.file("weights");
  const pid_t child = fork();
  if (child == 0) {
    AtomicFile killed(path);
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  AtomicFile writing(path);
  std::ofstream(folder.file("notes.new-year"));
  std::ofstream(folder.file("report.csv"));
  REQUIRE(folder.files() == 4);
  remove_abandoned(folder.path());
  CHECK(folder.files() == 3);
  write(writing, "new");
  writing.commit();
  CHECK(content(path) == "new");
  remove_abandoned(folder.file("none"));  // nothing there is nothing to remove
}

}  // namespace longreach
