// The little of SQLite that the store needs.
#include "harness/database.h"

#include <sqlite3.h>

namespace longreach::harness {
namespace {

constexpr int kBusyMilliseconds = 10000;  // how long to wait for another program's transaction

const char* advice(int code) {
  switch (code) {
    case SQLITE_FULL:
      return "the disk is full; free some space and run again, nothing is lost";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return "it cannot be written; check its permissions or choose another --output";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another program is using it; wait for it to finish";
    case SQLITE_IOERR:
      return "the disk failed or is full; check it, free some space and run again";
    default:
      return "run again, or choose another --output";
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement::Statement(const Database& database, std::string_view sql) : database_(database) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v2(database.handle(), sql.data(), static_cast<int>(sql.size()),
                                      &raw, nullptr);
  statement_.reset(raw);
  if (code != SQLITE_OK) database.fail(code);
}

Statement& Statement::bind(int index, std::string_view value) {
  const int code = sqlite3_bind_text64(statement_.get(), index, value.data(), value.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) database_.fail(code);
  return *this;
}

Statement& Statement::bind(int index, i64 value) {
  const int code = sqlite3_bind_int64(statement_.get(), index, value);
  if (code != SQLITE_OK) database_.fail(code);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  sqlite3_reset(statement_.get());  // or it would hold its lock
  if (code != SQLITE_DONE) database_.fail(code);
  return false;
}

void Statement::run() {
  step();
  reset();
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (!bytes) return "";
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Database::Close::operator()(sqlite3* handle) const { sqlite3_close(handle); }

Database::Database(std::string path, Open mode) : path_(std::move(path)) {
  sqlite3* raw = nullptr;
  const int flags = mode == Open::reading  ? SQLITE_OPEN_READONLY
                    : mode == Open::create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                           : SQLITE_OPEN_READWRITE;
  const int code = sqlite3_open_v2(path_.c_str(), &raw, flags, nullptr);
  handle_.reset(raw);
  if (code != SQLITE_OK) fail(code);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
}

Database::~Database() { statements_.clear(); }

void Database::execute(const std::string& sql) const {
  const int code = sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::string Database::ask(const std::string& sql) const {
  Statement query(*this, sql);
  return query.step() ? query.text(0) : "";
}

Statement& Database::statement(const std::string& sql) const {
  std::unique_ptr<Statement>& kept = statements_[sql];
  if (!kept) kept = std::make_unique<Statement>(*this, sql);
  kept->reset();
  return *kept;
}

bool Database::read_only() const { return sqlite3_db_readonly(handle(), "main") == 1; }

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle()) == 0; }

void Database::fail(int code) const {
  // The handle knows more than the code, unless its last call was another.
  const bool told = handle() && (sqlite3_errcode(handle()) & 0xff) == (code & 0xff);
  const char* reason = told ? sqlite3_errmsg(handle()) : sqlite3_errstr(code);
  const std::string message = fmt::format("{}: {} ({})", path_, advice(code & 0xff), reason);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw DamagedStore(fmt::format("{}: it is damaged ({})", path_, reason));
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
      throw WriteError(message);
    default:
      throw Error(message);
  }
}

Transaction::Transaction(const Database& database)
    : database_(database), done_(database.in_transaction()) {
  if (!done_) database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (!done_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  if (!done_) database_.execute("COMMIT");
  done_ = true;
}

Snapshot::Snapshot(const Database& database)
    : database_(database), outermost_(!database.in_transaction()) {
  if (outermost_) database_.execute("BEGIN");
}

Snapshot::~Snapshot() {
  if (outermost_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace longreach::harness
