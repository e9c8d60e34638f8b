// Trainings small enough for tests.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "experiment.h"
#include "harness/assemble.h"
#include "harness/training.h"

namespace longreach::tests {

using namespace longreach::harness;

/// Token i of sample n is n + i; remembers which numbers were asked for.
class Counting final : public datasets::Dataset {
 public:
  i64 version() const override { return 1; }
  i64 size(datasets::Split, i64) const override { return 1 << 30; }
  datasets::Sample sample(datasets::Split split, i64 index, i64 length) const override {
    REQUIRE(split == datasets::Split::train);
    REQUIRE(asked.insert(index).second);
    datasets::Sample made;
    for (i64 i = 0; i < length; ++i) {
      made.tokens.push_back(static_cast<Token>(index + i));
      if (weighted) made.weights.push_back(static_cast<float>(i));
    }
    made.filler = filler;
    return made;
  }
  bool weighted = false;
  std::vector<datasets::Span> filler;
  mutable std::set<i64> asked;
};

inline Training rising() {
  Training training;
  training.params.steps = 100;
  training.params.batch_tokens = 2048;
  training.length = 1024;
  training.shortest = 128;
  training.ramp = 0.5;
  return training;
}

/// Twelve steps on passkey texts, small enough to take a moment.
struct Small {
  Experiment experiment = read({.models = "[{name: small, arch: {layers: 1, width: 16, heads: 2, "
                                          "vocabulary: task}, train: {data: {passkey: {near: 64}}, "
                                          "length: 128, steps: 12, batch_tokens: 256}}]",
                                .backends = "[{infini: {segment: 64}}]",
                                .tasks = "[passkey]",
                                .more = {}});
  const ModelChoice& choice = experiment.models[0];
  Training training = *choice.training;
  std::shared_ptr<const datasets::Tokenizer> tokenizer = make_tokenizer(choice);
  std::unique_ptr<datasets::Dataset> data =
      make_dataset(training.data, experiment.folder, *tokenizer, Rng(3));

  model::Transformer model() const { return make_model(choice, experiment.backends[0], 1); }
  Findings train(model::Transformer& model, const std::string& checkpoint, const std::string& id,
                 const TrainingWatch& watch) const {
    return train_model(model, {.training = training,
                               .lr = 1e-3,
                               .segment = 64,
                               .data = *data,
                               .statistics = {},
                               .rng = Rng(5),
                               .checkpoint = checkpoint,
                               .id = id,
                               .watch = watch});
  }
};

}  // namespace longreach::tests
