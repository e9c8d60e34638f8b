// What has been found so far: one SQLite file, written a whole cell at a time.
#include "harness/store.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sqlite3.h>

#include "core/error.h"

namespace longreach::harness {
namespace {

constexpr const char* kSchema = R"(
  CREATE TABLE cells(cell_id TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL,
                     info TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE measurements(cell_id TEXT NOT NULL, ordinal INTEGER NOT NULL, json TEXT NOT NULL,
                            PRIMARY KEY(cell_id, ordinal)) WITHOUT ROWID;
  CREATE TABLE samples(cell_id TEXT NOT NULL, ordinal INTEGER NOT NULL, json TEXT NOT NULL,
                       PRIMARY KEY(cell_id, ordinal)) WITHOUT ROWID;
  CREATE TABLE curves(cell_id TEXT NOT NULL, ordinal INTEGER NOT NULL, json TEXT NOT NULL,
                      PRIMARY KEY(cell_id, ordinal)) WITHOUT ROWID;
  CREATE TABLE plan(ordinal INTEGER PRIMARY KEY, cell_id TEXT NOT NULL);
  CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
)";

std::string advice(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "the disk is full; free some space and run again, nothing is lost";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return "it cannot be written; check its permissions or choose another --output";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "it is damaged; move it away or choose another --output to start afresh";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another program is using it; wait for it to finish";
    case SQLITE_IOERR:
      return "the disk failed or is full; free some space and run again";
    default:
      return "run again, or choose another --output";
  }
}

[[noreturn]] void fail(const std::string& path, sqlite3* database, int code) {
  const char* reason = database ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  throw error("{}: {} ({})", path, advice(code), reason);
}

/// One prepared statement.
class Statement {
 public:
  Statement(sqlite3* database, const std::string& path, const char* sql)
      : database_(database), path_(path) {
    const int code = sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr);
    if (code != SQLITE_OK) fail(path_, database_, code);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int index, const std::string& value) {
    sqlite3_bind_text(statement_, index, value.data(), static_cast<int>(value.size()),
                      SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(int index, i64 value) {
    sqlite3_bind_int64(statement_, index, value);
    return *this;
  }
  /// True when there is a row to read.
  bool step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) fail(path_, database_, code);
    return false;
  }
  void run() {
    step();
    sqlite3_reset(statement_);
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return bytes ? std::string(bytes,
                               static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)))
                 : "";
  }

 private:
  sqlite3* database_;
  const std::string& path_;
  sqlite3_stmt* statement_ = nullptr;
};

void execute(sqlite3* database, const std::string& path, const char* sql) {
  const int code = sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(path, database, code);
}

/// All or nothing: undone unless committed. One within another is part of it.
class Transaction {
 public:
  Transaction(sqlite3* database, const std::string& path)
      : database_(database), path_(path), done_(sqlite3_get_autocommit(database) == 0) {
    if (!done_) execute(database_, path_, "BEGIN IMMEDIATE");
  }
  ~Transaction() {
    if (!done_) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() {
    if (!done_) execute(database_, path_, "COMMIT");
    done_ = true;
  }

 private:
  sqlite3* database_;
  const std::string& path_;
  bool done_;
};

template <class T>
void insert_all(sqlite3* database, const std::string& path, const char* table,
                const std::string& cell_id, const std::vector<T>& items) {
  Statement clear(database, path, fmt::format("DELETE FROM {} WHERE cell_id = ?", table).c_str());
  clear.bind(1, cell_id).run();
  Statement insert(database, path, fmt::format("INSERT INTO {} VALUES(?, ?, ?)", table).c_str());
  for (std::size_t i = 0; i < items.size(); ++i) {
    insert.bind(1, cell_id).bind(2, static_cast<i64>(i)).bind(3, to_json(items[i])).run();
  }
}

void each_row(sqlite3* database, const std::string& path, const char* table,
              const std::string& cell_id, const std::function<void(const std::string&)>& use) {
  Statement query(
      database, path,
      fmt::format("SELECT json FROM {} WHERE cell_id = ? ORDER BY ordinal", table).c_str());
  query.bind(1, cell_id);
  while (query.step()) use(query.text(0));
}

}  // namespace

void Store::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

Store::Store(const std::string& folder, Open mode)
    : path_((std::filesystem::path(folder) / "store.sqlite").string()) {
  const bool exists = std::filesystem::exists(path_);
  if (!exists && mode == Open::existing) {
    throw error("{}: no such file; `longreach run` makes one", path_);
  }
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | (mode == Open::create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path_.c_str(), &raw, flags, nullptr);
  database_.reset(raw);
  if (code != SQLITE_OK) fail(path_, raw, code);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 5000);
  prepare(mode == Open::create);
}

void Store::prepare(bool create) {
  sqlite3* database = database_.get();
  const auto ask = [&](const char* sql) {
    Statement query(database, path_, sql);
    return query.step() ? query.text(0) : "";
  };
  if (const std::string state = ask("PRAGMA quick_check(1)"); state != "ok") {
    throw error("{}: {} ({})", path_, advice(SQLITE_CORRUPT), state);
  }
  const i64 version = std::stoll(ask("PRAGMA user_version"));
  if (version > kStoreVersion) {
    throw error(
        "{}: written by a newer longreach (store version {}, this one reads {}); update "
        "longreach or choose another --output",
        path_, version, kStoreVersion);
  }
  if (sqlite3_db_readonly(database, "main") == 1 && create) {
    throw error("{}: {}", path_, advice(SQLITE_READONLY));
  }
  if (version == kStoreVersion) return;
  if (ask("SELECT count(*) FROM sqlite_master") != "0" || !create) {
    throw error("{}: not a store of longreach; choose another --output", path_);
  }
  execute(database, path_, "PRAGMA journal_mode = WAL");
  Transaction transaction(database, path_);
  execute(database, path_, kSchema);
  execute(database, path_, fmt::format("PRAGMA user_version = {}", kStoreVersion).c_str());
  transaction.commit();
}

void Store::finish(const Outcome& outcome) {
  sqlite3* database = database_.get();
  const std::string& id = outcome.info.cell_id;
  Transaction transaction(database, path_);
  Statement cell(database, path_, "INSERT OR REPLACE INTO cells VALUES(?, ?, ?, ?)");
  const auto status = EnumNames<Status>::names[static_cast<std::size_t>(outcome.info.status)];
  cell.bind(1, id)
      .bind(2, std::string(status))
      .bind(3, outcome.info.reason)
      .bind(4, to_json(outcome.info))
      .run();
  insert_all(database, path_, "measurements", id, outcome.findings.measurements);
  insert_all(database, path_, "samples", id, outcome.findings.samples);
  insert_all(database, path_, "curves", id, outcome.findings.curves);
  transaction.commit();
}

std::optional<CellInfo> Store::find(const std::string& cell_id) const {
  Statement query(database_.get(), path_, "SELECT info FROM cells WHERE cell_id = ?");
  query.bind(1, cell_id);
  if (!query.step()) return std::nullopt;
  return cell_info_from_json(query.text(0));
}

void Store::all_or_nothing(const std::function<void()>& work) {
  Transaction transaction(database_.get(), path_);
  work();
  transaction.commit();
}

std::optional<Outcome> Store::outcome(const std::string& cell_id) const {
  const std::optional<CellInfo> info = find(cell_id);
  if (!info) return std::nullopt;
  Outcome found{*info, {}};
  sqlite3* database = database_.get();
  each_row(database, path_, "measurements", cell_id, [&](const std::string& json) {
    found.findings.measurements.push_back(measurement_from_json(json));
  });
  each_row(database, path_, "samples", cell_id, [&](const std::string& json) {
    found.findings.samples.push_back(sample_from_json(json));
    found.findings.samples.back().cell_id = cell_id;
  });
  each_row(database, path_, "curves", cell_id, [&](const std::string& json) {
    found.findings.curves.push_back(curve_from_json(json));
    found.findings.curves.back().cell_id = cell_id;
  });
  return found;
}

std::vector<std::string> Store::stored_cells() const {
  Statement query(database_.get(), path_, "SELECT cell_id FROM cells ORDER BY cell_id");
  std::vector<std::string> ids;
  while (query.step()) ids.push_back(query.text(0));
  return ids;
}

void Store::set_plan(const std::vector<std::string>& cell_ids) {
  sqlite3* database = database_.get();
  Transaction transaction(database, path_);
  execute(database, path_, "DELETE FROM plan");
  Statement insert(database, path_, "INSERT INTO plan VALUES(?, ?)");
  for (std::size_t i = 0; i < cell_ids.size(); ++i) {
    insert.bind(1, static_cast<i64>(i)).bind(2, cell_ids[i]).run();
  }
  transaction.commit();
}

std::vector<std::string> Store::plan() const {
  Statement query(database_.get(), path_, "SELECT cell_id FROM plan ORDER BY ordinal");
  std::vector<std::string> ids;
  while (query.step()) ids.push_back(query.text(0));
  return ids;
}

void Store::set_meta(const std::string& key, const std::string& value) {
  Statement insert(database_.get(), path_, "INSERT OR REPLACE INTO meta VALUES(?, ?)");
  insert.bind(1, key).bind(2, value).run();
}

std::string Store::meta(const std::string& key) const {
  Statement query(database_.get(), path_, "SELECT value FROM meta WHERE key = ?");
  query.bind(1, key);
  return query.step() ? query.text(0) : "";
}

std::vector<std::string> Store::meta_keys() const {
  Statement query(database_.get(), path_, "SELECT key FROM meta ORDER BY key");
  std::vector<std::string> keys;
  while (query.step()) keys.push_back(query.text(0));
  return keys;
}

std::map<std::string, i64> Store::statuses() const {
  Statement query(database_.get(), path_,
                  "SELECT ifnull(status, 'not run'), count(*) FROM plan LEFT JOIN cells "
                  "USING(cell_id) GROUP BY 1");
  std::map<std::string, i64> counts;
  while (query.step()) counts[query.text(0)] = std::stoll(query.text(1));
  return counts;
}

void Stored::add(Outcome outcome) {
  Findings& findings = outcome.findings;
  for (Measurement& m : findings.measurements) records.push_back({outcome.info, std::move(m)});
  if (findings.measurements.empty()) records.push_back({outcome.info, {}});
  std::ranges::move(findings.samples, std::back_inserter(samples));
  std::ranges::move(findings.curves, std::back_inserter(curves));
}

Stored Store::read() const {
  Stored stored;
  for (const std::string& id : plan()) {
    if (std::optional<Outcome> found = outcome(id)) stored.add(std::move(*found));
  }
  return stored;
}

void Store::each_cell(const std::function<void(CellInfo, std::vector<Measurement>)>& use) const {
  for (const std::string& id : plan()) {
    std::optional<CellInfo> info = find(id);
    if (!info) continue;
    std::vector<Measurement> measurements;
    each_row(database_.get(), path_, "measurements", id,
             [&](const std::string& json) { measurements.push_back(measurement_from_json(json)); });
    use(std::move(*info), std::move(measurements));
  }
}

void Store::each_sample(const std::function<void(const SampleRecord&)>& use) const {
  for (const std::string& id : plan()) {
    for (const SampleRecord& sample : samples(id)) use(sample);
  }
}

std::vector<SampleRecord> Store::samples(const std::string& cell_id) const {
  std::vector<SampleRecord> found;
  each_row(database_.get(), path_, "samples", cell_id, [&](const std::string& json) {
    found.push_back(sample_from_json(json));
    found.back().cell_id = cell_id;
  });
  return found;
}

void Store::each_curve(const std::function<void(const Curve&)>& use) const {
  for (const std::string& id : plan()) {
    each_row(database_.get(), path_, "curves", id, [&](const std::string& json) {
      Curve curve = curve_from_json(json);
      curve.cell_id = id;
      use(curve);
    });
  }
}

}  // namespace longreach::harness
