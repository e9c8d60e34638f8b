// Tests metrics/introspection.cpp.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "attention/backend.h"
#include "core/error.h"
#include "datasets/passkey.h"
#include "datasets/text.h"
#include "metrics/blocks.h"
#include "metrics/probed_model.h"
#include "metrics/statistics.h"
#include "model/scoring.h"
#include "tests/metrics/listed.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<datasets::Tokenizer> bytes = datasets::byte_tokenizer();
const std::unique_ptr<datasets::Tokenizer> words =
    datasets::word_tokenizer(datasets::passkey_words());

std::shared_ptr<const attention::Backend> backend(const std::string& type, Settings settings) {
  return tests::make<attention::AttentionRegistry>(
      type, std::move(settings), full_model(256).architecture().attention_shape());
}

/// Two layers of four heads and random weights, grown so that attention moves what is predicted.
model::Transformer model_of(const std::string& type, const Settings& settings, i64 vocabulary) {
  model::Architecture a = full_model(256).architecture();
  a.vocabulary = vocabulary;
  const auto one = backend(type, settings);
  model::Transformer model(a, {one, one}, Rng(1));
  for (float& weight : model.weights()) weight *= 1.5F;
  return model;
}

void set_gates(model::Transformer& model, float beta) {
  for (std::size_t layer = 0; layer < 2; ++layer) {
    std::ranges::fill(backend_weights(model, layer), beta);
  }
}

std::string letters(i64 count) {
  Rng rng(12);
  std::string text;
  for (i64 i = 0; i < count; ++i) text += static_cast<char>('a' + rng.below(20));
  return text;
}

Findings on_text(const model::Transformer& model, Settings settings = {}, i64 length = 64) {
  static const datasets::TextDataset data({letters(900)}, 1.0, *bytes, Rng(1));
  const std::vector<i64> lengths{32, 64};
  Session s = session(model, *bytes, length, lengths);
  s.data = &data;
  settings.merge(Settings{{"blocks", "5"}, {"targets", "8"}});
  return make_metric("introspection", std::move(settings))->measure(s);
}

std::vector<std::string> metrics_of(const Findings& found) {
  std::vector<std::string> names;
  for (const Measurement& m : found.measurements) {
    if (m.subtask.empty()) names.push_back(m.metric.substr(m.metric.find('/') + 1));
  }
  std::ranges::sort(names);
  return names;
}

/// Mean loss of the blocks that on_text() reads.
double loss_of(const model::Transformer& model) {
  const std::string text = letters(900);
  const std::vector<Token> document = bytes->encode_document(text);
  const Documents documents{document};
  const auto losses = block_losses(model, documents, spread_blocks(documents, 64, 8, 5, "test"));
  double sum = 0;
  for (const auto& block : losses) {
    for (const double loss : block) sum += loss;
  }
  return sum / (8 * 5);
}

TEST_CASE("Each backend gets the rows it has something to tell for, and no other") {
  const std::vector<std::string> softmax{"attended_distance", "attention_entropy", "loss",
                                         "sink_mass"};
  CHECK(metrics_of(on_text(model_of("full", {}, 256))) == softmax);
  CHECK(metrics_of(on_text(model_of("sliding_window", {{"window", "16"}}, 256))) == softmax);
  CHECK(metrics_of(on_text(model_of("sliding_window", {{"window", "16"}, {"sinks", "4"}}, 256))) ==
        std::vector<std::string>{"attended_distance", "attention_entropy", "loss", "sink_mass",
                                 "sinks_off"});
  CHECK(metrics_of(on_text(model_of("infini", {{"segment", "16"}}, 256))) ==
        std::vector<std::string>{"attended_distance", "attention_entropy", "gate", "local_off",
                                 "loss", "memory_norm", "memory_off", "memory_rank", "memory_share",
                                 "sink_mass"});
  CHECK(metrics_of(on_text(model_of("linear", {}, 256))) ==
        std::vector<std::string>{"loss", "memory_norm", "memory_rank"});
}

TEST_CASE("The loss, with and without a part, is that of the same blocks under changed gates") {
  model::Transformer model = model_of("infini", {{"segment", "16"}}, 256);
  set_gates(model, 0.3F);
  const Findings found = on_text(model);
  const double loss = loss_of(model);
  CHECK(*find(found, "introspection/loss").value == Approx(loss).epsilon(1e-5));
  set_gates(model, -60);
  const double memory_off = loss_of(model) - loss;
  set_gates(model, 60);
  const double local_off = loss_of(model) - loss;
  CHECK(std::abs(memory_off - local_off) > 1e-3);
  const Measurement& memory = find(found, "introspection/memory_off");
  CHECK(*memory.value == Approx(memory_off).margin(1e-5));
  CHECK(*find(found, "introspection/local_off").value == Approx(local_off).margin(1e-5));
  CHECK(memory.unit == "nats/token");
  CHECK(memory.n == 5);
  CHECK(inside_interval(memory));
  CHECK_THAT(memory.ci_method,
             Contains("over 5 blocks") && Contains("; sign flips, Holm over 2 parts"));
  const Measurement& local = find(found, "introspection/local_off");
  const auto p = [&](const Measurement& m, const std::string& part) {
    std::vector<double> by;
    for (const SampleRecord& sample : found.samples) by.push_back(score(sample, part + "_off"));
    CHECK(m.p_value == sign_flip_p(by, 200, session(model, *bytes, 64).rng.fork(part)));
    return *m.p_value;
  };
  // Holm: the smaller of two counts twice, the larger once but no less than that.
  const double first = p(local, "local"), second = p(memory, "memory");
  const double least = std::min(1.0, 2 * std::min(first, second));
  CHECK(*(first <= second ? local : memory).p_adjusted == Approx(least));
  CHECK(*(first <= second ? memory : local).p_adjusted ==
        Approx(std::max(least, std::max(first, second))));
  CHECK_FALSE(find(found, "introspection/loss").p_value);
  double sum = 0;
  for (const SampleRecord& sample : found.samples) sum += score(sample, "memory_off");
  CHECK(sum / 5 == Approx(*memory.value));
}

TEST_CASE("A memory that the gates shut out already is worth nothing") {
  model::Transformer model = model_of("infini", {{"segment", "16"}}, 256);
  set_gates(model, -200);
  const Findings found = on_text(model);
  CHECK(*find(found, "introspection/memory_off").value == 0);
  CHECK(find(found, "introspection/memory_off").p_value == 1);
  CHECK(*find(found, "introspection/memory_share").value == 0);
  CHECK(*find(found, "introspection/gate").value < 1e-80);
  CHECK(*find(found, "introspection/local_off").value != 0);
}

TEST_CASE("Without sinks a window is the window of the same weights that has none") {
  const model::Transformer model =
      model_of("sliding_window", {{"window", "12"}, {"sinks", "3"}}, 256);
  const auto plain = backend("sliding_window", {{"window", "12"}});
  const double without = loss_of(under(model, {plain, plain}));
  CHECK(*find(on_text(model), "introspection/sinks_off").value ==
        Approx(without - loss_of(model)).margin(1e-5));
}

TEST_CASE("A head's row is the mean of what its layer's backend tells of it, block by block") {
  // No part of what is attended depends on it, so layers may be looked at one after the other.
  const model::Transformer model = model_of("infini", {{"segment", "16"}}, 256);
  const Findings found = on_text(model);
  const std::vector<Token> document = bytes->encode_document(letters(900));
  const Documents documents{document};
  const std::vector<Block> blocks = spread_blocks(documents, 64, 8, 5, "test");
  std::vector<double> heads(8);
  double pooled = 0;
  for (const Block& block : blocks) {
    const auto window = window_of(documents, block);
    const model::Transformer shown = probed(model, [&](const Given& given) {
      if (given.before.position != 64 - 8) return;
      for (const auto& one : given.backend.inspect(given.weights, given.chunk, given.before)) {
        if (one.name != "attended_distance") continue;
        for (std::size_t h = 0; h < 4; ++h) heads[4 * given.layer + h] += one.values[h] / 5;
        for (const double value : one.values) pooled += value / 5 / 8;
      }
    });
    model::StreamState state = shown.initial_state(1, 65);
    const View<const Token, 2> all(window.data(), {1, 65});
    shown.forward(all.slice(1, 0, 56), state, View<float, 3>(nullptr, {1, 0, 256}), nullptr);
    shown.forward(all.slice(1, 56, 8), state, View<float, 3>(nullptr, {1, 0, 256}), nullptr);
  }
  for (std::size_t i = 0; i < 8; ++i) {
    const Measurement& m = find(found, "introspection/attended_distance",
                                fmt::format("layer={}:head={}", i / 4, i % 4));
    CHECK(*m.value == Approx(heads[i]));
    CHECK(m.n == 5);
    CHECK(inside_interval(m));
    CHECK(m.unit == "tokens");
  }
  const Measurement& all = find(found, "introspection/attended_distance");
  CHECK(*all.value == Approx(pooled));
  CHECK(all.protocol == "introspection/1:ctx=64:targets=8");
  CHECK_FALSE(all.data_sha.empty());
  CHECK(find(found, "introspection/memory_rank", "layer=1:kv_head=1").n == 5);
  double sum = 0;
  for (const SampleRecord& sample : found.samples) sum += score(sample, "attended_distance");
  CHECK(sum / 5 == Approx(pooled));
}

TEST_CASE("Pooled rows are of the layers that tell, and a layer's knock-out leaves the others") {
  model::Transformer model = model_of("full", {}, 256);
  const auto window = backend("sliding_window", {{"window", "9"}, {"sinks", "2"}});
  const model::Transformer mixed = under(model, {window, backend("block_topk", {{"block", "8"}})});
  const Findings found = on_text(mixed);
  const auto plain = backend("sliding_window", {{"window", "9"}});
  const double without = loss_of(under(model, {plain, mixed.backends()[1]}));
  CHECK(*find(found, "introspection/sinks_off").value ==
        Approx(without - loss_of(mixed)).margin(1e-5));
  double sum = 0;
  for (int head = 0; head < 4; ++head) {
    sum += *find(found, "introspection/sink_mass", fmt::format("layer=0:head={}", head)).value;
  }
  CHECK(*find(found, "introspection/sink_mass").value == Approx(sum / 4));
}

TEST_CASE("Of data without text the answers are the targets") {
  const auto data = tests::make<datasets::DatasetRegistry>("passkey", {}, *words, Rng(2));
  const model::Transformer model =
      model_of("infini", {{"segment", "32"}}, words->vocabulary_size());
  Session s = session(model, *words, 128);
  s.data = data.get();
  const Findings found = make_metric("introspection", {{"samples", "6"}})->measure(s);
  double nats = 0, tokens = 0;
  for (i64 i = 0; i < 6; ++i) {
    const datasets::Sample sample = data->sample(datasets::Split::test, i, 128);
    const datasets::Span answer = sample.last().answer;
    REQUIRE(answer.end() == 128);
    const auto tail =
        model::tail_log_probabilities(model, {sample.tokens.data(), {1, 128}}, answer.length);
    for (const double log_p : tail[0]) nats -= log_p, ++tokens;
    CHECK(found.samples[static_cast<std::size_t>(i)].sample_sha == sample.sha());
    CHECK(found.samples[static_cast<std::size_t>(i)].depth == sample.depth);
  }
  const Measurement& loss = find(found, "introspection/loss");
  CHECK(*loss.value == Approx(nats / tokens).epsilon(1e-5));
  CHECK(loss.n == 6);
  CHECK_THAT(loss.ci_method, Contains("over 6 samples"));
  CHECK(loss.protocol == "introspection/1:ctx=128:targets=answers");
  CHECK(inside_interval(find(found, "introspection/memory_share")));
  CHECK(inside_interval(find(found, "introspection/local_off")));
}

TEST_CASE("Answers apart from each other are all looked at, and nothing between them") {
  const auto recall = datasets::word_tokenizer(datasets::task_vocabulary("recall"));
  const auto data = tests::make<datasets::DatasetRegistry>("recall", {}, *recall, Rng(2));
  const model::Transformer model = model_of("full", {}, recall->vocabulary_size());
  Session s = session(model, *recall, 96);
  s.data = data.get();
  const Findings found = make_metric("introspection", {{"samples", "3"}})->measure(s);
  double mean = 0;
  for (i64 i = 0; i < 3; ++i) {
    const datasets::Sample sample = data->sample(datasets::Split::test, i, 96);
    const auto tail = model::tail_log_probabilities(model, {sample.tokens.data(), {1, 96}}, 95);
    REQUIRE(sample.questions.size() > 1);
    double nats = 0;
    for (const datasets::Question& question : sample.questions) {
      nats -= tail[0][static_cast<std::size_t>(question.answer.begin - 1)];
      REQUIRE(question.answer.length == 1);
    }
    mean += nats / static_cast<double>(sample.questions.size()) / 3;
  }
  CHECK(*find(found, "introspection/loss").value == Approx(mean).epsilon(1e-5));
}

TEST_CASE("A passage with several answers has no depth") {
  datasets::Sample sample;
  sample.tokens.assign(32, 1);
  sample.depth = 25;
  sample.questions = {{.answer = {20, 1}}, {.answer = {31, 1}}};
  const Listed several({sample});
  sample.questions.pop_back();
  const Listed one({sample});
  const model::Transformer model = model_of("full", {}, words->vocabulary_size());
  Session s = session(model, *words, 32);
  s.data = &several;
  CHECK_FALSE(make_metric("introspection", {})->measure(s).samples[0].depth);
  s.data = &one;
  CHECK(make_metric("introspection", {})->measure(s).samples[0].depth == 25.0);
}

TEST_CASE("Knock-outs can be left out, and introspection repeats to the bit") {
  const model::Transformer model = model_of("infini", {{"segment", "16"}}, 256);
  const Findings found = on_text(model, {{"knock_outs", "false"}});
  for (const std::string& name : metrics_of(found)) CHECK_THAT(name, !Contains("_off"));
  CHECK(text(found) == text(on_text(model, {{"knock_outs", "false"}})));
}

TEST_CASE("The same targets are read at every length") {
  const model::Transformer model = model_of("full", {}, 256);
  CHECK(on_text(model, {}, 32).samples[2].sample_sha == on_text(model).samples[2].sample_sha);
}

TEST_CASE("What cannot be looked at is refused with what can be done") {
  const model::Transformer blind = oracle_model(
      256, [](std::span<const Token>) { return -1; }, 1);
  CHECK_THROWS_WITH(on_text(blind), Contains("infini"));
  CHECK_THROWS_WITH(on_text(blind, {{"targets", "65"}}), Contains("targets: 65"));
  CHECK_THROWS_WITH(make_metric("introspection")->measure(session(blind, *bytes, 64)),
                    Contains("name the data"));
}

}  // namespace
}  // namespace longreach::metrics
