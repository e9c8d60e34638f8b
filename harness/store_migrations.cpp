// How a store came to its present form.
#include "harness/store_migrations.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <sqlite3.h>

#include "harness/stored_cell.h"

namespace longreach::harness {
namespace {

constexpr const char* kSchema = R"(
  CREATE TABLE cells(cell_id TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL,
                     info TEXT NOT NULL, digest TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
  CREATE TABLE measurements(cell_id TEXT NOT NULL, ordinal INTEGER NOT NULL, json TEXT NOT NULL,
                            PRIMARY KEY(cell_id, ordinal)) WITHOUT ROWID;
  CREATE TABLE samples(cell_id TEXT NOT NULL, ordinal INTEGER NOT NULL, json TEXT NOT NULL,
                       PRIMARY KEY(cell_id, ordinal)) WITHOUT ROWID;
  CREATE TABLE curves(cell_id TEXT NOT NULL, ordinal INTEGER NOT NULL, json TEXT NOT NULL,
                      PRIMARY KEY(cell_id, ordinal)) WITHOUT ROWID;
  CREATE TABLE plan(ordinal INTEGER PRIMARY KEY, cell_id TEXT NOT NULL);
  CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
)";

/// What a version's rows lack besides columns: nothing, most often.
using Fill = void (*)(const Database&);

struct Migration {
  const char* sql;
  Fill fill;
};

/// A digest over what is there: from now on no byte of it changes unnoticed.
void add_digests(const Database& database) {
  std::vector<std::string> ids;
  Statement cells(database, "SELECT cell_id FROM cells");
  while (cells.step()) ids.push_back(cells.text(0));
  Statement update(database, "UPDATE cells SET digest = ? WHERE cell_id = ?");
  for (const std::string& id : ids) {
    update.bind(1, digest(*read_cell_unchecked(database, id))).bind(2, id).run();
  }
}

/// Number i takes version i + 1 to i + 2. Done once, a migration never changes.
constexpr std::array<Migration, kStoreVersion - 1> kMigrations{
    {{"ALTER TABLE cells ADD COLUMN digest TEXT NOT NULL DEFAULT ''", add_digests}}};

int version_of(const Database& database) { return std::stoi(database.ask("PRAGMA user_version")); }

void set_version(const Database& database) {
  database.execute(fmt::format("PRAGMA application_id = {}", kStoreApplication));
  database.execute(fmt::format("PRAGMA user_version = {}", kStoreVersion));
}

/// A whole copy of the open database, whatever its journal holds.
void copy_database(const Database& from, const std::string& path) {
  const std::string temporary = path + ".new";
  std::filesystem::remove(temporary);
  {
    const Database to(temporary, Database::Open::create);
    sqlite3_backup* backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
    if (!backup) to.fail(sqlite3_errcode(to.handle()));
    sqlite3_backup_step(backup, -1);
    const int code = sqlite3_backup_finish(backup);
    if (code != SQLITE_OK) to.fail(code);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) throw write_error(path, errno);
}

void require_ours(const Database& database, int version) {
  const bool first = version == 1 && database.ask("PRAGMA application_id") == "0" &&
                     database.ask(
                         "SELECT count(*) FROM sqlite_master WHERE name IN ('cells', "
                         "'measurements', 'samples', 'curves', 'plan', 'meta')") == "6";
  const bool later =
      version > 1 && database.ask("PRAGMA application_id") == std::to_string(kStoreApplication);
  if (first || later) return;
  throw error("{}: not a store of longreach; choose another --output", database.path());
}

}  // namespace

void create_schema(const Database& database) {
  Transaction transaction(database);
  database.execute(kSchema);
  set_version(database);
  transaction.commit();
}

void migrate(const Database& database, const std::function<void(const std::string&)>& tell) {
  const int version = version_of(database);
  require_ours(database, version);
  if (version > kStoreVersion) {
    throw error(
        "{}: written by a newer longreach (store version {}, this one reads {}); update "
        "longreach or choose another --output",
        database.path(), version, kStoreVersion);
  }
  if (version == kStoreVersion) return;
  const std::string copy = fmt::format("{}.v{}", database.path(), version);
  copy_database(database, copy);
  Transaction transaction(database);
  // Another program may have done it meanwhile.
  for (int at = version_of(database); at < kStoreVersion; ++at) {
    const Migration& step = kMigrations[static_cast<std::size_t>(at - 1)];
    database.execute(step.sql);
    step.fill(database);
  }
  set_version(database);
  transaction.commit();
  tell(fmt::format("{}: brought from version {} of stores to {}; as it was, it lies in {}",
                   database.path(), version, kStoreVersion, copy));
}

}  // namespace longreach::harness
