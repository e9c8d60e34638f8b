// The softmax kernel against the definition in float64, over shapes that cross every tile border.
#include "attention/kernels/softmax.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "core/half.h"
#include "core/random.h"

using namespace longreach;
using namespace longreach::attention::kernels;

namespace {

struct Case {
  i64 head_dim, rows, position, window, sinks;
};

/// Random operands of a case: the recent keys begin where the first query's window does.
struct Operands {
  explicit Operands(const Case& of, std::uint64_t seed) : c(of), rng(seed) {
    first = std::max<i64>(0, c.position - c.window + 1);
    keys = c.position + c.rows - first;
    sinks = std::min(c.sinks, c.position + c.rows);
    for (Floats* x : {&q, &sink_q, &d_out}) fill(*x, c.rows);
    for (Floats* x : {&k, &v}) fill(*x, keys);
    for (Floats* x : {&sink_k, &sink_v}) fill(*x, sinks);
  }
  void fill(Floats& x, i64 rows) {
    x.resize(static_cast<std::size_t>(rows * c.head_dim));
    for (float& value : x) value = static_cast<float>(rng.normal());
  }
  View<float, 3> heads(Floats& x) const { return {x.data(), {1, c.rows, c.head_dim}}; }
  View<const float, 3> heads(const Floats& x) const { return {x.data(), {1, c.rows, c.head_dim}}; }
  Problem problem() const {
    return {.queries = heads(q),
            .sink_queries = heads(sink_q),
            .position = c.position,
            .recent = {k.data(), v.data(), Element::f32, first, keys},
            .sinks = {sink_k.data(), sink_v.data(), Element::f32, 0, sinks},
            .window = c.window};
  }
  Case c;
  Rng rng;
  i64 first, keys, sinks;
  Floats q, sink_q, d_out, k, v, sink_k, sink_v;
};

using Row = std::vector<double>;

/// Outputs and gradients by the definition; gradients in the order q, sink_q, k, v, sink_k, sink_v.
struct Expected {
  Row out, lse;
  std::vector<Row> grads;
  i64 pairs = 0;
};

Expected expected(const Operands& x) {
  const i64 d = x.c.head_dim;
  Expected e;
  e.out.resize(x.q.size());
  for (const Floats* like : {&x.q, &x.sink_q, &x.k, &x.v, &x.sink_k, &x.sink_v}) {
    e.grads.emplace_back(like->size(), 0.0);
  }
  struct Seen {
    const float *q, *k, *v;
    double *dq, *dk, *dv;
    double weight;
  };
  for (i64 row = 0; row < x.c.rows; ++row) {
    const i64 t = x.c.position + row;
    std::vector<Seen> seen;
    for (i64 j = 0; j < std::min(x.sinks, t - x.c.window + 1); ++j) {
      seen.push_back({&x.sink_q[row * d], &x.sink_k[j * d], &x.sink_v[j * d], &e.grads[1][row * d],
                      &e.grads[4][j * d], &e.grads[5][j * d], 0});
    }
    for (i64 j = std::max<i64>(0, t - x.c.window + 1); j <= t; ++j) {
      const i64 i = j - x.first;
      seen.push_back({&x.q[row * d], &x.k[i * d], &x.v[i * d], &e.grads[0][row * d],
                      &e.grads[2][i * d], &e.grads[3][i * d], 0});
    }
    double total = 0;
    for (Seen& s : seen) {
      double score = 0;
      for (i64 i = 0; i < d; ++i) score += static_cast<double>(s.q[i]) * s.k[i];
      total += s.weight = std::exp(score / std::sqrt(static_cast<double>(d)));
    }
    e.pairs += static_cast<i64>(seen.size());
    e.lse.push_back(std::log(total));
    double delta = 0;
    for (Seen& s : seen) {
      s.weight /= total;
      for (i64 i = 0; i < d; ++i) {
        e.out[row * d + i] += s.weight * s.v[i];
        delta += s.weight * s.v[i] * x.d_out[row * d + i];
      }
    }
    for (const Seen& s : seen) {
      double dp = 0;
      for (i64 i = 0; i < d; ++i) dp += static_cast<double>(s.v[i]) * x.d_out[row * d + i];
      const double ds = s.weight * (dp - delta) / std::sqrt(static_cast<double>(d));
      for (i64 i = 0; i < d; ++i) {
        s.dq[i] += ds * s.k[i];
        s.dk[i] += ds * s.q[i];
        s.dv[i] += s.weight * x.d_out[row * d + i];
      }
    }
  }
  return e;
}

double relative_error(const Floats& found, const Row& wanted) {
  double error = 0, largest = 1e-30;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    error = std::max(error, std::abs(found[i] - wanted[i]));
    largest = std::max(largest, std::abs(wanted[i]));
  }
  return error / largest;
}

}  // namespace

TEST_CASE("The kernel meets the definition, forward and backward, across all tile borders") {
  // Rows below and above the six of a register tile, keys below and above a packed tile of 256,
  // head sizes below, at and above a panel, windows that begin and end inside tiles.
  const auto c =
      GENERATE(Case{8, 1, 0, kNoWindow, 0}, Case{24, 5, 700, kNoWindow, 0},
               Case{40, 6, 0, kNoWindow, 0}, Case{64, 300, 0, kNoWindow, 0},
               Case{16, 97, 259, kNoWindow, 0}, Case{24, 301, 5, 48, 0}, Case{8, 290, 0, 7, 3},
               Case{34, 130, 400, 260, 4}, Case{16, 3, 90, 20, 5}, Case{128, 70, 31, 33, 40});
  INFO("head " << c.head_dim << ", rows " << c.rows << ", position " << c.position << ", window "
               << c.window << ", sinks " << c.sinks);
  const Operands x(c, 21);
  const Expected wanted = expected(x);
  Floats out(x.q.size()), lse(static_cast<std::size_t>(c.rows));
  const View<float, 2> kept(lse.data(), {1, c.rows});
  const i64 pairs = forward(x.problem(), x.heads(out), kept);
  CHECK(pairs == wanted.pairs);
  CHECK(relative_error(out, wanted.out) < 2e-6);
  CHECK(relative_error(lse, wanted.lse) < 2e-6);

  std::vector<Floats> grads;
  for (const Row& like : wanted.grads) grads.emplace_back(like.size(), 1.0f);  // added to
  for (i64 share = 0; share < 2; ++share) {  // as two threads would
    backward(x.problem(), x.heads(out), kept, x.heads(x.d_out),
             {x.heads(grads[0]), x.heads(grads[1]), grads[2].data(), grads[3].data(),
              grads[4].data(), grads[5].data()},
             {share, 2});
  }
  for (std::size_t i = 0; i < grads.size(); ++i) {
    INFO("gradient " << i);
    Row from_one = wanted.grads[i];
    for (double& value : from_one) value += 1;
    CHECK(relative_error(grads[i], from_one) < 1e-5);
  }
}

TEST_CASE("Scores far apart neither overflow nor give NaN") {
  Operands x({8, 40, 0, kNoWindow, 0}, 5);
  for (float& value : x.q) value *= 1000;
  Floats out(x.q.size()), lse(40);
  forward(x.problem(), x.heads(out), View<float, 2>(lse.data(), {1, 40}));
  for (const float value : out) REQUIRE(std::isfinite(value));
  // One key takes all the weight: the output is that key's value.
  CHECK(out[0] == x.v[0]);
}

TEST_CASE("Scores that rise from tile to tile meet the definition") {
  // Along the keys the scores rise by less and by more than what a row's shift may fall behind.
  const float rise = GENERATE(2.0F, 7.0F, 30.0F);
  Operands x({8, 20, 1000, kNoWindow, 0}, 12);
  for (float& value : x.q) value = 1;
  for (i64 j = 0; j < x.keys; ++j) {
    for (i64 i = 0; i < 8; ++i) {
      x.k[j * 8 + i] = rise * static_cast<float>(j) / 256 / std::sqrt(8.0F) + 0.1F * x.k[j * 8 + i];
    }
  }
  const Expected wanted = expected(x);
  Floats out(x.q.size()), lse(20);
  forward(x.problem(), x.heads(out), View<float, 2>(lse.data(), {1, 20}));
  CAPTURE(rise);
  CHECK(relative_error(out, wanted.out) < 1e-5);  // float32 scores near 120 are off by 1e-5
  CHECK(relative_error(lse, wanted.lse) < 1e-6);
}

TEST_CASE("A query that is not finite gives a row of NaN and leaves the other rows' bits alone") {
  // Its scores are NaN or infinite, and e^(s - max s) of these is NaN: inf - inf, if nothing else.
  const Case c = GENERATE(Case{24, 1, 30, kNoWindow, 0}, Case{24, 40, 30, kNoWindow, 0},
                          Case{8, 40, 600, 300, 3});
  const i64 row = GENERATE(0, 17, 39);
  const float value = GENERATE(NAN, INFINITY, -INFINITY);
  const bool everywhere = GENERATE(false, true);
  if (row >= c.rows) return;
  Operands x(c, 10);
  Floats before(x.q.size()), after(x.q.size());
  forward(x.problem(), x.heads(before), {});
  for (i64 i = 3; i < (everywhere ? c.head_dim : 4); ++i) {
    x.q[row * c.head_dim + i] = x.sink_q[row * c.head_dim + i] = value;
  }
  forward(x.problem(), x.heads(after), {});
  CAPTURE(c.rows, c.window, row, value, everywhere);
  i64 differing = 0, numbers = 0;
  for (i64 i = 0; i < c.rows * c.head_dim; ++i) {
    if (i / c.head_dim == row) {
      numbers += !std::isnan(after[i]);
    } else {
      differing += after[i] != before[i];
    }
  }
  CHECK(numbers == 0);
  CHECK(differing == 0);
}

TEST_CASE("A row whose every score is minus infinity is a row of NaN") {
  Operands x({16, GENERATE(1, 40), 9, kNoWindow, 0}, 11);
  for (i64 j = 0; j < x.keys; ++j) x.k[j * 16 + 5] = 1;
  for (i64 i = 0; i < 16; ++i) x.q[i] = i == 5 ? -INFINITY : 1;
  Floats out(x.q.size());
  forward(x.problem(), x.heads(out), {});
  CHECK(std::all_of(out.begin(), out.begin() + 16, [](float y) { return std::isnan(y); }));
}

TEST_CASE("A key that a query does not see leaves its output's bits alone") {
  Operands x({16, 64, 0, 10, 0}, 6);
  Floats before(x.q.size()), after(x.q.size());
  forward(x.problem(), x.heads(before), {});
  for (i64 i = 0; i < 16; ++i) x.k[20 * 16 + i] += 3, x.v[20 * 16 + i] -= 5;
  forward(x.problem(), x.heads(after), {});
  for (i64 row = 0; row < 64; ++row) {
    const bool sees = row >= 20 && row < 30;  // 20 > t - 10
    const bool same = std::equal(&before[row * 16], &before[row * 16] + 16, &after[row * 16]);
    INFO("row " << row);
    CHECK(same == !sees);
  }
}

TEST_CASE("Heads of a group give the same bits together as alone") {
  const i64 heads = 3, rows = GENERATE(2, 50), d = 24;
  const Operands x({d, heads * rows, 0, kNoWindow, 0}, 7);
  Floats together(x.q.size()), alone(x.q.size());
  Problem group = x.problem();
  group.queries = View<const float, 3>(x.q.data(), {heads, rows, d});
  group.recent.count = rows;
  forward(group, View<float, 3>(together.data(), {heads, rows, d}), {});
  for (i64 g = 0; g < heads; ++g) {
    Problem one = group;
    one.queries = group.queries.slice(0, g, 1);
    forward(one, View<float, 3>(&alone[g * rows * d], {1, rows, d}), {});
  }
  CHECK(together == alone);
}

// To rounding: a compiler may contract the scalar tail of a row in one and not in the other.
TEST_CASE("Halves give what their widened values give") {
  const Element element = GENERATE(Element::f16, Element::bf16);
  const i64 rows = GENERATE(1, 77), d = GENERATE(8, 36, 64);
  Operands x({d, rows, 300, 200, 3}, 8);
  struct Stored {
    Halves halves;
    Stored(Floats& of, Element e) : halves(of.size()) {
      const i64 n = static_cast<i64>(of.size());
      narrow(of.data(), e, halves.data(), n);
      widen(halves.data(), e, of.data(), n);
    }
  };
  const Stored k(x.k, element), v(x.v, element), sk(x.sink_k, element), sv(x.sink_v, element);
  Problem stored = x.problem();
  stored.recent = {k.halves.data(), v.halves.data(), element, x.first, x.keys};
  stored.sinks = {sk.halves.data(), sv.halves.data(), element, 0, x.sinks};
  Floats wide(x.q.size()), half(x.q.size());
  forward(x.problem(), x.heads(wide), {});
  forward(stored, x.heads(half), {});
  CHECK(relative_error(half, Row(wide.begin(), wide.end())) < 1e-6);
}

TEST_CASE("Parts of a deep cache merge to the whole") {
  const Operands x({40, 3, 1000, 900, 5}, 9);
  Floats whole(x.q.size()), merged(x.q.size()), lse(3), merged_lse(3);
  const i64 pairs = forward(x.problem(), x.heads(whole), View<float, 2>(lse.data(), {1, 3}));
  std::vector<Partial> parts;
  for (i64 begin = 0; begin < x.keys; begin += 300) {
    parts.push_back(attend_part(x.problem(), {begin, std::min(begin + 300, x.keys)}, begin == 0));
  }
  CHECK(pairs == merge(x.problem(), parts.data(), static_cast<i64>(parts.size()), x.heads(merged),
                       View<float, 2>(merged_lse.data(), {1, 3})));
  const Row wanted(whole.begin(), whole.end()), wanted_lse(lse.begin(), lse.end());
  CHECK(relative_error(merged, wanted) < 1e-6);
  CHECK(relative_error(merged_lse, wanted_lse) < 1e-6);
}
