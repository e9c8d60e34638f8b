// Tests of attention/hierarchical.cpp against sums over all earlier tokens, written out in float64,
// and against Infini-attention, which it is with one level.
#include "attention/verify.h"
#include "tests/attention/backends.h"
#include "tests/attention/naive.h"

namespace longreach::attention {
namespace {

using naive::Row;

/// The segments that a level holds after `closed` of them: [begin, end).
struct Range {
  i64 begin, end;
};
std::vector<Range> partition(i64 closed, i64 levels) {
  std::vector<Range> ranges(static_cast<std::size_t>(levels), {0, 0});
  i64 end = closed;
  for (i64 level = 0; level < levels - 1; ++level) {  // from the newest segment back
    const i64 size = i64{1} << level;
    if (closed / size % 2 == 0) continue;
    ranges[level] = {end - size, end};
    end -= size;
  }
  ranges[levels - 1] = {0, end};
  return ranges;
}

Row read(const std::vector<Row>& keys, const std::vector<Row>& values, const Row& q, Range tokens) {
  Row sum(q.size(), 0.0);
  double total = 0;
  for (i64 j = tokens.begin; j < tokens.end; ++j) {
    const double w = naive::dot(naive::phi(q), naive::phi(keys[j]));
    total += w;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += w * values[j][i];
  }
  for (double& x : sum) x /= total;
  return sum;
}

struct Case {
  i64 segment, levels;
  bool token;
};

/// [T, Hq, D] of one stream.
std::vector<double> expected(const Shape& shape, const Case& c, const ReferenceStream& in,
                             const std::vector<double>& bias) {
  const i64 d = shape.head_dim, parts = c.levels + 1;
  const auto rows_of = [&](const std::vector<double>& x, i64 heads, i64 head) {
    std::vector<Row> rows;
    for (i64 t = 0; t < in.tokens; ++t) {
      const auto begin = x.begin() + (t * heads + head) * d;
      rows.emplace_back(begin, begin + d);
    }
    return rows;
  };
  std::vector<double> out(in.q.size());
  for (i64 h = 0; h < shape.query_heads; ++h) {
    const std::vector<Row> q = rows_of(in.q, shape.query_heads, h);
    const std::vector<Row> k = rows_of(in.k, shape.kv_heads, h / shape.group());
    const std::vector<Row> v = rows_of(in.v, shape.kv_heads, h / shape.group());
    for (i64 t = 0; t < in.tokens; ++t) {
      const i64 begin = t / c.segment * c.segment;
      std::vector<Row> keys, values;
      for (i64 j = begin; j <= t; ++j) {
        keys.push_back(naive::rotate(k[j], j, naive::Rope{}));
        values.push_back(v[j]);
      }
      std::vector<Row> answers{
          naive::softmax_attend(naive::rotate(q[t], t, naive::Rope{}), keys, values)};
      const auto logit = [&](i64 part) {
        const double own = c.token ? in.projected[(t * shape.query_heads + h) * parts + part] : 0.0;
        return std::exp(bias[h * parts + part] + own);
      };
      std::vector<double> weights{logit(0)};
      const std::vector<Range> ranges = partition(t / c.segment, c.levels);
      for (i64 level = 0; level < c.levels; ++level) {
        const Range tokens{ranges[level].begin * c.segment, ranges[level].end * c.segment};
        if (tokens.begin == tokens.end) continue;
        answers.push_back(read(k, v, q[t], tokens));
        weights.push_back(logit(level + 1));
      }
      double total = 0;
      for (const double w : weights) total += w;
      for (std::size_t a = 0; a < answers.size(); ++a) {
        for (i64 i = 0; i < d; ++i) {
          out[(t * shape.query_heads + h) * d + i] += weights[a] / total * answers[a][i];
        }
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("Levels hold the past as the digits of a binary counter say") {
  const i64 segment = GENERATE(1, 3, 8), levels = GENERATE(1, 2, 4, 12);
  const bool token = GENERATE(true, false);
  const Shape shape = GENERATE(Shape{2, 1, 6}, Shape{2, 2, 4});
  CAPTURE(segment, levels, token, shape.kv_heads);
  const auto backend = make_backend("hierarchical",
                                    {{"segment", std::to_string(segment)},
                                     {"levels", std::to_string(levels)},
                                     {"level_weights", token ? "token" : "head"}},
                                    shape);
  const Problem problem(*backend, 2, 45, Rng(7));
  const Tensor out = outputs(*backend, problem);
  const ReferenceProblem reference(problem);
  for (i64 b = 0; b < 2; ++b) {
    const std::vector<double> wanted =
        expected(shape, {segment, levels, token}, reference.streams[b], reference.weights);
    CHECK(relative_error(stream_of(out, b), std::span<const double>(wanted)) < 1e-5);
  }
}

TEST_CASE("Levels that merge into the last conform") {
  for (const auto& [segment, levels] : {std::pair{"2", "3"}, std::pair{"1", "2"}}) {
    const BackendFactory make = [segment = segment, levels = levels](const Shape& shape) {
      return make_backend("hierarchical", {{"segment", segment}, {"levels", levels}}, shape);
    };
    for (const Check& check : verify(make, {.seed = 3, .quick = true})) {
      INFO("levels: " << levels << ": " << check.name << ": " << check.detail);
      CHECK(check.passed);
    }
  }
}

TEST_CASE("With one level and even weights it is Infini-attention with its gates half open") {
  const Shape shape{4, 2, 8};
  const auto infini =
      make_backend("infini", {{"segment", "8"}, {"first_segment", "bypass"}}, shape);
  const auto levels = make_backend(
      "hierarchical", {{"segment", "8"}, {"levels", "1"}, {"level_weights", "head"}}, shape);
  Problem of_infini(*infini, 1, 40, Rng(3)), of_levels(*levels, 1, 40, Rng(3));
  std::ranges::fill(of_infini.weights, 0.0F);
  std::ranges::fill(of_levels.weights, 0.0F);
  const Tensor expected_out = outputs(*infini, of_infini);
  CHECK(relative_error(outputs(*levels, of_levels).flat(), std::as_const(expected_out).flat()) <
        1e-6);
}

TEST_CASE("The state grows by one memory whenever the segments double, up to the most levels") {
  const Shape shape{2, 2, 8};
  const auto bytes = [&](const char* levels, i64 capacity) {
    return make_backend("hierarchical", {{"segment", "4"}, {"levels", levels}}, shape)
        ->state_bytes(capacity);
  };
  const i64 one = 2 * 8 * 9 * 4;
  CHECK(bytes("12", 8) - bytes("12", 7) == one);
  CHECK(bytes("12", 16) - bytes("12", 8) == one);
  CHECK(bytes("12", 31) == bytes("12", 16));
  CHECK(bytes("12", 4096) - bytes("12", 16) == 8 * one);
  CHECK(bytes("2", 1 << 20) == bytes("2", 8));
}

TEST_CASE("A token far back has the weight of its own level and no other") {
  // With all of a head's weight on the level that holds segment 0 and 1, only they are read.
  const Shape shape{1, 1, 4};
  const auto backend = make_backend(
      "hierarchical", {{"segment", "2"}, {"levels", "3"}, {"level_weights", "head"}}, shape);
  Problem problem(*backend, 1, 7, Rng(5));  // three segments closed: levels of 2 and of 1
  std::ranges::fill(problem.weights, 0.0F);
  problem.weights[2] = 60;  // level 1: part 2
  const Tensor before = outputs(*backend, problem);
  const auto changed = [&](i64 token) {
    Problem other = problem;
    for (float& x : other.v.view<4>().row(0, token, 0)) x += 1;
    const Tensor after = outputs(*backend, other);
    return bits_differing(before.view<4>().row(0, 6, 0), after.view<4>().row(0, 6, 0)) > 0;
  };
  CHECK(changed(0));
  CHECK(changed(3));
  CHECK_FALSE(changed(4));
  CHECK_FALSE(changed(6));
}

}  // namespace longreach::attention
