// Tests metrics/lockstep.cpp.
#include "metrics/lockstep.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "tests/metrics/models.h"

namespace longreach::metrics {
namespace {

std::vector<float> logs(const std::vector<double>& probabilities, double shift = 0) {
  std::vector<float> out;
  for (const double p : probabilities) out.push_back(static_cast<float>(std::log(p) + shift));
  return out;
}

TEST_CASE("The divergence of two distributions is that of the definition, whatever the shift") {
  // 1/2 ln(1/2 / 1/4) + 1/2 ln(1/2 / 3/4), and the other way round.
  const double forward = 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3);
  const double backward = 0.25 * std::log(0.5) + 0.75 * std::log(1.5);
  for (const double shift : {0.0, 80.0, -90.0}) {  // exp() of float logits would overflow
    INFO("shift " << shift);
    CHECK(disagreement(logs({0.5, 0.5}), logs({0.25, 0.75}, shift)).kl ==
          Approx(forward).epsilon(1e-5));
    CHECK(disagreement(logs({0.25, 0.75}, shift), logs({0.5, 0.5})).kl ==
          Approx(backward).epsilon(1e-5));
  }
}

TEST_CASE("Distributions that are sure of different tokens are as far apart as their logits") {
  const std::vector<float> one{5000, 0, 0}, other{0, 0, 5000};
  CHECK(disagreement(one, other).kl == Approx(5000));
  CHECK_FALSE(disagreement(one, other).same_top);
}

TEST_CASE("Equal logits diverge by exactly 0, and rounding takes no divergence below it") {
  Rng rng(23);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> p;
    for (int i = 0; i < 50; ++i) p.push_back(static_cast<float>(3 * rng.normal()));
    std::vector<float> q = p;
    p.push_back(-14);
    q.push_back(-14.00001F);  // moves the sums by about 1e-13, the divergence by far less
    CHECK(disagreement(p, p).kl == 0);
    CHECK(disagreement(p, q).kl >= 0);
    CHECK(disagreement(p, q).kl < 1e-12);
  }
}

TEST_CASE("Of equally likely tokens the lowest is the top one") {
  CHECK(disagreement(std::vector<float>{0, 2, 2}, std::vector<float>{0, 2, 1}).same_top);
  CHECK_FALSE(disagreement(std::vector<float>{0, 2, 2}, std::vector<float>{0, 1, 2}).same_top);
}

TEST_CASE("Every target of every block is visited in order, with the right tokens before it") {
  // Each model is without opinion but where it sees exactly so many tokens.
  const auto sure_after = [](std::size_t count) {
    return oracle_model(
        20, [count](std::span<const Token> seen) { return seen.size() == count ? 3 : -1; }, 4);
  };
  std::vector<Token> text;
  for (int i = 0; i < 1500; ++i) text.push_back(i % 20);
  // Two of a size, one of another; the second takes three chunks.
  const std::vector<Block> blocks{{0, 40, 8, 3}, {0, 1302, 1300, 1299}, {0, 60, 8, 3}};
  std::vector<i64> visited(blocks.size());
  in_lockstep(sure_after(7), sure_after(1205), {text}, blocks,
              [&](std::size_t block, i64 target, const Disagreement& d) {
                CHECK(target == visited[block]++);
                const i64 seen = blocks[block].context - blocks[block].targets + 1 + target;
                // Of q uniform over 20: ln 20 - entropy of p; of p uniform the cross-entropy.
                const double sum = 19 + std::exp(4.0);
                const double entropy = std::log(sum) - 4 * std::exp(4.0) / sum;
                const double expected = seen == 7      ? std::log(20.0) - entropy
                                        : seen == 1205 ? std::log(sum) - 4.0 / 20 - std::log(20.0)
                                                       : 0;
                CHECK(d.kl == Approx(expected).margin(1e-6));
                CHECK(d.same_top == (expected == 0));
              });
  CHECK(visited == std::vector<i64>{3, 1299, 3});
}

}  // namespace
}  // namespace longreach::metrics
