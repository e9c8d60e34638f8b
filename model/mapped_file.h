// A file's bytes as memory: the system reads them when they are looked at.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace longreach::model {

/// Read-only. A file that is cut short while this lives kills the process where bytes beyond its
/// new end are looked at (SIGBUS); that it is as long as it should be is for the reader to check.
class MappedFile {
 public:
  /// Throws Error ("PATH: ...") with the system's reason, and for what is no regular file.
  explicit MappedFile(const std::string& path);

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {bytes_.get(), bytes_.get_deleter().size}; }

  /// Takes the memory of a part that has been read from the process again, but for the pages that
  /// it shares with its neighbours. The part stays readable.
  static void release(std::span<const std::byte> part);

 private:
  struct Unmap {
    std::size_t size;
    void operator()(const std::byte* bytes) const;
  };
  std::string path_;
  std::unique_ptr<const std::byte, Unmap> bytes_;
};

}  // namespace longreach::model
