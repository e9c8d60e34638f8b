// The little of SQLite that the store needs, with errors that say what to do.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/atomic_file.h"
#include "core/tensor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace longreach::harness {

/// A database whose bytes are not what was written.
struct DamagedStore : Error {
  using Error::Error;
};

class Database;

/// One statement, ready to run again and again.
class Statement {
 public:
  Statement(const Database&, std::string_view sql);

  /// Values by place, from 1.
  Statement& bind(int index, std::string_view value);
  Statement& bind(int index, i64 value);
  /// True when there is a row to read. After the last row, or reset(), values can be bound anew.
  bool step();
  /// For what has no rows to read.
  void run();
  void reset();
  std::string text(int column) const;  ///< of the row, from 0; "" for null

 private:
  struct Finalize {
    void operator()(sqlite3_stmt*) const;
  };
  const Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// One open file. Every failure throws: DamagedStore; WriteError for a disk that is full, read-only
/// or failing, and for a file that another program holds; Error for the rest.
class Database {
 public:
  enum class Open {
    create,
    existing,
    reading  ///< as it is: nothing can be written
  };

  Database(std::string path, Open);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void execute(const std::string& sql) const;
  /// The first column of the answer's first row; "" when there is none.
  std::string ask(const std::string& sql) const;
  /// Prepared once and kept. Not to be asked for again while its rows are being read.
  Statement& statement(const std::string& sql) const;

  bool read_only() const;
  bool in_transaction() const;
  const std::string& path() const { return path_; }
  sqlite3* handle() const { return handle_.get(); }

  /// Throws what a result code of SQLite means.
  [[noreturn]] void fail(int code) const;

 private:
  struct Close {
    void operator()(sqlite3*) const;
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
  mutable std::map<std::string, std::unique_ptr<Statement>> statements_;
};

/// All or nothing: undone unless committed. One within another is part of it.
class Transaction {
 public:
  explicit Transaction(const Database&);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database& database_;
  bool done_;
};

/// While it lives, all that is read is of one moment, whatever others write meanwhile.
class Snapshot {
 public:
  explicit Snapshot(const Database&);
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  const Database& database_;
  const bool outermost_;
};

}  // namespace longreach::harness
