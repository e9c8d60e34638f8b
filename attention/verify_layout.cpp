// Check of the conformance gate on views: rows of heads lie where the strides say, and nothing
// around them is read or written.
#include <cmath>
#include <fmt/format.h>

#include "attention/verify_checks.h"

namespace longreach::attention {
namespace {

/// A [B, T, heads, D] slice of a [B, T, heads + 2, D] tensor whose other rows hold `guard`.
class Padded {
 public:
  /// Of a [B, T, P] tensor.
  static Tensor as_heads(const Tensor& rows) {
    Tensor heads({rows.shape()[0], rows.shape()[1], rows.shape()[2], 1});
    std::ranges::copy(rows.flat(), heads.flat().begin());
    return heads;
  }
  Padded(const Tensor& dense, float guard)
      : guard_(guard),
        wide_({dense.shape()[0], dense.shape()[1], dense.shape()[2] + 2, dense.shape()[3]}) {
    std::ranges::fill(wide_.flat(), guard);
    each_row([&](i64 b, i64 t, i64 h) {
      std::ranges::copy(dense.view<4>().row(b, t, h), view().row(b, t, h).begin());
    });
  }
  View<float, 4> view() { return wide_.view<4>().slice(2, 1, wide_.shape()[2] - 2); }

  /// Rows of single numbers as one row: [B, T, P].
  View<float, 3> rows() {
    const View<float, 4> v = view();
    return {v.data(), {v.extent(0), v.extent(1), v.extent(2)}, {v.stride(0), v.stride(1), 1}};
  }

  Tensor dense() {
    Tensor dense({wide_.shape()[0], wide_.shape()[1], wide_.shape()[2] - 2, wide_.shape()[3]});
    each_row([&](i64 b, i64 t, i64 h) {
      std::ranges::copy(view().row(b, t, h), dense.view<4>().row(b, t, h).begin());
    });
    return dense;
  }

  /// Numbers around the slice that no longer hold the guard.
  i64 touched() {
    const auto kept = [this](float x) { return std::isnan(guard_) ? std::isnan(x) : x == guard_; };
    i64 count = 0;
    for (i64 b = 0; b < wide_.shape()[0]; ++b) {
      for (i64 t = 0; t < wide_.shape()[1]; ++t) {
        for (const i64 h : {i64{0}, wide_.shape()[2] - 1}) {
          for (const float x : wide_.view<4>().row(b, t, h)) count += !kept(x);
        }
      }
    }
    return count;
  }

 private:
  template <class Body>
  void each_row(const Body& body) {
    for (i64 b = 0; b < view().extent(0); ++b) {
      for (i64 t = 0; t < view().extent(1); ++t) {
        for (i64 h = 0; h < view().extent(2); ++h) body(b, t, h);
      }
    }
  }

  float guard_;
  Tensor wide_;
};

}  // namespace

void check_layout(const Case& c, Ledger& ledger) {
  const Problem& p = c.problem;
  const i64 whole[] = {p.tokens};
  const Pass dense = run(c.backend, p, whole, true);
  const Gradients expected = undo(c.backend, p, dense, p.d_state);

  // What is read by mistake turns results into NaN; what is added to by mistake stops being 7.
  Padded q(p.q, NAN), k(p.k, NAN), v(p.v, NAN), d_out(p.d_out, NAN),
      out(Tensor(dense.out.shape()), 7);
  Padded d_q(Tensor(p.q.shape()), 7), d_k(Tensor(p.k.shape()), 7), d_v(Tensor(p.v.shape()), 7);
  Padded projected(Padded::as_heads(p.projected), NAN),
      d_projected(Padded::as_heads(Tensor(p.projected.shape())), 7);
  const Chunk in{q.view(), k.view(), v.view(), p.chunk(0, p.tokens).repeats, projected.rows()};
  State state = c.backend.initial_state(p.batch, p.tokens), d_state = p.d_state;
  Tape tape;
  std::vector<float> d_weights(p.weights.size());
  c.backend.forward(p.weights, in, state, out.view(), &tape);
  c.backend.backward(p.weights, in, tape, d_out.view(), d_state,
                     {d_q.view(), d_k.view(), d_v.view(), d_projected.rows()}, d_weights);
  i64 differing = bits_differing(out.dense(), dense.out) + bits_differing(d_q.dense(), expected.q) +
                  bits_differing(d_k.dense(), expected.k) +
                  bits_differing(d_v.dense(), expected.v) +
                  bits_differing(d_projected.dense().flat(), expected.projected.flat()) +
                  bits_differing(d_weights, expected.weights) + bits_differing(state, dense.state) +
                  bits_differing(d_state, expected.state);
  i64 touched =
      out.touched() + d_q.touched() + d_k.touched() + d_v.touched() + d_projected.touched();

  // Without a tape, at once and token by token, a backend may well take another path.
  for (const i64 step : {p.tokens, i64{1}}) {
    const std::vector<i64> cuts(static_cast<std::size_t>(p.tokens / step), step);
    const Pass untaped = run(c.backend, p, cuts, false);
    Padded alone(Tensor(dense.out.shape()), 7);
    State stream = c.backend.initial_state(p.batch, p.tokens);
    for (i64 t = 0; t < p.tokens; t += step) {
      c.backend.forward(p.weights, in.slice(t, step), stream, alone.view().slice(1, t, step),
                        nullptr);
    }
    differing += bits_differing(alone.dense(), untaped.out) + bits_differing(stream, untaped.state);
    touched += alone.touched();
  }
  ledger.note("layout", static_cast<double>(differing + touched), 0,
              fmt::format("{}: {} numbers differ in strided views, {} beside them are touched",
                          c.where, differing, touched));
}

}  // namespace longreach::attention
