// Write, sync, rename, sync the folder.
#include "core/atomic_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <streambuf>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace longreach {
namespace {

constexpr std::string_view kTemporary = ".new-";

const char* advice(int reason) {
  switch (reason) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return "free some space and run again";
    case EACCES:
    case EPERM:
    case EROFS:
      return "check the permissions of its folder or choose another";
    case ENOENT:
    case ENOTDIR:
      return "make its folder first";
    default:
      return "check its disk and run again";
  }
}

/// A stream's way into an AtomicFile. What went wrong waits in `failure`, since a stream only turns
/// bad of it.
class Buffer final : public std::streambuf {
 public:
  explicit Buffer(AtomicFile& file) : file_(file), bytes_(1 << 16) { clear(); }
  std::exception_ptr failure;

 protected:
  int_type overflow(int_type c) override {
    if (!put()) return traits_type::eof();
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    return sputc(traits_type::to_char_type(c));
  }
  int sync() override { return put() ? 0 : -1; }

 private:
  bool put() {
    if (failure) return false;
    try {
      file_.write(pbase(), static_cast<std::size_t>(pptr() - pbase()));
    } catch (...) {
      failure = std::current_exception();
    }
    clear();
    return !failure;
  }
  void clear() { setp(bytes_.data(), bytes_.data() + bytes_.size()); }

  AtomicFile& file_;
  std::vector<char> bytes_;
};

/// Where a link leads, so that it stays one. Throws Error for a device, pipe or socket: renamed
/// over, /dev/null would be a file from then on.
std::string replaceable(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status)) {
    throw error("{}: a device or pipe, which cannot be replaced; give the name of a file", path);
  }
  if (!fs::is_symlink(fs::symlink_status(path, failure))) return path;
  const fs::path target = fs::weakly_canonical(path, failure);
  return failure ? path : target.string();
}

}  // namespace

WriteError write_error(const std::string& path, int reason) {
  return WriteError(
      fmt::format("{}: cannot be written: {}; {}", path, std::strerror(reason), advice(reason)));
}

AtomicFile::AtomicFile(const std::string& path)
    : path_(replaceable(path)), temporary_(fmt::format("{}{}XXXXXX", path_, kTemporary)) {
  descriptor_ = ::mkstemp(temporary_.data());
  if (descriptor_ < 0) throw write_error(path_, errno);
  ::flock(descriptor_, LOCK_EX | LOCK_NB);                       // for remove_abandoned()
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
    if (written < 0) throw write_error(path_, errno);
    from += written;
    count -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) throw write_error(path_, errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    ::unlink(temporary_.c_str());
    throw write_error(path_, reason);
  }
  // The rename itself is durable only once the folder is; not every file system offers that.
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  const int handle = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (handle >= 0) {
    ::fsync(handle);
    ::close(handle);
  }
}

void replace_file(const std::string& path, const std::function<void(std::ostream&)>& write) {
  AtomicFile file(path);
  Buffer buffer(file);
  std::ostream out(&buffer);
  write(out);
  out.flush();
  if (buffer.failure) std::rethrow_exception(buffer.failure);
  if (!out) throw error("{}: cannot be written: what writes it failed", path);
  file.commit();
}

void remove_abandoned(const std::string& folder) {
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(folder, unreadable)) {
    const std::string name = entry.path().filename().string();
    const std::size_t mark = name.rfind(kTemporary);
    if (mark == std::string::npos || name.size() - mark != kTemporary.size() + 6) continue;
    const int handle = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (handle < 0) continue;
    if (::flock(handle, LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
    ::close(handle);
  }
}

void replace_file(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content.data(), content.size());
  file.commit();
}

}  // namespace longreach
