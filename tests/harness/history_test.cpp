// Curves and spikes of a training run.
#include "harness/history.h"

#include <catch2/catch.hpp>

#include "core/error.h"

using namespace longreach;
using namespace longreach::harness;
using Catch::Matchers::Contains;

namespace {

History of_losses(const std::vector<double>& losses) {
  History history;
  i64 step = 0;
  for (const double loss : losses) {
    history.add({step, loss, 1e-3 / 3, 0.1 * loss, 100 * (step + 1), 0.7 * double(step + 1),
                 1000 * (step + 1), 12},
                5e6);
    ++step;
  }
  return history;
}

}  // namespace

TEST_CASE("A spike lies more than the limit above the median of the last hundred steps") {
  std::vector<double> losses(50, 9.0);   // long forgotten
  losses.insert(losses.end(), 49, 1.0);  // 49 below and 51 at or above 2: the median is 2
  losses.insert(losses.end(), 51, 2.0);
  const History history = of_losses(losses);
  CHECK(history.spike(4.9, 3) == "");
  CHECK_THAT(history.spike(5.1, 3), Contains("loss of 5.1") && Contains("above 2, the median"));
  CHECK(history.spike(5.1, 0) == "");
  CHECK(of_losses(std::vector<double>(19, 1.0)).spike(50, 3) == "");
  CHECK(of_losses(std::vector<double>(20, 1.0)).spike(50, 3) != "");
}

TEST_CASE("Notes bring a history back to the bit") {
  const History history = of_losses({3.1, 2.2 / 7, 1e-17, 0.1});
  const History back = History::from_notes(history.notes(), 4);
  CHECK(back.loss() == history.loss());
  CHECK(back.seconds() == history.seconds());
  CHECK(back.flops() == 4 * 5e6);
  CHECK(back.tape_bytes() == 4000);  // the most of 1000, 2000, ...
  CHECK(back.state_bytes() == 12);
  const std::vector<Curve> a = history.curves(200), b = back.curves(200);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK((a[i].x == b[i].x && a[i].y == b[i].y));
  CHECK_THROWS_WITH(History::from_notes(history.notes(), 5), Contains("'loss' holds 4"));
  CHECK_THROWS_WITH(History::from_notes({}, 1), Contains("'loss' holds 0"));
}

TEST_CASE("Curves average neighbouring steps and hold the pace of each") {
  const std::vector<Curve> curves = of_losses({1, 3, 5, 7, 9}).curves(3);
  CHECK(curves[0].name == "training/loss");
  CHECK(curves[0].y == std::vector<double>{2, 6, 9});
  CHECK(curves[0].x == std::vector<double>{150, 350, 500});
  CHECK(curves[4].name == "training/throughput");
  for (const double pace : curves[4].y) CHECK(pace == Approx(100 / 0.7));
}
