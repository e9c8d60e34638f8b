// Stores of earlier programs. data/store_v1.sqlite was written by the program of version 1 of
// stores: `longreach run` of one model, passkey, 4 steps; one task, memory.
#include "harness/store_migrations.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "command.h"
#include "harness/equality.h"
#include "stored.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

const std::string kFirst = LONGREACH_SOURCE_DIR "/tests/harness/data/store_v1.sqlite";

}  // namespace

TEST_CASE("A store of version 1 is brought to the present with all it holds, and kept as it was") {
  const TempFolder folder;
  const std::string path = folder / "store.sqlite";
  std::filesystem::copy_file(kFirst, path);
  const auto mode = GENERATE(Store::Open::create, Store::Open::existing);
  Told told;
  {
    const Store store(folder / ".", mode, told.tell());
    REQUIRE(told.messages.size() == 1);
    CHECK_THAT(told.messages[0], Contains("from version 1 of stores to 2") &&
                                     Contains("as it was, it lies in") &&
                                     Contains("store.sqlite.v1"));
    CHECK(store.plan() == std::vector<std::string>{"ef92dc64b0bc36b4", "9ea945b18a192ae5"});
    CHECK(store.meta("name") == "store-v1");
    const Stored stored = store.read();
    REQUIRE(stored.records.size() == 12);
    CHECK(stored.records[0].measurement.metric == "training/loss");
    CHECK(stored.records[7].measurement.metric == "memory/state_declared");
    CHECK(stored.records[7].measurement.value == 6144);
    CHECK(stored.curves.size() == 5);
    CHECK(store.find("9ea945b18a192ae5")->status == Status::ok);
  }
  const TempFolder earlier;  // the copy is a store of version 1 itself
  std::filesystem::copy_file(path + ".v1", earlier / "store.sqlite");
  CHECK(equal_but_for_times(Store(earlier / ".", mode, told.tell()).read(),
                            Store(folder / ".", mode, told.tell()).read()) == "");
  CHECK(told.messages.size() == 2);
  const Store again(folder / ".", mode, told.tell());
  CHECK(told.messages.size() == 2);
  execute(path, "UPDATE cells SET info = info || ' ' WHERE cell_id = '9ea945b18a192ae5'");
  CHECK_FALSE(again.find("9ea945b18a192ae5"));
}

TEST_CASE("A database that only looks like an early store is left alone") {
  const TempFolder folder;
  const std::string path = folder / "store.sqlite";
  const std::string change =
      GENERATE("DROP TABLE curves", "PRAGMA application_id = 7", "PRAGMA user_version = 0");
  std::filesystem::copy_file(kFirst, path);
  execute(path, change);
  const std::string before = read_file(path);
  CHECK_THROWS_WITH(Store(folder / ".", Store::Open::create),
                    Contains("not a store of longreach; choose another --output"));
  CHECK(read_file(path) == before);
  CHECK_FALSE(std::filesystem::exists(path + ".v1"));
}
