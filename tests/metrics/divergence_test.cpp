// Tests metrics/divergence.cpp.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "attention/backend.h"
#include "core/error.h"
#include "datasets/text.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"
#include "tests/model/naive_transformer.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;
using model::Doubles;
using Settings = std::map<std::string, std::string>;

const std::unique_ptr<datasets::Tokenizer> bytes = datasets::byte_tokenizer();

std::string letters(i64 count) {
  Rng rng(12);
  std::string text;
  for (i64 i = 0; i < count; ++i) text += static_cast<char>('a' + rng.below(20));
  return text;
}

Findings measure(const model::Transformer& model, const model::Transformer& baseline,
                 const std::string& text, i64 length, const Settings& settings) {
  const datasets::TextDataset data({text}, 1.0, *bytes, Rng(1));
  const std::vector<i64> lengths{length};
  Session s = session(model, *bytes, length, lengths);
  s.data = &data;
  s.baseline = &baseline;
  s.baseline_name = "plain";
  return make_metric("divergence", settings)->measure(s);
}

/// The weights of full_model(256) under a sliding window.
model::Transformer windowed(i64 window) {
  const model::Architecture a = full_model(256).architecture();
  const std::shared_ptr<const attention::Backend> backend =
      tests::make<attention::AttentionRegistry>(
          "sliding_window", {{"window", std::to_string(window)}, {"sinks", "0"}},
          a.attention_shape());
  return model::Transformer(a, {backend, backend}, Rng(1));
}

/// Weights as drawn are nearly without opinion: grown, so that attention moves what is predicted.
model::Transformer grown(model::Transformer model) {
  for (float& weight : model.weights()) weight *= 1.5F;
  return model;
}

struct Exact {
  std::vector<double> kl;
  i64 same = 0;
};

/// Of the last `targets` tokens of `tokens`, from the definitions.
void compare(const model::NaiveTransformer& p, const model::NaiveTransformer& q,
             const std::vector<Token>& tokens, i64 targets, Exact& out) {
  const auto p_logits = p.logits(tokens), q_logits = q.logits(tokens);
  for (std::size_t t = tokens.size() - 1 - static_cast<std::size_t>(targets); t < tokens.size() - 1;
       ++t) {
    double kl = 0;
    for (std::size_t v = 0; v < p_logits[t].size(); ++v) {
      const auto token = static_cast<Token>(v);
      const double log_p = model::NaiveTransformer::log_probability_of(p_logits[t], token);
      kl += std::exp(log_p) *
            (log_p - model::NaiveTransformer::log_probability_of(q_logits[t], token));
    }
    out.kl.push_back(kl);
    const auto top = [](const Doubles& logits) {
      return std::max_element(logits.begin(), logits.end()) - logits.begin();
    };
    out.same += top(p_logits[t]) == top(q_logits[t]) ? 1 : 0;
  }
}

TEST_CASE("A backend does not diverge from itself by a bit") {
  const model::Transformer model = grown(full_model(256)), again = grown(full_model(256));
  const Findings found = measure(model, again, letters(2000), 64, {{"stride", "32"}});
  CHECK(find(found, "divergence/kl").value == 0.0);
  CHECK(find(found, "divergence/kl").ci_high == 0.0);
  CHECK(find(found, "divergence/kl_p99").value == 0.0);
  CHECK(find(found, "divergence/same_top").value == 1.0);
  for (const double kl : found.curves[0].y) CHECK(kl == 0);
  for (const double same : found.curves[1].y) CHECK(same == 1);
}

TEST_CASE("The divergence of a window from full attention is that of the float64 definition") {
  const model::Transformer full = grown(full_model(256)), window = grown(windowed(19));
  const std::string text = letters(25 + 5 * 8);  // ends 25, 33, 41, 49, 57, 65
  const Findings found = measure(window, full, text, 24, {{"stride", "8"}, {"tokens", "0"}});
  const std::vector<Token> tokens = bytes->encode(text);
  const model::NaiveTransformer p(full), q(window);
  Exact exact;
  for (std::ptrdiff_t end = 25; end <= 65; end += 8) {
    compare(p, q, {tokens.begin() + end - 25, tokens.begin() + end}, 8, exact);
  }
  double sum = 0;
  for (const double kl : exact.kl) sum += kl;
  const Measurement& kl = find(found, "divergence/kl");
  CHECK(*kl.value == Approx(sum / 48).epsilon(1e-4));
  CHECK(*kl.value > 0.01);
  CHECK(kl.n == 6);
  CHECK(kl.unit == "nats/token");
  CHECK(kl.higher_is_better == false);
  CHECK(kl.protocol == "divergence/1:ctx=24:stride=8:score=tail:against=plain");
  CHECK_THAT(kl.ci_method, Contains("over 6 blocks"));
  CHECK(inside_interval(kl));
  const Measurement& same = find(found, "divergence/same_top");
  CHECK(*same.value == Approx(static_cast<double>(exact.same) / 48));
  CHECK((0 < exact.same && exact.same < 48));
  CHECK(same.n == 6);
  CHECK(same.higher_is_better == true);
  CHECK(inside_interval(same));
  std::sort(exact.kl.begin(), exact.kl.end());
  // Nearest ranks of 48: 24, 44 (43.2) and 48 (47.52); the resolution is 0.55%.
  CHECK(*find(found, "divergence/kl_p50").value == Approx(exact.kl[23]).epsilon(0.0056));
  CHECK(*find(found, "divergence/kl_p90").value == Approx(exact.kl[43]).epsilon(0.0056));
  CHECK(*find(found, "divergence/kl_p99").value == Approx(exact.kl[47]).epsilon(0.0056));
  CHECK(find(found, "divergence/kl_p50").n == 48);
}

TEST_CASE("A window diverges by position only where it no longer sees all") {
  const Findings found =
      measure(grown(windowed(8)), grown(full_model(256)), letters(700), 64, {{"stride", "16"}});
  REQUIRE(found.curves.size() == 2);
  CHECK(found.curves[0].name == "divergence/by_position");
  CHECK(found.curves[1].name == "divergence/same_top_by_position");
  // Buckets [1], [2, 3], [4, 7], [8, 15], [16, 31], [32, 63], [64].
  for (const Curve& curve : found.curves) {
    REQUIRE(curve.x.size() == 7);
    CHECK(curve.x[3] == Approx(std::sqrt(8.0 * 15)));
  }
  for (std::size_t b = 0; b < 7; ++b) {
    INFO("bucket " << b);
    CHECK((found.curves[0].y[b] > 1e-3) == (b >= 3));
    CHECK((found.curves[1].y[b] < 1) == (b >= 3));
  }
}

TEST_CASE("Blocks of other sizes weigh by their tokens") {
  // The two disagree after a 'b', by the same amount each time.
  std::string text;
  for (i64 i = 0; i < 26; ++i) text += i < 20 ? 'b' : 'a';
  std::vector<std::vector<double>> logits(256, std::vector<double>(256));
  const model::Transformer flat = table_model(logits);
  logits['b']['c'] = 3;
  const model::Transformer sure = table_model(logits);
  const Findings found = measure(flat, sure, text, 20, {{"protocol", "documents"}});
  const double sum = 255 + std::exp(3.0);
  const double kl = std::log(256.0) - (std::log(sum) - 3 * std::exp(3.0) / sum);
  // Windows of 20 and 5 targets, of which 20 follow a 'b' and 5 an 'a'.
  CHECK(find(found, "divergence/kl").n == 2);
  CHECK(*find(found, "divergence/kl").value == Approx(kl * 20 / 25).epsilon(1e-4));
  CHECK(*find(found, "divergence/same_top").value == Approx(5.0 / 25));
}

TEST_CASE("Divergence reads what perplexity reads, and repeats to the bit") {
  const model::Transformer window = windowed(8), full = full_model(256);
  const Settings settings{{"stride", "16"}, {"tokens", "128"}};
  const Findings once = measure(window, full, letters(700), 64, settings);
  CHECK(text(once) == text(measure(window, full, letters(700), 64, settings)));
  const datasets::TextDataset data({letters(700)}, 1.0, *bytes, Rng(1));
  Session s = session(window, *bytes, 64);
  s.data = &data;
  const Findings perplexity = make_metric("perplexity", settings)->measure(s);
  CHECK(find(once, "divergence/kl").data_sha == find(perplexity, "perplexity/token").data_sha);
}

TEST_CASE("Without a baseline there is no divergence, and the message says what to do") {
  const model::Transformer model = full_model(256);
  CHECK_THROWS_WITH(make_metric("divergence")->measure(session(model, *bytes, 64)),
                    Contains("baseline: true"));
  CHECK(make_metric("divergence")->needs_baseline());
  CHECK_FALSE(make_metric("perplexity")->needs_baseline());
}

}  // namespace
}  // namespace longreach::metrics
