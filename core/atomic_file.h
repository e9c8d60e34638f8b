// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

#include "core/error.h"

namespace longreach {

/// A disk that does not take what is written: full, read-only, failing, not the user's. Nothing is
/// wrong with what was to be written; the same succeeds once the disk takes it.
struct WriteError : Error {
  using Error::Error;
};

/// "{path}: cannot be written: {the system's reason}; {what to do}" for an errno.
WriteError write_error(const std::string& path, int reason);

/// Writes to a temporary of a name of its own beside `path`; commit() syncs it and renames it over
/// `path`, or over the file that a link leads to. Without commit() the temporary goes and `path`
/// stays as it was. Every failure throws WriteError with the path and the system's reason; a path
/// of a device or pipe throws Error.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, std::size_t count);
  void commit();

 private:
  std::string path_, temporary_;
  int descriptor_ = -1;
};

/// Removes from a folder the temporaries of processes that ended before they could: killed, or
/// without power. Those that are being written stay.
void remove_abandoned(const std::string& folder);

/// An AtomicFile whose content is what `write` puts into the stream. What `write` throws passes
/// through and leaves `path` as it was; so does a failure to write, as WriteError.
void replace_file(const std::string& path, const std::function<void(std::ostream&)>& write);
void replace_file(const std::string& path, std::string_view content);

}  // namespace longreach
