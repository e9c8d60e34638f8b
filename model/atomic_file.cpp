// Write, sync, rename, sync the folder.
#include "model/atomic_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "core/error.h"

namespace longreach::model {

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(path_ + ".XXXXXX") {
  descriptor_ = ::mkstemp(temporary_.data());
  if (descriptor_ < 0) {
    const int reason = errno;
    throw error("{}: cannot be written: {}", path_, std::strerror(reason));
  }
  ::fchmod(descriptor_, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);  // mkstemp keeps it to the owner
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* bytes, std::size_t count) {
  const char* from = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = ::write(descriptor_, from, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    from += written;
    count -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("sync");
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    ::unlink(temporary_.c_str());
    throw error("{}: cannot be put in place: {}", path_, std::strerror(reason));
  }
  // The rename itself is durable only once the folder is; not every file system offers that.
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  const int handle = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (handle >= 0) {
    ::fsync(handle);
    ::close(handle);
  }
}

void AtomicFile::fail(const char* doing) const {
  const int reason = errno;
  throw error("{}: cannot {}: {}; the old file, if any, is untouched", path_, doing,
              std::strerror(reason));
}

}  // namespace longreach::model
