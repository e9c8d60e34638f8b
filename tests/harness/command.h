// Runs the built binary as a user would, and folders that vanish with their test.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>

namespace longreach::tests {

struct Run {
  int exit_code;  ///< -1 when a signal ended it
  std::string out, err;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "longreach-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// `LAUNCHER longreach ARGUMENTS`, from the source folder, with what it prints; a shell reads the
/// line.
inline Run run_command(const std::string& arguments, const std::string& launcher = "") {
  const TempFolder folder;
  const std::string line = "cd " LONGREACH_SOURCE_DIR " && " + launcher +
                           " " LONGREACH_BINARY_DIR "/longreach " + arguments + " >" +
                           folder / "out" + " 2>" + folder / "err" + " </dev/null";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(folder / "out"),
          read_file(folder / "err")};
}

/// What a script prints to its standard output; a shell runs it, from the source folder.
inline std::string run_script(const std::string& script) {
  const TempFolder folder;
  write_file(folder / "script", script);
  const std::string line = "cd " LONGREACH_SOURCE_DIR " && bash " + folder / "script" + " >" +
                           folder / "out" + " 2>/dev/null </dev/null";
  CHECK(std::system(line.c_str()) != -1);
  return read_file(folder / "out");
}

/// One clear line on stderr, nothing on stdout, exit 2.
inline void require_refused(const Run& run, const std::string& words) {
  INFO(run.out << run.err);
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err, Catch::Contains(words));
  CHECK(run.out.empty());
  CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}

}  // namespace longreach::tests
