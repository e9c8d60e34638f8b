// Files as memory.
#include "model/mapped_file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

namespace longreach::model {
namespace {

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

[[noreturn]] void fail(const std::string& path, const char* doing) {
  throw error("{}: cannot be {}: {}", path, doing, std::strerror(errno));
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // A pipe without a writer would keep open() waiting for one.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) fail(path, "opened");
  struct stat status {};
  if (fstat(file.number, &status) != 0) fail(path, "looked at");
  if (!S_ISREG(status.st_mode)) throw error("{}: is no regular file", path);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;  // which the system does not map
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (mapped == MAP_FAILED) fail(path, "mapped");
  bytes_ = {static_cast<const std::byte*>(mapped), Unmap{size}};
}

void MappedFile::Unmap::operator()(const std::byte* bytes) const {
  munmap(const_cast<std::byte*>(bytes), size);
}

void MappedFile::release(std::span<const std::byte> part) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto at = reinterpret_cast<std::uintptr_t>(part.data());
  const std::uintptr_t first = (at + page - 1) / page * page;
  const std::uintptr_t last = (at + part.size()) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace longreach::model
