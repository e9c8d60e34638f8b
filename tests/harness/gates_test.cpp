// What is seen of gates while a model trains.
#include "harness/gates.h"

#include <catch2/catch.hpp>

#include "harness/assemble.h"
#include "tests/harness/experiment.h"

using namespace longreach;
using namespace longreach::harness;

namespace {

model::Transformer made(const std::string& backend) {
  tests::Parts parts;
  parts.models = "[{name: m, arch: {layers: 2, width: 16, heads: 2, vocabulary: bytes}}]";
  parts.backends = "[" + backend + "]";
  parts.tasks = "[memory]";
  const Experiment experiment = tests::read(parts);
  return make_model(experiment.models[0], experiment.backends[0], 1);
}

}  // namespace

TEST_CASE(
    "A gate curve shows its own head's sigmoid, and travel is the mean way from first to last") {
  // The MLP's matrix "gate" of each layer is none of an attention backend's.
  model::Transformer model = made("{name: mixed, layers: [{full: {}}, {infini: {segment: 16}}]}");
  const auto gate =
      std::ranges::find(model.parameters(), "layers.1.attention.gate", &model::Parameter::name);
  REQUIRE(gate != model.parameters().end());
  GateWatch watch(model);
  watch.record(0);
  model.weights()[gate->offset] = 5;
  watch.record(64);
  // sigmoid(ln 3) = 3/4, sigmoid(-ln 9) = 1/10
  model.weights()[gate->offset] = std::log(3.0f);
  model.weights()[gate->offset + 1] = -std::log(9.0f);
  watch.record(128);
  const std::vector<Curve> curves = watch.curves();
  REQUIRE(curves.size() == 2);
  CHECK(curves[0].series == "layer 1 head 0");
  CHECK(curves[1].series == "layer 1 head 1");
  CHECK(curves[0].x == std::vector<double>{0, 64, 128});
  CHECK(curves[0].y[0] == 0.5);
  CHECK(curves[0].y[1] > 0.99);
  CHECK(curves[0].y[2] == Approx(0.75));
  CHECK(curves[1].y[1] == 0.5);
  CHECK(curves[1].y[2] == Approx(0.1));
  REQUIRE(watch.travel());
  CHECK(*watch.travel()->value == Approx((0.25 + 0.4) / 2));  // not the way by 5
  CHECK(watch.travel()->n == 2);
}

TEST_CASE("A model without gates has no gate curves and no travel") {
  const model::Transformer model = made("{name: full, full: {}}");
  GateWatch watch(model);
  watch.record(0);
  CHECK(watch.curves().empty());
  CHECK_FALSE(watch.travel());
}
