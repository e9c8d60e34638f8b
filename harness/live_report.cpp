// The report of a store that another process writes.
#include "harness/live_report.h"

#include <filesystem>
#include <fmt/format.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/units.h"
#include "harness/results.h"
#include "harness/store.h"

namespace longreach::harness {
namespace {

/// Between two reports: so long at least, and so many times what the last one took to make, so that
/// cells have the machine to themselves most of the time.
constexpr std::chrono::seconds kRest{3};
constexpr int kRestFactor = 10;

/// 0 where there is no such file.
unsigned long long inode_of(const std::string& path) {
  struct stat file {};
  return stat(path.c_str(), &file) == 0 ? file.st_ino : 0;
}

}  // namespace

LiveReport::LiveReport(std::string folder)
    : folder_(std::move(folder)),
      path_((std::filesystem::path(folder_) / "store.sqlite").string()),
      born_(fmt::format("{}-{}", getpid(), Clock::now().time_since_epoch().count())) {}

LiveReport::State LiveReport::state() {
  const std::lock_guard lock(asking_);
  try {
    const unsigned long long file = inode_of(path_);
    if (file != file_ || !database_) {
      database_.reset();
      file_ = file;
      if (file == 0) return {};
      database_ = std::make_unique<Database>(path_, Database::Open::reading);
      ++opened_;
    }
    const auto number = [this](const char* sql) {
      return parse_integer(database_->ask(sql), Unit::none).value_or(0);
    };
    State now;
    now.version = fmt::format("{}-{}-{}", born_, opened_, number("PRAGMA data_version"));
    now.cells = number("SELECT count(*) FROM plan");
    now.done = number("SELECT count(*) FROM plan JOIN cells USING (cell_id)");
    return now;
  } catch (const Error&) {
    database_.reset();  // not a store yet, or being replaced; report() says what is the matter
    return {};
  }
}

LiveReport::Made LiveReport::report(const std::string& name) {
  const std::lock_guard lock(making_);
  Kept& kept = kept_[name];
  const State now = state();
  const bool current = kept.made.of.version == now.version && now.version != "none";
  if (current || Clock::now() < kept.fresh_until) return kept.made;
  const Clock::time_point start = Clock::now();
  kept.made = make(name);
  kept.made.of = now;  // asked before: what came since makes another version
  const Clock::time_point end = Clock::now();
  const bool shown = kept.made.problem.empty();
  kept.fresh_until =
      shown ? end + std::max<Clock::duration>(kRest, kRestFactor * (end - start)) : end;
  return kept.made;
}

LiveReport::Made LiveReport::make(const std::string& name) {
  Made made;
  if (inode_of(path_) == 0) {
    made.problem = fmt::format("Nothing is stored in {} yet.", folder_);
    return made;
  }
  try {
    const Store store(folder_, Store::Open::existing, [](const std::string&) {});
    std::ostringstream text;
    write_report(read_results(store), name, text);
    made.text = std::move(text).str();
  } catch (const Error& failure) {
    made.problem = failure.what();
  }
  return made;
}

}  // namespace longreach::harness
