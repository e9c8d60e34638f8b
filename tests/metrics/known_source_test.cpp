// Holds the measures of text to a source whose entropy and long-range information are known.
#include "tests/metrics/known_source.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "model/scoring.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

const CopySource kSource{0.7, 100};

bool covers(const Measurement& m, double truth) {
  return m.ci_low && m.ci_high && *m.ci_low <= truth && truth <= *m.ci_high;
}

TEST_CASE("A source's text copies as often as it says and has all letters equally often") {
  const auto data = kSource.text(1, 20000, 1);
  const auto letters = data.documents(datasets::Split::test).front();
  REQUIRE(letters.size() == 20000);
  double copies = 0, first = 0;
  for (std::size_t t = 100; t < letters.size(); ++t) {
    copies += letters[t] == letters[t - 100];
    first += letters[t] == 0;
  }
  // Four standard errors of 19900 draws.
  CHECK(copies / 19900 == Approx(kSource.right()).margin(0.0130));
  CHECK(first / 19900 == Approx(1.0 / 16).margin(0.03));  // runs of copies: fewer free draws
}

TEST_CASE("The oracle's probabilities are the source's") {
  // By arithmetic: 0.7 + 0.3 / 16 and 0.3 / 16 sum to 1 over the letters.
  CHECK(kSource.right() + 15 * kSource.other() == Approx(1));
  const model::Transformer oracle = kSource.oracle();
  std::vector<Token> tokens(102, 3);
  tokens[0] = 5;
  tokens[1] = 7;  // 100 before the last
  for (const auto& [last, wanted] :
       std::vector<std::pair<Token, double>>{{7, kSource.right()}, {8, kSource.other()}}) {
    tokens.back() = last;
    const auto nats =
        model::tail_log_probabilities(oracle, View<const Token, 2>(tokens.data(), {1, 102}), 1);
    CHECK(nats[0][0] == Approx(std::log(wanted)).epsilon(1e-4));
  }
}

TEST_CASE("Perplexity is the source's entropy on either side of the distance it copies from") {
  const auto data = kSource.text(2, 4000, 2);
  const std::vector<i64> lengths{80, 200};
  const Settings settings{{"stride", "40"}, {"tokens", "4000"}};
  const model::Transformer oracle = kSource.oracle();
  const Findings near = measure_text("perplexity", oracle, data, 80, lengths, settings);
  CHECK(*find(near, "perplexity/token").value == Approx(16).epsilon(1e-4));
  const Findings far = measure_text("perplexity", oracle, data, 200, lengths, settings);
  const Measurement& m = find(far, "perplexity/token");
  CHECK(covers(m, std::exp(kSource.known())));
  CHECK(*m.ci_high < 1.2 * std::exp(kSource.known()));  // the interval says something
}

TEST_CASE("The gain of context jumps at the distance, by what the source's earlier copy tells") {
  const auto data = kSource.text(2, 4000, 3);
  const std::vector<i64> lengths{40, 90, 130, 200};
  const Settings settings{{"targets", "20"}, {"shortest", "40"}};
  const model::Transformer oracle = kSource.oracle();
  const auto gain = [&](i64 length) {
    return find(measure_text("context_utilization", oracle, data, length, lengths, settings),
                "utilization/gain");
  };
  CHECK(*gain(90).value == Approx(0).margin(1e-5));
  for (const i64 length : {130, 200}) {
    CHECK(covers(gain(length), kSource.gain()));
    CHECK(*gain(length).ci_low > 0.8 * kSource.gain());
  }
}

TEST_CASE("Mutual information of far text is the source's, or nothing where near text tells all") {
  const auto data = kSource.text(2, 4000, 4);
  const model::Transformer oracle = kSource.oracle();
  const Settings settings{{"targets", "32"}, {"near", "64"}};
  const Findings found = measure_text("mutual_information", oracle, data, 180, {180}, settings);
  CHECK(covers(find(found, "mutual_information/per_token"), kSource.gain()));
  CHECK(covers(find(found, "mutual_information/per_answer"), 32 * kSource.gain()));
  CHECK(*find(found, "mutual_information/per_token").ci_low > 0.8 * kSource.gain());
  const Findings near = measure_text("mutual_information", oracle, data, 180, {180},
                                     {{"targets", "32"}, {"near", "100"}});
  CHECK(*find(near, "mutual_information/per_token").value == Approx(0).margin(1e-5));
}

TEST_CASE("Ablations take what the source says they take") {
  const auto data = kSource.text(3, 4000, 5);
  const model::Transformer oracle = kSource.oracle();
  // 180 tokens before the last of 32 targets: no token is twice 100 before another.
  const Settings settings{{"targets", "32"}, {"near", "64"}, {"segment", "17"}, {"blocks", "100"}};
  const Findings found = measure_text("context_ablation", oracle, data, 180, {180}, settings);
  // Near text tells nothing of this source: dropping the rest leaves what no context leaves.
  CHECK(*find(found, "ablation/drop").value == Approx(1).epsilon(1e-4));
  CHECK(covers(find(found, "ablation/help"), kSource.gain()));
  CHECK(covers(find(found, "ablation/drop_loss"), kSource.gain()));
  // A foreign letter in the earlier place is believed.
  const double misled = (kSource.misled() - kSource.known()) / kSource.gain();
  CHECK(misled > 1.5);
  CHECK(covers(find(found, "ablation/foreign"), misled));
  CHECK(covers(find(found, "ablation/foreign_of_drop"), misled));
  // The far 180 - 32 + 1 - 64 = 85 tokens are five segments: in (4! - 1) of the 5! - 1 other orders
  // a segment is in its own place, and its letters are as true as ever.
  const double shuffled = (1 - 23.0 / 119) * misled;
  CHECK(covers(find(found, "ablation/shuffle"), shuffled));
  CHECK(*find(found, "ablation/shuffle").ci_high < misled);
}

TEST_CASE("Ablations beyond the distance take nothing") {
  const auto data = kSource.text(3, 4000, 16);
  const Findings found =
      measure_text("context_ablation", kSource.oracle(), data, 230, {230},
                   {{"targets", "32"}, {"near", "100"}, {"segment", "17"}, {"blocks", "40"}});
  CHECK(covers(find(found, "ablation/help"), kSource.gain()));
  for (const char* kind : {"drop", "shuffle", "foreign"}) {
    INFO(kind);
    CHECK(*find(found, fmt::format("ablation/{}", kind)).value == Approx(0).margin(1e-5));
    CHECK(*find(found, fmt::format("ablation/{}_loss", kind)).value == Approx(0).margin(1e-5));
  }
  // Shares of nothing.
  CHECK_FALSE(find(found, "ablation/shuffle_of_drop").value);
}

TEST_CASE("The divergence of two oracles is the divergence of their sources") {
  const auto data = kSource.text(2, 2000, 7);
  const CopySource other{0.4, 100};
  const model::Transformer p = kSource.oracle(), q = other.oracle(), blind = kSource.oracle(99);
  const Settings settings{{"stride", "40"}, {"tokens", "2000"}};
  const auto kl = [&](const model::Transformer& model) {
    return find(measure_text("divergence", model, data, 200, {200}, settings, &p), "divergence/kl");
  };
  const double wanted = kSource.right() * std::log(kSource.right() / other.right()) +
                        15 * kSource.other() * std::log(kSource.other() / other.other());
  CHECK(wanted > 0.1);
  CHECK(*kl(q).value == Approx(wanted).epsilon(1e-4));
  // What one knows and the other, which sees a token too little, does not.
  CHECK(*kl(blind).value == Approx(kSource.gain()).epsilon(1e-4));
}

TEST_CASE("What reads its context is relevant and coherent, and what has no memory is at chance") {
  const auto data = kSource.text(3, 4000, 8);
  const model::Transformer oracle = kSource.oracle(), uniform = uniform_model(16),
                           memoryless = memoryless_model(1);
  const Settings relevance{{"targets", "32"}, {"near", "64"}};
  const auto share = [&](const model::Transformer& model, const std::string& kind) {
    return find(measure_text("relevance", model, data, 180, {180}, relevance), "relevance/" + kind);
  };
  for (const char* kind : {"true_continuation", "own_continuation"}) {
    INFO(kind);
    CHECK(*share(oracle, kind).value == 1);
    CHECK(*share(oracle, kind).chance == 0.5);
    CHECK(*share(uniform, kind).value == 0.5);
    CHECK(*share(memoryless, kind).value == 0.5);
  }
  // Of a continuation that copies, every foreign letter costs ln(p / q) but one in sixteen.
  CHECK(*share(oracle, "own_continuation_margin").value ==
        Approx(15.0 / 16 * std::log(kSource.right() / kSource.other())).epsilon(0.03));
  const double margin = kSource.misled() - kSource.known();
  CHECK(covers(share(oracle, "true_continuation_margin"), margin));

  // Orders are told apart by what is copied within a segment or over its joints.
  const CopySource close{0.7, 23};  // no multiple fits a segment
  const auto passages = close.text(1, 6000, 9);
  const auto order = [&](const model::Transformer& model) {
    return find(measure_text("coherence", model, passages, 240, {240}, {{"passages", "24"}}),
                "coherence/real_order");
  };
  CHECK(*order(close.oracle()).value == 1);
  CHECK(*order(uniform).value == 0.5);  // ties count half
  CHECK(covers(order(memoryless), 0.5));
}

TEST_CASE("Coherence's margin is what the joints of a known source cost") {
  const CopySource close{0.7, 20};
  const auto passages = close.text(1, 20000, 10);
  const Findings found = measure_text("coherence", close.oracle(), passages, 120, {120},
                                      {{"passages", "150"}, {"segments", "2"}, {"shuffles", "1"}});
  // Token 0, halves of 60 tokens, 1 to 60 and 61 to 120, and the same the other way around.
  // Of the second half, then read first, 19 have lost the letter 20 back, and one finds token 0,
  // which is 80 before it: four copies, if all are. Of the first half 19 had no letter 20 back and
  // one token 0; now they find the second half's last, from 100 after them: five copies.
  const double margin =
      (19 * (close.unknown() - close.known()) + (close.misled(std::pow(0.7, 4)) - close.known()) +
       19 * (close.misled(std::pow(0.7, 5)) - close.unknown()) +
       (close.misled(std::pow(0.7, 5)) - close.known())) /
      120;
  CHECK(covers(find(found, "coherence/margin"), margin));
  CHECK(find(found, "coherence/real_order").ci_method == "wilson 0.95");
}

/// In how many of 40 texts the interval holds the truth.
int coverage(const std::function<Measurement(const datasets::Dataset&)>& measure, double truth) {
  int held = 0;
  for (std::uint64_t seed = 100; seed < 140; ++seed) {
    held += covers(measure(kSource.text(1, 3500, seed)), truth);
  }
  return held;
}

TEST_CASE("Intervals hold the truth about as often as they say") {
  const model::Transformer oracle = kSource.oracle();
  const auto row = [&](const char* metric, const char* name, Settings settings) {
    return [&oracle, metric, name, settings](const datasets::Dataset& data) {
      return find(measure_text(metric, oracle, data, 150, {150}, settings), name);
    };
  };
  const auto perplexity =
      row("perplexity", "perplexity/token", {{"stride", "32"}, {"tokens", "1600"}});
  const auto information = row("mutual_information", "mutual_information/per_token",
                               {{"targets", "32"}, {"near", "64"}});
  const auto foreign = row("context_ablation", "ablation/foreign",
                           {{"targets", "32"}, {"near", "64"}, {"segment", "8"}});
  const double misled = (kSource.misled() - kSource.known()) / kSource.gain();
  // Of 40 at 0.95, 33 or fewer have a probability of 0.3%. The second number of each is shifted by
  // a tenth, which no interval as narrow as these should hold often.
  for (const auto& [name, measure, truth] :
       {std::tuple{"perplexity", std::function<Measurement(const datasets::Dataset&)>(perplexity),
                   std::exp(kSource.known())},
        std::tuple{"information", std::function<Measurement(const datasets::Dataset&)>(information),
                   kSource.gain()},
        std::tuple{"foreign", std::function<Measurement(const datasets::Dataset&)>(foreign),
                   misled}}) {
    INFO(name);
    CHECK(coverage(measure, truth) >= 34);
    CHECK(coverage(measure, 1.25 * truth) <= 20);
  }
}

}  // namespace
}  // namespace longreach::metrics
