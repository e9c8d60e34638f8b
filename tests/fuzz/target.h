// What fuzz targets are made of: files from bytes, and readers that may refuse them but no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>

#include "core/error.h"

/// What libFuzzer calls, and replay.cpp where there is no libFuzzer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace longreach::fuzz {

/// A folder of this process in memory where there is such a place, gone when the process ends.
class Folder {
 public:
  Folder() {
    const std::filesystem::path memory = "/dev/shm";
    const bool writable = access(memory.c_str(), W_OK) == 0;
    std::string pattern =
        ((writable ? memory : std::filesystem::temp_directory_path()) / "longreach-XXXXXX")
            .string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Writes a file; the path of it.
  std::string put(const std::string& name, std::string_view bytes) const {
    const std::string path = (path_ / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  void remove(const std::string& name) const { std::filesystem::remove(path_ / name); }

 private:
  std::filesystem::path path_;
};

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Whether the last input was refused, and why.
inline bool refused = false;
inline std::string last_reason;

/// Runs a reader, which may throw Error. Whatever else it throws ends the process, as a crash does.
template <class Read>
int may_refuse(const Read& read) {
  refused = false;
  try {
    read();
  } catch (const Error& why) {
    refused = true;
    last_reason = why.what();
  }
  return 0;
}

/// May a reader of one file refuse these bytes? `read` is given the path of such a file.
template <class Read>
int file_may_be_refused(const std::string& name, const std::uint8_t* data, std::size_t size,
                        const Read& read) {
  static const Folder folder;
  const std::string path = folder.put(name, text_of(data, size));
  return may_refuse([&] { read(path); });
}

}  // namespace longreach::fuzz
