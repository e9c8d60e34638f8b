// A folder for tests that write very often.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <unistd.h>

namespace longreach::tests {

/// Vanishes with its test. In memory where there is such a folder: such tests would wait for a
/// disk's syncs most of the time, and a killed process leaves what it wrote either way.
class MemoryFolder {
 public:
  MemoryFolder() {
    const char* memory = "/dev/shm";
    const std::filesystem::path parent =
        access(memory, W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
    std::string name = (parent / "longreach-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~MemoryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  MemoryFolder(const MemoryFolder&) = delete;
  MemoryFolder& operator=(const MemoryFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace longreach::tests
