// Disks that are full or fail at every moment that there is: nothing stored is lost, nothing half
// written is believed.
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "command.h"
#include "failing_disk.h"
#include "harness/equality.h"
#include "harness/unsaved.h"
#include "memory_folder.h"
#include "stored.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

const std::string kFirst = LONGREACH_SOURCE_DIR "/tests/harness/data/store_v1.sqlite";

void silent(const std::string&) {}

/// Does `work` with the first, the second, ... change of the disk failing, until none fails; after
/// each, `check` is told whether it returned. What it throws says what to do.
void at_every_change(const std::function<void(const MemoryFolder&)>& prepare,
                     const std::function<void(const MemoryFolder&)>& work,
                     const std::function<void(const MemoryFolder&, bool)>& check) {
  FailingDisk disk;
  int failures = 0;
  for (const auto error : {FailingDisk::Error::full, FailingDisk::Error::io}) {
    for (const bool all_after : {false, true}) {
      for (int first = 1;; ++first) {
        CAPTURE(first, all_after, error == FailingDisk::Error::full);
        REQUIRE(first < 1000);
        const MemoryFolder folder;
        prepare(folder);
        disk.fail(first, error, all_after);
        bool returned = false;
        try {
          work(folder);
          returned = true;
        } catch (const WriteError& failure) {
          CHECK_THAT(failure.what(), Contains("free some space") || Contains("permissions"));
          CHECK(disk.fired());
        }
        disk.mend();
        check(folder, returned);
        if (!disk.fired()) break;
        ++failures;
      }
    }
  }
  CHECK(failures > 20);
}

double value_of(const Store& store, const std::string& id) {
  const std::optional<Outcome> found = store.outcome(id);
  REQUIRE(found);
  REQUIRE(found->findings.measurements.size() == 2);
  CHECK(found->findings.samples.size() == 1);
  CHECK(found->findings.curves.size() == 1);
  CHECK(found->findings.measurements[0].value == found->findings.measurements[1].value);
  return *found->findings.measurements[0].value;
}

}  // namespace

TEST_CASE("Whichever write of a cell fails, it is stored whole or not, and the others stay") {
  bool replaced = false, added = false;
  at_every_change(
      [&](const MemoryFolder& folder) {
        Store store(folder / ".", Store::Open::create, silent);
        store.finish(outcome("a", 1));
        store.finish(outcome("b", 1));
        replaced = added = false;
      },
      [&](const MemoryFolder& folder) {
        Store store(folder / ".", Store::Open::create, silent);
        store.finish(outcome("a", 2));
        replaced = true;
        store.finish(outcome("c", 3));
        added = true;
      },
      [&](const MemoryFolder& folder, bool) {
        const Store store(folder / ".", Store::Open::create, silent);
        const double a = value_of(store, "a");
        CHECK((a == 2 || (a == 1 && !replaced)));
        CHECK(value_of(store, "b") == 1);
        if (store.find("c")) {
          CHECK(value_of(store, "c") == 3);
        } else {
          CHECK_FALSE(added);
        }
        CHECK(store.damaged().empty());
      });
}

TEST_CASE("Whichever write fails while a store is made, the next run makes it") {
  at_every_change([](const MemoryFolder&) {},
                  [](const MemoryFolder& folder) {
                    Store store(folder / ".", Store::Open::create, silent);
                    store.set_plan({"a"});
                  },
                  [](const MemoryFolder& folder, bool returned) {
                    Store store(folder / ".", Store::Open::create, silent);
                    CHECK(store.plan().size() <= 1);
                    if (returned) CHECK(store.plan().size() == 1);
                    store.finish(outcome("a", 1));
                    CHECK(store.find("a"));
                  });
}

TEST_CASE("Whichever write of a migration fails, the early store is still there to migrate") {
  const MemoryFolder whole;
  std::filesystem::copy_file(kFirst, whole / "store.sqlite");
  const Stored expected = Store(whole / ".", Store::Open::create, silent).read();
  at_every_change(
      [](const MemoryFolder& folder) {
        std::filesystem::copy_file(kFirst, folder / "store.sqlite");
      },
      [](const MemoryFolder& folder) { Store(folder / ".", Store::Open::create, silent); },
      [&](const MemoryFolder& folder, bool) {
        const Store store(folder / ".", Store::Open::create, silent);
        CHECK(equal_but_for_times(expected, store.read()) == "");
        CHECK(std::filesystem::exists(folder / "store.sqlite.v1"));
      });
}

TEST_CASE("Whichever write of a salvage fails, all that can be read is taken over later") {
  const MemoryFolder whole;
  {
    Store store(whole / ".", Store::Open::create, silent);
    store.set_plan({"a", "b"});
    for (const char* id : {"a", "b"}) store.finish(outcome(id, 1));
    Outcome big = outcome("c", 1);  // fills pages of its own
    big.findings.curves.clear();
    big.findings.samples.clear();
    big.findings.measurements.resize(100, big.findings.measurements[0]);
    store.finish(big);
  }
  std::string bytes = read_file(whole / "store.sqlite");
  bytes.replace(bytes.size() - 4096, 4096, std::string(4096, '\xa5'));
  at_every_change(
      [&](const MemoryFolder& folder) { write_file(folder / "store.sqlite", bytes); },
      [](const MemoryFolder& folder) { Store(folder / ".", Store::Open::create, silent); },
      [](const MemoryFolder& folder, bool) {
        const Store store(folder / ".", Store::Open::create, silent);
        CHECK(value_of(store, "a") == 1);
        CHECK(value_of(store, "b") == 1);
        CHECK(std::filesystem::exists(folder / "store.sqlite.damaged"));
      });
}

TEST_CASE("A file system without a write-ahead log is told of, and keeps what is stored") {
  FailingDisk disk;
  disk.without_log = true;
  const MemoryFolder folder;
  Told told;
  {
    Store store(folder / ".", Store::Open::create, told.tell());
    store.finish(outcome("a", 1));
    CHECK_FALSE(std::filesystem::exists(folder / "store.sqlite-wal"));
  }
  REQUIRE(told.messages.size() == 1);
  CHECK_THAT(told.messages[0], Contains("no write-ahead log (journal mode delete)"));
  CHECK(value_of(Store(folder / ".", Store::Open::existing), "a") == 1);
}

TEST_CASE("An outcome that the store does not take is kept beside it and taken in later") {
  FailingDisk disk;
  const MemoryFolder folder;
  const std::string kept = folder / "unsaved/a.json";
  Told told;
  constexpr std::array<double, 2> kWaits{0.001, 0.001};
  {
    Store store(folder / "", Store::Open::create, silent);
    disk.fail(1, FailingDisk::Error::full, true);
    CHECK_THROWS_WITH(store_or_keep(store, folder / "", outcome("a", 1), told.tell(), kWaits),
                      Contains("the disk is full; free some space") &&
                          Contains("the run stops. Cell a is done: its result is kept in " + kept));
    REQUIRE(told.messages.size() == 2);
    CHECK_THAT(told.messages[0], Contains("trying again in 0.001 s"));
    disk.mend();
  }
  const std::string bytes = read_file(kept);
  const auto take_in = [&] {
    told.messages.clear();
    Store store(folder / "", Store::Open::create, silent);
    take_in_unsaved(store, folder / "", told.tell());
    return store.find("a").has_value();
  };
  write_file(kept, bytes.substr(0, bytes.size() / 2));  // half written is not believed
  CHECK_FALSE(take_in());
  REQUIRE(told.messages.size() == 1);
  CHECK_THAT(told.messages[0], Contains("not whole, and put aside"));
  CHECK(std::filesystem::exists(kept + ".damaged"));
  std::filesystem::remove(kept + ".damaged");

  write_file(kept, bytes);
  CHECK(take_in());
  CHECK(told.messages == std::vector<std::string>{kept + ": taken in"});
  CHECK_FALSE(std::filesystem::exists(folder / "unsaved"));
  CHECK(value_of(Store(folder / "", Store::Open::existing), "a") == 1);
  CHECK(take_in());
  CHECK(told.messages.empty());
}

TEST_CASE("A store that takes an outcome again after a moment loses nothing, and the run goes on") {
  FailingDisk disk;
  const MemoryFolder folder;
  Told told;
  constexpr std::array<double, 3> kWaits{0.001, 0.001, 0.001};
  Store store(folder / "", Store::Open::create, silent);
  disk.fail(1, FailingDisk::Error::io, false);
  store_or_keep(store, folder / "", outcome("a", 1), told.tell(), kWaits);
  CHECK(told.messages.size() == 1);
  CHECK(value_of(store, "a") == 1);
}

TEST_CASE(
    "An outcome that the output folder cannot take is kept elsewhere, with where to move it") {
  FailingDisk disk;
  const MemoryFolder folder;
  Store store(folder / "", Store::Open::create, silent);
  write_file(folder / "unsaved", "in the way");
  disk.fail(1, FailingDisk::Error::full, true);
  std::string message;
  try {
    store_or_keep(store, folder / "", outcome("a", 1), silent, {});
  } catch (const WriteError& failure) {
    message = failure.what();
  }
  disk.mend();
  CHECK_THAT(message, Contains("move it to " + folder / "unsaved/a.json") &&
                          Contains("before the next run"));
  const std::string begin = "its result is kept in ";
  const std::size_t at = message.find(begin) + begin.size();
  const std::filesystem::path kept = message.substr(at, message.find(';', at) - at);
  CHECK(std::filesystem::exists(kept));
  std::filesystem::remove_all(kept.parent_path());
}
