// What can be read of a damaged store is taken over; the rest is run again.
#include "harness/salvage.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "command.h"
#include "harness/equality.h"
#include "stored.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kCells = 24;

/// Each cell takes more than a page.
void fill(const std::string& folder) {
  Store store(folder, Store::Open::create);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < kCells; ++i) ids.push_back(fmt::format("cell{:02}", i));
  store.set_plan(ids);
  store.set_meta("name", "salvaged");
  for (std::size_t i = 0; i < kCells; ++i) {
    Outcome big = outcome(ids[i], static_cast<double>(i));
    big.findings.measurements.resize(20, big.findings.measurements[0]);
    store.finish(big);
  }
}

/// Those of `whole` whose cell `part` has too.
Stored common(const Stored& whole, const Stored& part) {
  std::set<std::string> ids;
  for (const Record& record : part.records) ids.insert(record.cell.cell_id);
  Stored kept = whole;
  const auto gone = [&](const std::string& id) { return !ids.contains(id); };
  std::erase_if(kept.records, [&](const Record& one) { return gone(one.cell.cell_id); });
  std::erase_if(kept.samples, [&](const SampleRecord& one) { return gone(one.cell_id); });
  std::erase_if(kept.curves, [&](const Curve& one) { return gone(one.cell_id); });
  return kept;
}

}  // namespace

TEST_CASE("Whichever page of a store is lost, what is taken over is what was stored") {
  const TempFolder whole;
  fill(whole / ".");
  const Stored stored = Store(whole / ".", Store::Open::existing).read();
  const std::string bytes = read_file(whole / "store.sqlite");
  const std::size_t pages = bytes.size() / kPage;
  REQUIRE(pages > 20);
  std::size_t taken_over = 0, best = 0;
  for (std::size_t page = 0; page < pages; ++page) {
    CAPTURE(page);
    const TempFolder folder;
    const std::string path = folder / "store.sqlite";
    std::string damaged = bytes;
    damaged.replace(page * kPage, kPage, std::string(kPage, '\xa5'));
    write_file(path, damaged);
    CHECK_THROWS_AS(Store(folder / ".", Store::Open::existing), DamagedStore);
    CHECK(read_file(path) == damaged);
    Told told;
    try {
      const Store store(folder / ".", Store::Open::create, told.tell());
      const Stored saved = store.read();
      CHECK(equal_but_for_times(common(stored, saved), saved) == "");
      REQUIRE_FALSE(told.messages.empty());
      CHECK_THAT(told.messages[0], Contains("cells could be read and were taken over"));
      CHECK(read_file(path + ".damaged") == damaged);
      ++taken_over;
      best = std::max(best, saved.samples.size());
    } catch (const DamagedStore& refused) {
      CHECK_THAT(refused.what(), Contains("no cell of it can be read; move it away"));
      CHECK(read_file(path) == damaged);
    }
    CHECK_FALSE(std::filesystem::exists(path + ".salvaged"));
  }
  CHECK(taken_over > pages / 2);
  CHECK(best == kCells);  // the page of the plan or of the notes, say
}

TEST_CASE("A salvaged store has what its journal held, and further damage gets further names") {
  const TempFolder folder;
  fill(folder / ".");
  const std::string path = folder / "store.sqlite";
  {
    Store writer(folder / ".", Store::Open::create);
    writer.finish(outcome("cell00", -1));  // lies in the journal until the store is closed
    const TempFolder other;
    REQUIRE(std::filesystem::file_size(path + "-wal") > 0);
    for (int round = 1; round <= 2; ++round) {
      std::string bytes = read_file(path);
      bytes.replace(bytes.size() - kPage, kPage, std::string(kPage, '\xa5'));
      write_file(other / "store.sqlite", bytes);
      if (round == 1) std::filesystem::copy_file(path + "-wal", other / "store.sqlite-wal");
      Told told;
      const Store store(other / ".", Store::Open::create, told.tell());
      REQUIRE_FALSE(told.messages.empty());
      CHECK(store.meta("name") == "salvaged");
      CHECK_THAT(told.messages[0],
                 Catch::EndsWith(round == 1 ? "store.sqlite.damaged" : "store.sqlite.damaged-2"));
      const Stored saved = store.read();
      if (round == 1) CHECK(saved.records[0].measurement.value == -1);
    }
  }
}
