// What a training says of samples it read and of held-out ones.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>

#include "datasets/mixture.h"
#include "harness/training.h"
#include "harness/training_samples.h"
#include "trainings.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

TEST_CASE(
    "Pairs are spread over the steps and the held-out samples, each of the length of its step") {
  Training training = rising();
  training.params.steps = 640;
  const Counting data;
  const std::vector<ScoredPair> pairs = scored_pairs(training, data, Rng(5));
  REQUIRE(pairs.size() == 32);
  for (i64 i = 0; i < 32; ++i) {
    const ScoredPair& pair = pairs[static_cast<std::size_t>(i)];
    CHECK(pair.length == sample_length(training, 20 * i, Rng(5)));
    CHECK(pair.seen == 20 * i * 16);       // 2048 / 128 streams a step
    CHECK(pair.held_out == 640 * 16 + i);  // no step reads so far
    CHECK(pair.split == datasets::Split::train);
    // The step reads it: its batch begins with that sample, whose first token is its number.
    CHECK(make_batch(training, data, 20 * i, 0, Rng(5)).inputs[0] == pair.seen);
  }
  training.params.steps = 3;
  CHECK(scored_pairs(training, data, Rng(5)).size() == 3);
}

namespace {

/// Losses by hand: weighed means of -ln p of single samples, token by token.
double loss_by_hand(const model::Transformer& model, const datasets::Sample& sample) {
  const i64 vocabulary = model.architecture().vocabulary;
  model::StreamState state = model.initial_state(1, std::ssize(sample.tokens));
  std::vector<float> logits(static_cast<std::size_t>(vocabulary));
  double loss = 0, weights = 0;
  for (std::size_t t = 0; t + 1 < sample.tokens.size(); ++t) {
    model.forward(View<const Token, 2>(&sample.tokens[t], {1, 1}), state,
                  View<float, 3>(logits.data(), {1, 1, vocabulary}), nullptr);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    const double logit =
        static_cast<double>(logits[static_cast<std::size_t>(sample.tokens[t + 1])]);
    const double weight = static_cast<double>(sample.weights[t + 1]);
    loss += weight * (std::log(sum) - logit);
    weights += weight;
  }
  return loss / weights;
}

const Measurement& named(const Findings& findings, std::string_view metric) {
  const auto found = std::ranges::find(findings.measurements, metric, &Measurement::metric);
  REQUIRE(found != findings.measurements.end());
  return *found;
}

}  // namespace

TEST_CASE("Held-out loss and gap are those of the trained weights on twelve samples each") {
  const Small small;
  model::Transformer model = small.model();
  const Findings findings = small.train(model, "", "a", {});
  double held = 0, seen = 0;
  for (i64 i = 0; i < 12; ++i) {
    // Two samples of 128 tokens to a step of 256; of a generator the next ones are held out.
    held += loss_by_hand(model, small.data->sample(datasets::Split::train, 24 + i, 128)) / 12;
    seen += loss_by_hand(model, small.data->sample(datasets::Split::train, 2 * i, 128)) / 12;
  }
  const Measurement& held_out = named(findings, "training/held_out");
  CHECK(*held_out.value == Approx(held).epsilon(1e-5));
  CHECK(held_out.n == 12);
  CHECK(held_out.unit == "nats/token");
  CHECK(held_out.higher_is_better == false);
  const Measurement& gap = named(findings, "training/gap");
  CHECK(*gap.value == Approx(held - seen).margin(2e-5));
  CHECK(gap.n == 12);
  CHECK((*gap.ci_low <= *gap.value && *gap.value <= *gap.ci_high));
  for (const Measurement& m : findings.measurements) CHECK(m.metric != "training/held_out_before");
}

namespace {

/// Few random sequences for training and others held out, as of a text: nothing to learn but these
/// themselves.
class Random final : public datasets::Dataset {
 public:
  explicit Random(i64 held_out) : held_out_(held_out) {}
  i64 version() const override { return 1; }
  i64 size(datasets::Split split, i64) const override {
    return split == datasets::Split::test ? held_out_ : 1 << 30;
  }
  datasets::Sample sample(datasets::Split split, i64 index, i64 length) const override {
    datasets::Sample made;
    Rng rng = Rng(4).fork(split == datasets::Split::test ? "test" : "train").fork(index % 4);
    for (i64 i = 0; i < length; ++i) made.tokens.push_back(static_cast<Token>(rng.below(16)));
    return made;
  }
  std::vector<std::span<const Token>> documents(datasets::Split) const override { return {{}}; }

 private:
  i64 held_out_;
};

/// Has neither text nor, in every third of its samples, anything to predict.
class Gaps final : public datasets::Dataset {
 public:
  i64 version() const override { return 1; }
  i64 size(datasets::Split, i64) const override { return 1 << 30; }
  datasets::Sample sample(datasets::Split, i64 index, i64 length) const override {
    datasets::Sample made;
    made.tokens.assign(static_cast<std::size_t>(length), static_cast<Token>(index % 16));
    made.weights.assign(made.tokens.size(), index % 3 == 0 ? 0.0F : 1.0F);
    made.weights.front() = 1;  // of what nothing predicts
    return made;
  }
};

Findings train_on(const datasets::Dataset& data) {
  Small small;
  small.training.length = small.training.shortest = 32;
  small.training.params.steps = 60;
  small.training.params.warmup = 1;
  model::Transformer model = small.model();
  return train_model(model, {.training = small.training,
                             .lr = 2e-2,
                             .segment = 64,
                             .data = data,
                             .statistics = {},
                             .rng = Rng(5),
                             .checkpoint = "",
                             .id = "a",
                             .watch = {}});
}

}  // namespace

TEST_CASE(
    "Of a text the held-out samples are those for testing, evenly spread over all there are") {
  Training training = rising();
  training.params.steps = 640;
  const std::vector<ScoredPair> pairs = scored_pairs(training, Random(320), Rng(5));
  REQUIRE(pairs.size() == 32);
  for (i64 i = 0; i < 32; ++i) {
    CHECK(pairs[static_cast<std::size_t>(i)].held_out == 10 * i);
    CHECK(pairs[static_cast<std::size_t>(i)].split == datasets::Split::test);
  }
  CHECK(scored_pairs(training, Random(7), Rng(5)).size() == 7);
}

TEST_CASE("Of a mix both samples of a pair are the same part's, and no sample comes twice") {
  std::vector<datasets::MixturePart> parts;
  parts.push_back({"text", std::make_unique<Random>(12)});
  parts.push_back({"other", std::make_unique<Gaps>()});
  parts.push_back({"more", std::make_unique<Random>(100)});
  const datasets::Dataset& other = *parts[1].data;
  const auto data = datasets::mixture(std::move(parts), Rng(6));
  Training training = rising();
  training.params.steps = 640;
  const std::vector<ScoredPair> pairs = scored_pairs(training, *data, Rng(5));
  std::set<std::pair<datasets::Split, i64>> held_out;
  std::map<const datasets::Dataset*, int> of;
  for (const ScoredPair& pair : pairs) {
    const datasets::Dataset& part = data->part(datasets::Split::train, pair.seen);
    CHECK(&data->part(pair.split, pair.held_out) == &part);
    CHECK(pair.split == (&part == &other ? datasets::Split::train : datasets::Split::test));
    if (pair.split == datasets::Split::train) CHECK(pair.held_out >= 640 * 16);
    if (pair.split == datasets::Split::test) CHECK(pair.held_out < 3 * 12);
    CHECK(held_out.emplace(pair.split, pair.held_out).second);
    ++of[&part];
  }
  CHECK(of.size() == 3);
  CHECK(pairs.size() > 25);
}

TEST_CASE("A part without enough held-out samples gets as many pairs as it has") {
  std::vector<datasets::MixturePart> parts;
  parts.push_back({"text", std::make_unique<Random>(2)});
  parts.push_back({"other", std::make_unique<Gaps>()});
  for (int i = 0; i < 20; ++i) parts.push_back({"more", std::make_unique<Random>(2)});
  const auto data = datasets::mixture(std::move(parts), Rng(6));
  Training training = rising();
  training.params.steps = 640;
  std::map<const datasets::Dataset*, int> of;
  for (const ScoredPair& pair : scored_pairs(training, *data, Rng(5))) {
    if (pair.split == datasets::Split::test) ++of[&data->part(datasets::Split::train, pair.seen)];
  }
  for (const auto& [part, count] : of) CHECK(count <= 2);
}

TEST_CASE("Samples that weigh nothing have no loss and leave the others theirs") {
  const Findings findings = train_on(Gaps());
  // 60 steps of eight samples each, so that pair i is of samples 8 (60 i / 32) and 60 * 8 + i.
  i64 weighing = 0;
  for (i64 i = 0; i < 32; ++i) weighing += (8 * (60 * i / 32)) % 3 != 0 && (480 + i) % 3 != 0;
  CHECK(named(findings, "training/held_out").n == weighing);
  CHECK(named(findings, "training/gap").n == weighing);
  CHECK(std::isfinite(*named(findings, "training/held_out").value));
  CHECK(std::isfinite(*named(findings, "training/gap").value));
}

TEST_CASE("A model that learns its training samples by heart shows a gap") {
  const Findings findings = train_on(Random(8));
  const Measurement& gap = named(findings, "training/gap");
  CHECK(*gap.ci_low > 0.3);
  CHECK(gap.n == 8);  // as many as are held out
}

TEST_CASE("Data that holds out nothing gives rows without a number that say so") {
  const Findings findings = train_on(Random(0));
  for (const char* name : {"training/held_out", "training/gap"}) {
    CHECK_FALSE(named(findings, name).value.has_value());
    CHECK_THAT(named(findings, name).ci_method, Contains("no held-out sample of 32 tokens"));
  }
}
