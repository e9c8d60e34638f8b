// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <string>

namespace longreach::model {

/// Writes to a temporary beside `path`; commit() syncs it and renames it over `path`. Without
/// commit() the temporary goes and `path` stays as it was. Every failure (disk full, not writable)
/// throws Error with the path and the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, std::size_t count);
  void commit();

 private:
  [[noreturn]] void fail(const char* doing) const;

  std::string path_, temporary_;
  int descriptor_ = -1;
};

}  // namespace longreach::model
