// What fails in one of several processes fails in all.
#include "model/processes.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/model/together.h"

namespace longreach::model {
namespace {

TEST_CASE("one process alone sums to what it has and hears itself") {
  Processes& alone = Processes::alone();
  CHECK(alone.size() == 1);
  CHECK(alone.total(2.5) == 2.5);
  CHECK(alone.from_first("a") == "a");
  CHECK_THROWS_WITH(alone.together([] { throw Error("disk full"); }), "disk full");
}

TEST_CASE("what one process throws ends the work in all") {
  std::atomic<int> own = 0, others = 0, sums_right = 0, heard = 0;
  tests::train_together(3, [&](Processes& processes) {
    try {
      processes.together([&] {
        if (processes.rank() == 1) throw Error("disk full");
      });
    } catch (const Error& problem) {
      const std::string text = problem.what();
      own += text == "disk full";
      others += text == "another of the processes failed";
    }
    processes.together([] {});
    heard += processes.from_first(processes.rank() == 0 ? "first" : "other") == "first";
    sums_right += processes.total(static_cast<double>(processes.rank())) == 3;
  });
  CHECK(own == 1);
  CHECK(others == 2);
  CHECK(sums_right == 3);
  CHECK(heard == 3);
}

}  // namespace
}  // namespace longreach::model
