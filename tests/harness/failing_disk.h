// A disk that fails when a test wants it to: a layer under SQLite.
#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <sqlite3.h>

namespace longreach::tests {

/// While it lives, databases are opened through it. It counts all that changes the disk (writing,
/// cutting, syncing, making and removing files) and lets the `first`-th of these fail, or that and
/// all after it.
class FailingDisk {
 public:
  enum class Error { full, io };

  FailingDisk() {
    real_ = sqlite3_vfs_find(nullptr);
    REQUIRE(real_ != nullptr);
    vfs_ = *real_;
    vfs_.zName = "failing";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.xOpen = open;
    vfs_.xDelete = remove;
    active_ = this;
    REQUIRE(sqlite3_vfs_register(&vfs_, 1) == SQLITE_OK);
  }
  ~FailingDisk() {
    sqlite3_vfs_register(real_, 1);
    sqlite3_vfs_unregister(&vfs_);
    active_ = nullptr;
  }
  FailingDisk(const FailingDisk&) = delete;
  FailingDisk& operator=(const FailingDisk&) = delete;

  void fail(int first, Error error, bool all_after) {
    count_ = 0;
    first_ = first;
    error_ = error;
    all_after_ = all_after;
    fired_ = false;
  }
  void mend() { first_ = 0; }
  /// Since fail().
  bool fired() const { return fired_; }

  /// Files opened from now on cannot have a write-ahead log.
  bool without_log = false;

 private:
  struct File {
    sqlite3_file base;
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  static sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real(); }

  /// The code of a failure that is due now, else SQLITE_OK.
  int due(int io_code) {
    ++count_;
    const bool now = first_ > 0 && (count_ == first_ || (all_after_ && count_ > first_));
    fired_ |= now;
    if (!now) return SQLITE_OK;
    return error_ == Error::full ? SQLITE_FULL : io_code;
  }

  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    const int code = active_->due(SQLITE_IOERR_WRITE);
    // A full disk takes the beginning.
    if (code == SQLITE_FULL) real(file)->pMethods->xWrite(real(file), bytes, count / 2, offset);
    return code != SQLITE_OK ? code
                             : real(file)->pMethods->xWrite(real(file), bytes, count, offset);
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    const int code = active_->due(SQLITE_IOERR_TRUNCATE);
    return code != SQLITE_OK ? code : real(file)->pMethods->xTruncate(real(file), size);
  }
  static int sync(sqlite3_file* file, int flags) {
    const int code = active_->due(SQLITE_IOERR_FSYNC);
    return code != SQLITE_OK ? code : real(file)->pMethods->xSync(real(file), flags);
  }
  static int remove(sqlite3_vfs*, const char* path, int sync_folder) {
    const int code = active_->due(SQLITE_IOERR_DELETE);
    return code != SQLITE_OK ? code : active_->real_->xDelete(active_->real_, path, sync_folder);
  }

  static int open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* got) {
    const bool makes = (flags & SQLITE_OPEN_CREATE) != 0;
    const int code = makes ? active_->due(SQLITE_CANTOPEN) : SQLITE_OK;
    file->pMethods = nullptr;
    if (code != SQLITE_OK) return code;
    const int opened = active_->real_->xOpen(active_->real_, path, real(file), flags, got);
    if (opened == SQLITE_OK) file->pMethods = &methods();
    return opened;
  }

  static const sqlite3_io_methods& methods() {
    static const sqlite3_io_methods plain = made(1), logged = made(2);
    return active_->without_log ? plain : logged;
  }

  static sqlite3_io_methods made(int version) {
    sqlite3_io_methods m{};
    m.iVersion = version;
    m.xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); };
    m.xRead = [](sqlite3_file* f, void* to, int count, sqlite3_int64 offset) {
      return real(f)->pMethods->xRead(real(f), to, count, offset);
    };
    m.xWrite = write;
    m.xTruncate = truncate;
    m.xSync = sync;
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
      return real(f)->pMethods->xFileSize(real(f), size);
    };
    m.xLock = [](sqlite3_file* f, int l) { return real(f)->pMethods->xLock(real(f), l); };
    m.xUnlock = [](sqlite3_file* f, int l) { return real(f)->pMethods->xUnlock(real(f), l); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return real(f)->pMethods->xCheckReservedLock(real(f), out);
    };
    m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
      return real(f)->pMethods->xFileControl(real(f), op, arg);
    };
    m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) {
      return real(f)->pMethods->xDeviceCharacteristics(real(f));
    };
    if (version < 2) return m;
    m.xShmMap = [](sqlite3_file* f, int region, int size, int extend, void volatile** out) {
      return real(f)->pMethods->xShmMap(real(f), region, size, extend, out);
    };
    m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
      return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
    m.xShmUnmap = [](sqlite3_file* f, int remove_it) {
      return real(f)->pMethods->xShmUnmap(real(f), remove_it);
    };
    return m;
  }

  inline static FailingDisk* active_ = nullptr;
  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
  int count_ = 0, first_ = 0;
  Error error_ = Error::full;
  bool all_after_ = false, fired_ = false;
};

}  // namespace longreach::tests
