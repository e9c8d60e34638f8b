// What has been found so far: one SQLite file, written a whole cell at a time.
#include "harness/store.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <unistd.h>

#include "core/error.h"
#include "harness/salvage.h"
#include "harness/stored_cell.h"
#include "harness/terminal.h"

namespace longreach::harness {

void tell_on_stderr(const std::string& message) {
  // Progress may stand in the line.
  if (screen_of(STDERR_FILENO).redraws) std::cerr << kClearLine;
  std::cerr << "longreach: " << printable(message, "\n") << '\n';
}

Store::Store(const std::string& folder, Open mode, Tell tell)
    : path_((std::filesystem::path(folder) / "store.sqlite").string()), tell_(std::move(tell)) {
  if (mode == Open::existing && !std::filesystem::exists(path_)) {
    throw error("{}: no such file; `longreach run` makes one", path_);
  }
  try {
    open(mode);
  } catch (const DamagedStore& damage) {
    database_.reset();
    if (mode == Open::existing) {
      throw DamagedStore(
          fmt::format("{}; `longreach run` takes over what can still be read and keeps the file",
                      damage.what()));
    }
    tell_(salvage(path_));
    open(mode);
  }
}

void Store::open(Open mode) {
  const bool create = mode == Open::create;
  database_ =
      std::make_unique<Database>(path_, create ? Database::Open::create : Database::Open::existing);
  if (std::string state = database_->ask("PRAGMA quick_check(1)"); state != "ok") {
    std::ranges::replace(state, '\n', ' ');
    throw DamagedStore(fmt::format("{}: it is damaged ({})", path_, state));
  }
  const bool empty = database_->ask("SELECT count(*) FROM sqlite_master") == "0" &&
                     database_->ask("PRAGMA user_version") == "0";
  if (empty && create) {
    choose_journal();
    create_schema(*database_);
    return;
  }
  migrate(*database_, tell_);
  if (!create) return;
  if (database_->read_only()) throw write_error(path_, EROFS);
  choose_journal();
}

void Store::choose_journal() {
  // A commit is on the disk when it returns, in either mode.
  database_->execute("PRAGMA synchronous = FULL");
  if (database_->ask("PRAGMA journal_mode") == "wal") return;
  const std::string mode = database_->ask("PRAGMA journal_mode = WAL");
  if (mode == "wal") return;
  tell_(fmt::format(
      "{}: its file system has no write-ahead log (journal mode {}); nothing is lost of it, but "
      "`report` waits for the run's writes and they for it",
      path_, mode));
}

void Store::finish(const Outcome& outcome) {
  const StoredCell cell = stored_cell(outcome);
  damaged_.erase(cell.id);
  intact_.erase(cell.id);
  Transaction transaction(*database_);
  write_cell(*database_, cell);
  transaction.commit();
}

void Store::note_damaged(const std::string& id) const {
  if (!damaged_.insert(id).second) return;
  tell_(fmt::format(
      "{}: cell {} is not as it was stored and counts as never run; `longreach run` runs it again",
      path_, id));
}

std::optional<StoredCell> Store::believed(const std::string& id) const {
  try {
    std::optional<StoredCell> cell = read_cell(*database_, id);
    if (cell) intact_.insert(id);
    return cell;
  } catch (const DamagedStore&) {
    note_damaged(id);
    return std::nullopt;
  }
}

std::vector<std::string> Store::rows(const std::string& id, std::size_t table) const {
  if (intact_.contains(id)) return read_rows(*database_, id, table);
  std::optional<StoredCell> cell = believed(id);
  return cell ? std::move(cell->rows[table]) : std::vector<std::string>{};
}

std::optional<CellInfo> Store::find(const std::string& cell_id) const {
  std::string info;
  if (intact_.contains(cell_id)) {
    Statement& query = database_->statement("SELECT info FROM cells WHERE cell_id = ?");
    if (query.bind(1, cell_id).step()) info = query.text(0);
    query.reset();
  } else if (const std::optional<StoredCell> cell = believed(cell_id)) {
    info = cell->info;
  }
  if (info.empty()) return std::nullopt;
  return cell_info_from_json(info);
}

void Store::all_or_nothing(const std::function<void()>& work) {
  Transaction transaction(*database_);
  work();
  transaction.commit();
}

std::optional<Outcome> Store::outcome(const std::string& cell_id) const {
  const Snapshot snapshot(*database_);
  std::optional<CellInfo> info = find(cell_id);
  if (!info) return std::nullopt;
  return Outcome{std::move(*info), {measurements(cell_id), samples(cell_id), curves(cell_id)}};
}

std::vector<Measurement> Store::measurements(const std::string& cell_id) const {
  std::vector<Measurement> found;
  for (const std::string& json : rows(cell_id, kMeasurements)) {
    found.push_back(measurement_from_json(json));
  }
  return found;
}

std::vector<SampleRecord> Store::samples(const std::string& cell_id) const {
  std::vector<SampleRecord> found;
  for (const std::string& json : rows(cell_id, kSamples)) {
    found.push_back(sample_from_json(json));
    found.back().cell_id = cell_id;
  }
  return found;
}

std::vector<Curve> Store::curves(const std::string& cell_id) const {
  std::vector<Curve> found;
  for (const std::string& json : rows(cell_id, kCurves)) {
    found.push_back(curve_from_json(json));
    found.back().cell_id = cell_id;
  }
  return found;
}

std::vector<std::string> Store::texts(const std::string& sql) const {
  Statement& query = database_->statement(sql);
  std::vector<std::string> found;
  while (query.step()) found.push_back(query.text(0));
  return found;
}

std::vector<std::string> Store::stored_cells() const {
  return texts("SELECT cell_id FROM cells ORDER BY cell_id");
}

void Store::set_plan(const std::vector<std::string>& cell_ids) {
  Transaction transaction(*database_);
  database_->execute("DELETE FROM plan");
  Statement& insert = database_->statement("INSERT INTO plan VALUES(?, ?)");
  for (std::size_t i = 0; i < cell_ids.size(); ++i) {
    insert.bind(1, static_cast<i64>(i)).bind(2, cell_ids[i]).run();
  }
  transaction.commit();
}

std::vector<std::string> Store::plan() const {
  return texts("SELECT cell_id FROM plan ORDER BY ordinal");
}

void Store::set_meta(const std::string& key, const std::string& value) {
  database_->statement("INSERT OR REPLACE INTO meta VALUES(?, ?)")
      .bind(1, key)
      .bind(2, value)
      .run();
}

std::string Store::meta(const std::string& key) const {
  Statement& query = database_->statement("SELECT value FROM meta WHERE key = ?");
  if (!query.bind(1, key).step()) return "";
  const std::string value = query.text(0);
  query.reset();
  return value;
}

std::vector<std::string> Store::meta_keys() const {
  return texts("SELECT key FROM meta ORDER BY key");
}

std::map<std::string, i64> Store::statuses() const {
  Statement& query = database_->statement(
      "SELECT ifnull(status, 'not run'), count(*) FROM plan LEFT JOIN cells USING(cell_id) "
      "GROUP BY 1");
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
  const Snapshot snapshot(*database_);
  Stored stored;
  for (const std::string& id : plan()) {
    if (std::optional<Outcome> found = outcome(id)) stored.add(std::move(*found));
  }
  return stored;
}

void Store::each_cell(const std::function<void(CellInfo, std::vector<Measurement>)>& use) const {
  const Snapshot snapshot(*database_);
  for (const std::string& id : plan()) {
    if (std::optional<CellInfo> info = find(id)) use(std::move(*info), measurements(id));
  }
}

void Store::each_sample(const std::function<void(const SampleRecord&)>& use) const {
  const Snapshot snapshot(*database_);
  for (const std::string& id : plan()) {
    for (const SampleRecord& sample : samples(id)) use(sample);
  }
}

void Store::each_curve(const std::function<void(const Curve&)>& use) const {
  const Snapshot snapshot(*database_);
  for (const std::string& id : plan()) {
    for (const Curve& curve : curves(id)) use(curve);
  }
}

}  // namespace longreach::harness
