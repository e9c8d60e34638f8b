// How a training stops and goes on, and what it tells.
#include "harness/training.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <map>

#include "command.h"
#include "trainings.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

TEST_CASE("Training that was stopped goes on to the same weights and the same loss curve") {
  const Small small;
  const TempFolder folder;
  const std::string checkpoint = folder / "a.training.safetensors";
  model::Transformer whole = small.model(), cut = small.model();
  const Findings expected = small.train(whole, "", "a", {});
  i64 seen = 0;
  TrainingWatch watch;
  watch.step = [&](const StepLine& line) {
    CHECK(line.report.step == seen);
    ++seen;
  };
  watch.stop = [&] { return seen == 5; };
  CHECK_THROWS_AS(small.train(cut, checkpoint, "a", watch), Interrupted);
  cut = small.model();
  watch.stop = {};
  const Findings found = small.train(cut, checkpoint, "a", watch);
  CHECK(seen == 12);
  CHECK(std::ranges::equal(whole.weights(), cut.weights()));
  REQUIRE(found.curves[0].name == "training/loss");
  CHECK(found.curves[0].x == expected.curves[0].x);
  CHECK(found.curves[0].y == expected.curves[0].y);
}

TEST_CASE("Recomputing learns the same, and says how much less it held") {
  Small small;
  const auto measured = [&small](std::string_view metric) {
    model::Transformer model = small.model();
    const auto all = small.train(model, "", "a", {}).measurements;
    return *std::ranges::find(all, metric, &Measurement::metric)->value;
  };
  const double tape = measured("training/tape_bytes"), loss = measured("training/loss");
  small.training.params.recompute = 32;  // of 127 tokens: four chunks
  CHECK(measured("training/tape_bytes") < tape / 3);
  CHECK(measured("training/state_bytes") > 0);
  CHECK(measured("training/loss") == Approx(loss).epsilon(1e-4));
}

TEST_CASE("The checkpoint of another training, or a damaged one, is refused with what to do") {
  const Small small;
  const TempFolder folder;
  const std::string checkpoint = folder / "a.training.safetensors";
  model::Transformer model = small.model();
  i64 asked = 0;
  CHECK_THROWS_AS(small.train(model, checkpoint, "a", {{}, [&] { return ++asked == 3; }}),
                  Interrupted);
  CHECK_THROWS_WITH(small.train(model, checkpoint, "b", {}),
                    Contains("another training") && Contains("delete"));
  std::filesystem::resize_file(checkpoint, 100);
  CHECK_THROWS_WITH(small.train(model, checkpoint, "a", {}),
                    Contains(checkpoint) && Contains("delete"));
}

TEST_CASE("A loss that jumps stops the training, says why, and leaves the last checkpoint") {
  Small small;
  small.training.params.steps = 40;
  small.training.spike = 3;
  small.training.checkpoint = 0;  // after every step
  const TempFolder folder;
  const std::string checkpoint = folder / "a.training.safetensors";
  model::Transformer model = small.model();
  TrainingWatch watch;
  watch.step = [&](const StepLine& line) {
    if (line.report.step != 29) return;
    for (float& weight : model.weights()) weight *= 30;
  };
  CHECK_THROWS_WITH(small.train(model, checkpoint, "a", watch),
                    Contains("training step 30") && Contains("above") &&
                        Contains("last good checkpoint") && Contains(checkpoint));
  CHECK(std::filesystem::exists(checkpoint));
}

TEST_CASE("Gates are watched from before the first step to after the last, through a stop") {
  Small small;
  small.training.params.steps = 450;  // three to a point
  small.training.params.warmup = 1;
  small.training.length = small.training.shortest = 64;
  small.training.params.batch_tokens = 64;
  const TempFolder folder;
  const std::string checkpoint = folder / "a.training.safetensors";
  model::Transformer model = small.model();
  i64 seen = 0;
  const TrainingWatch stopped{[&](const StepLine&) { ++seen; }, [&] { return seen == 100; }};
  CHECK_THROWS_AS(small.train(model, checkpoint, "a", stopped), Interrupted);
  const Findings findings = small.train(model, checkpoint, "a", {});
  std::vector<Curve> gates;
  for (const Curve& curve : findings.curves) {
    if (curve.name == "training/gate") gates.push_back(curve);
  }
  REQUIRE(gates.size() == 2);  // heads of the one layer
  CHECK(gates[1].series == "layer 0 head 1");
  REQUIRE(gates[1].x.size() == 151);
  CHECK(gates[1].x[0] == 0);
  CHECK(gates[1].x[1] == 3 * 63);
  CHECK(gates[1].x[150] == 450 * 63);
  CHECK(gates[1].y[0] == 0.5);
  const auto gate =
      std::ranges::find(model.parameters(), "layers.0.attention.gate", &model::Parameter::name);
  const double beta = static_cast<double>(model.weights()[gate->offset + 1]);
  CHECK(gates[1].y[150] == Approx(1 / (1 + std::exp(-beta))));
}
