// One cell in this process: findings that could not be quoted are refused.
#include "harness/cell.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "command.h"
#include "experiment.h"
#include "metrics/metric.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;

namespace {

/// Measures 1 without saying of how many.
class Careless final : public metrics::Metric {
 public:
  struct Params {
    void fields(Fields&) {}
  };
  explicit Careless(const Params&) {}
  i64 version() const override { return 1; }
  Findings measure(const metrics::Session&) const override {
    Findings findings;
    Measurement& m = findings.measurements.emplace_back();
    m.metric = "careless/one";
    m.value = 1;
    return findings;
  }
};

const Registered<metrics::MetricRegistry, Careless> registered{"careless", "for tests only"};

}  // namespace

TEST_CASE("A cell whose metric gives a value without n fails and names the metric") {
  const TempFolder folder;
  Parts parts;
  parts.models = "[{name: reader, arch: {layers: 1, width: 16, heads: 2}}]";
  parts.lengths = "[16]";
  parts.tasks = "[careless]";
  const Experiment experiment = read(parts);
  const Outcome outcome = run_cell(experiment, make_plan(experiment).front(), folder / "out", {});
  CHECK(outcome.info.status == Status::failed);
  CHECK(outcome.info.reason ==
        "careless/one: a value without n, the number of units that it is of");
  CHECK(outcome.findings.measurements.empty());
}

TEST_CASE("A training that ends in weights without finite losses fails and leaves none") {
  const TempFolder folder;
  Parts parts;
  // The loss of the only step is that before it.
  parts.models =
      "[{name: reader, arch: {layers: 1, width: 16, heads: 2}, train: {data: {passkey: {}}, "
      "steps: 1, length: 96, batch_tokens: 96, lr: [1e30]}}]";
  parts.models.replace(parts.models.find("heads: 2"), 8, "heads: 2, vocabulary: task");
  parts.tasks = "[memory]";
  const Experiment experiment = read(parts);
  const Cell train = make_plan(experiment).front();
  REQUIRE(train.kind == CellKind::train);
  const Outcome outcome = run_cell(experiment, train, folder / "out", {});
  CHECK(outcome.info.status == Status::failed);
  CHECK_THAT(outcome.info.reason, Catch::Matchers::Contains("not finite"));
  CHECK(outcome.findings.measurements.empty());
  CHECK_FALSE(std::filesystem::exists(weights_path(folder / "out", train.id)));
}
