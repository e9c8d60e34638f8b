// A cell as the store holds it.
#include "harness/stored_cell.h"

#include "core/sha256.h"

namespace longreach::harness {
namespace {

template <class T>
std::vector<std::string> lines_of(const std::vector<T>& items) {
  std::vector<std::string> lines;
  for (const T& item : items) lines.push_back(to_json(item));
  return lines;
}

/// Nothing when the cell is not there; with the digest that was stored when it is asked for.
std::optional<StoredCell> read(const Database& database, const std::string& id,
                               std::string* stored_digest) {
  const Snapshot snapshot(database);
  Statement& cell =
      database.statement(fmt::format("SELECT status, reason, info{} FROM cells WHERE cell_id = ?",
                                     stored_digest ? ", digest" : ""));
  if (!cell.bind(1, id).step()) return std::nullopt;
  StoredCell found{
      .id = id, .status = cell.text(0), .reason = cell.text(1), .info = cell.text(2), .rows = {}};
  if (stored_digest) *stored_digest = cell.text(3);
  cell.reset();
  for (std::size_t i = 0; i < kRowTables.size(); ++i) found.rows[i] = read_rows(database, id, i);
  return found;
}

}  // namespace

StoredCell stored_cell(const Outcome& outcome) {
  const auto status = EnumNames<Status>::names[static_cast<std::size_t>(outcome.info.status)];
  return {.id = outcome.info.cell_id,
          .status = std::string(status),
          .reason = outcome.info.reason,
          .info = to_json(outcome.info),
          .rows = {lines_of(outcome.findings.measurements), lines_of(outcome.findings.samples),
                   lines_of(outcome.findings.curves)}};
}

std::string digest(const StoredCell& cell) {
  Sha256 sum;
  const auto add = [&sum](std::string_view text) {
    const auto size = static_cast<std::uint64_t>(text.size());
    sum.add(std::as_bytes(std::span(&size, 1)));
    sum.add(std::as_bytes(std::span(text)));
  };
  for (const std::string& text : {cell.id, cell.status, cell.reason, cell.info}) add(text);
  for (const std::vector<std::string>& rows : cell.rows) {
    add(fmt::format("{} rows", rows.size()));
    for (const std::string& row : rows) add(row);
  }
  return sum.hex();
}

void write_cell(const Database& database, const StoredCell& cell) {
  database
      .statement(
          "INSERT OR REPLACE INTO cells(cell_id, status, reason, info, digest) "
          "VALUES(?, ?, ?, ?, ?)")
      .bind(1, cell.id)
      .bind(2, cell.status)
      .bind(3, cell.reason)
      .bind(4, cell.info)
      .bind(5, digest(cell))
      .run();
  for (std::size_t i = 0; i < kRowTables.size(); ++i) {
    database.statement(fmt::format("DELETE FROM {} WHERE cell_id = ?", kRowTables[i]))
        .bind(1, cell.id)
        .run();
    Statement& insert = database.statement(
        fmt::format("INSERT INTO {}(cell_id, ordinal, json) VALUES(?, ?, ?)", kRowTables[i]));
    for (std::size_t ordinal = 0; ordinal < cell.rows[i].size(); ++ordinal) {
      insert.bind(1, cell.id)
          .bind(2, static_cast<i64>(ordinal))
          .bind(3, cell.rows[i][ordinal])
          .run();
    }
  }
}

std::vector<std::string> read_rows(const Database& database, const std::string& id,
                                   std::size_t table) {
  Statement& query = database.statement(
      fmt::format("SELECT json FROM {} WHERE cell_id = ? ORDER BY ordinal", kRowTables[table]));
  query.bind(1, id);
  std::vector<std::string> rows;
  while (query.step()) rows.push_back(query.text(0));
  return rows;
}

std::optional<StoredCell> read_cell(const Database& database, const std::string& id) {
  std::string stored_digest;
  std::optional<StoredCell> cell = read(database, id, &stored_digest);
  if (cell && stored_digest != digest(*cell)) {
    throw DamagedStore(fmt::format("cell {}: it is damaged", id));
  }
  return cell;
}

std::optional<StoredCell> read_cell_unchecked(const Database& database, const std::string& id) {
  return read(database, id, nullptr);
}

}  // namespace longreach::harness
