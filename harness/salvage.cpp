// What can still be read of a damaged store: each cell is looked up by itself, so that a page that
// cannot be read costs the cells that lie on it and no others.
#include "harness/salvage.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>
#include <unistd.h>
#include <vector>

#include "harness/store_migrations.h"
#include "harness/stored_cell.h"

namespace longreach::harness {
namespace {

namespace fs = std::filesystem;

/// The first columns of an answer, up to where it cannot be read any more.
std::vector<std::string> readable(const Database& database, const std::string& sql,
                                  const std::optional<std::string>& of = {}) {
  std::vector<std::string> values;
  try {
    Statement query(database, sql);
    if (of) query.bind(1, *of);
    while (query.step()) values.push_back(query.text(0));
  } catch (const WriteError&) {
    throw;  // the disk fails now, which says nothing of the file
  } catch (const Error&) {
  }
  return values;
}

/// From both ends, and of the plan: a damaged page hides what comes after it from a reader.
std::set<std::string> cell_ids(const Database& damaged) {
  std::set<std::string> ids;
  for (const char* sql : {"SELECT cell_id FROM cells ORDER BY cell_id", "SELECT cell_id FROM plan",
                          "SELECT cell_id FROM cells ORDER BY cell_id DESC"}) {
    for (std::string& id : readable(damaged, sql)) ids.insert(std::move(id));
  }
  return ids;
}

void copy_notes(const Database& damaged, const Database& to) {
  i64 ordinal = 0;
  for (const std::string& id : readable(damaged, "SELECT cell_id FROM plan ORDER BY ordinal")) {
    to.statement("INSERT INTO plan VALUES(?, ?)").bind(1, ordinal++).bind(2, id).run();
  }
  for (const std::string& key : readable(damaged, "SELECT key FROM meta")) {
    const std::vector<std::string> value =
        readable(damaged, "SELECT value FROM meta WHERE key = ?", key);
    if (value.empty()) continue;
    to.statement("INSERT INTO meta VALUES(?, ?)").bind(1, key).bind(2, value[0]).run();
  }
}

std::optional<StoredCell> readable_cell(const Database& damaged, const std::string& id) {
  try {
    return read_cell(damaged, id);
  } catch (const WriteError&) {
    throw;  // the disk fails now, which says nothing of the file
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Makes a store of what can be read; how many cells that are.
std::size_t copy_readable(const std::string& path, const std::string& fresh) {
  const Database damaged(path, Database::Open::existing);
  const Database to(fresh, Database::Open::create);
  create_schema(to);
  Transaction transaction(to);
  std::size_t copied = 0;
  for (const std::string& id : cell_ids(damaged)) {
    const std::optional<StoredCell> cell = readable_cell(damaged, id);
    if (!cell) continue;
    write_cell(to, *cell);
    ++copied;
  }
  copy_notes(damaged, to);
  transaction.commit();
  return copied;
}

/// Takes the journal into the damaged file: left behind, it would be read into the new one.
void end_journal(const std::string& path) {
  const Database damaged(path, Database::Open::existing);
  if (damaged.ask("PRAGMA wal_checkpoint(TRUNCATE)") == "1") {
    throw WriteError(path + ": another program is using it; wait for it to finish");
  }
}

/// A name that nothing has yet: PATH.damaged, PATH.damaged-2, ...
std::string free_name(const std::string& path) {
  std::string name = path + ".damaged";
  for (int i = 2; fs::exists(name); ++i) name = fmt::format("{}.damaged-{}", path, i);
  return name;
}

void keep_beside(const std::string& path, const std::string& kept) {
  if (link(path.c_str(), kept.c_str()) == 0) return;
  std::error_code failure;  // not every file system has a second name for a file
  fs::copy_file(path, kept, failure);
  if (failure) throw write_error(kept, failure.value());
}

}  // namespace

std::string salvage(const std::string& path) {
  const std::string fresh = path + ".salvaged";
  for (const char* end : {"", "-wal", "-shm", "-journal"}) fs::remove(fresh + end);
  const std::size_t copied = copy_readable(path, fresh);
  if (copied == 0) {
    fs::remove(fresh);
    throw DamagedStore(fmt::format(
        "{}: it is damaged, and no cell of it can be read; move it away or choose another --output "
        "to start afresh",
        path));
  }
  end_journal(path);
  const std::string kept = free_name(path);
  keep_beside(path, kept);
  for (const char* end : {"-wal", "-shm"}) fs::remove(path + end);
  if (std::rename(fresh.c_str(), path.c_str()) != 0) throw write_error(path, errno);
  return fmt::format(
      "{}: was damaged; {} cells could be read and were taken over, the others are run again, and "
      "the damaged file is kept as {}",
      path, copied, kept);
}

}  // namespace longreach::harness
