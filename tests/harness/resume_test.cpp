// What a run does with cells that earlier runs stored.
#include "harness/resume.h"

#include <catch2/catch.hpp>

#include "command.h"
#include "core/error.h"
#include "harness/runner.h"

using namespace longreach;
using namespace longreach::tests;
using namespace longreach::harness;
using Catch::Matchers::Contains;

namespace {

Cell training(const std::string& id) {
  Cell cell;
  cell.id = id;
  cell.kind = CellKind::train;
  return cell;
}

Cell measurement(const std::string& id, i64 length, const std::string& trained = "") {
  Cell cell;
  cell.id = id;
  cell.length = length;
  cell.trained = trained;
  return cell;
}

/// A store in which those cells ended so, and what would run of `cells`.
class Folder {
 public:
  Folder() : store_(make()) {}
  void ended(const std::string& id, Status status) {
    Outcome outcome;
    outcome.info.cell_id = id;
    outcome.info.status = status;
    store_.finish(outcome);
  }
  void weights(const std::string& id) const {
    std::filesystem::create_directories(folder_ / "out/models");
    write_file(folder_ / "out/models/" + id + ".safetensors", "");
  }
  Pending of(const std::vector<Cell>& cells, const ResumeRules& rules) const {
    return pending(cells, store_, folder_ / "out", rules);
  }
  /// Ids of what runs, one after the other.
  std::string runs(const std::vector<Cell>& cells, const std::vector<std::string>& retry = {},
                   OnOom on_oom = OnOom::skip_longer) const {
    std::string ids;
    for (const Cell& cell :
         of(cells, {.retry = statuses_to_retry(retry), .on_oom = on_oom}).cells) {
      ids += cell.id;
    }
    return ids;
  }

 private:
  Store make() const {
    std::filesystem::create_directories(folder_ / "out");
    return Store(folder_ / "out", Store::Open::create);
  }
  TempFolder folder_;
  Store store_;
};

}  // namespace

TEST_CASE("A resumed run leaves what failed as it is, and runs it when asked to") {
  Folder folder;
  const std::vector<Cell> cells{measurement("a", 1), measurement("b", 2), measurement("c", 3),
                                measurement("d", 4), measurement("e", 5)};
  folder.ended("a", Status::ok);
  folder.ended("b", Status::failed);
  folder.ended("c", Status::invalid);
  folder.ended("d", Status::timeout);
  CHECK(folder.runs(cells) == "e");
  CHECK(folder.runs(cells, {"failed"}) == "be");
  CHECK(folder.runs(cells, {"timeout", "invalid"}) == "cde");
  CHECK(folder.runs(cells, {"all"}) == "bcde");
  const Pending all = folder.of(cells, {.resume = false, .retry = {}});
  CHECK(all.cells.size() == 5);
  CHECK(left_as_is_line(all) == "");
  const Pending resumed = folder.of(cells, {});
  CHECK(resumed.done() == 1);
  CHECK(left_as_is_line(resumed) ==
        "3 cells that did not end well are left as they are (1 failed, 1 timeout, 1 invalid); "
        "--retry failed,timeout,invalid runs them again\n");
}

TEST_CASE("A cell that was skipped runs once its reason is gone") {
  Folder folder;
  const std::vector<Cell> cells{training("t"), measurement("a", 16, "t"), measurement("b", 32, "t"),
                                measurement("c", 64, "t")};
  folder.ended("t", Status::failed);
  for (const char* id : {"a", "b", "c"}) folder.ended(id, Status::skipped);
  CHECK(folder.runs(cells) == "");
  CHECK(folder.runs(cells, {"failed"}) == "tabc");
  folder.ended("t", Status::ok);
  folder.weights("t");
  CHECK(folder.runs(cells) == "abc");
  folder.ended("a", Status::ok);
  folder.ended("b", Status::oom);
  CHECK(folder.runs(cells) == "");  // c: longer than b
  CHECK(folder.runs(cells, {"oom"}) == "bc");
  CHECK(folder.runs(cells, {"skipped"}) == "c");
  CHECK(folder.runs(cells, {}, OnOom::keep_going) == "c");
  folder.ended("b", Status::ok);
  CHECK(folder.runs(cells) == "c");
}

TEST_CASE("A training whose weights are gone runs again for those that need them alone") {
  Folder folder;
  const std::vector<Cell> cells{training("t"), measurement("a", 16, "t"), training("u"),
                                measurement("b", 16, "u")};
  for (const char* id : {"t", "u", "b"}) folder.ended(id, Status::ok);
  CHECK(folder.runs(cells) == "ta");
  folder.weights("t");
  CHECK(folder.runs(cells) == "a");
}

TEST_CASE("An unknown status to retry is refused with the nearest") {
  CHECK_THROWS_WITH(statuses_to_retry({"timeouts"}), Contains("did you mean 'timeout'?"));
  CHECK(statuses_to_retry({"all"}).size() == 6);
}
