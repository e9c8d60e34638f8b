// Linear attention (Katharopoulos et al. 2020, arXiv 2006.16236) as a plugin: softmax's exp(q . k)
// becomes phi(q) . phi(k), so that all keys and values before fit into one matrix a head,
//
//   S_t = S_{t-1} + phi(k_t) [v_t, 1]^T        N_t = phi(q_t)^T S_t        phi(x) = ELU(x) + 1
//   o_t = N_t[0, D) / (N_t[D] + eps)
//
// The 1 behind each value makes S's last column the paper's Z (equation 11), the sum of phi(k).
#include <cmath>

#include "attention/backend.h"
#include "core/linalg.h"
#include "core/vector_math.h"

namespace {

using namespace longreach;
using namespace longreach::attention;

using Row = Floats;
using Span = std::span<const float>;
using Memory = View<float, 2>;  ///< a head's S, [D, D + 1]; so too its rounding and its gradient

Row phi(Span x) {
  Row y(x.size());
  elu1(x.data(), y.data(), std::ssize(x));
  return y;
}

Row with_one(Span x) {
  Row longer(x.begin(), x.end());
  longer.push_back(1);
  return longer;
}

/// S += a b^T, and into `low` what each sum rounds away (Kahan 1965).
void add_outer(Span a, Span b, Memory s, Memory low) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto sums = s.row(i), rests = low.row(i);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const float more = rests[j] + a[i] * b[j], sum = sums[j] + more;
      rests[j] = more - (sum - sums[j]);
      sums[j] = sum;
    }
  }
}

/// a^T S
Row times(Span a, Memory s) {
  Row n(static_cast<std::size_t>(s.extent(1)));
  for (std::size_t i = 0; i < a.size(); ++i) {
    add_scaled(a[i], s.row(i).data(), n.data(), s.extent(1));
  }
  return n;
}

/// d_x += (S b) phi'(x), given y = phi(x).
void add_gradient(Memory s, Span b, Span y, std::span<float> d_x) {
  Row d_y(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) d_y[i] = dot(s.row(i).data(), b.data(), s.extent(1));
  elu1_backward(y.data(), d_y.data(), std::ssize(y));
  add_scaled(1, d_y.data(), d_x.data(), std::ssize(y));
}

/// State: S [B, Hkv, D, D + 1], and what rounding has taken from it so far, `low`: a float32 sum of
/// 65536 keys alone would be off by more than `verify` allows. S + low is what is remembered.
class Linear final : public Backend {
 public:
  struct Params {
    double eps = 1e-6;
    void fields(Fields& f) {
      f("eps", eps, between(1e-30, 1), "added to the denominator, as the paper's own code does");
    }
  };

  Linear(const Params& params, const Shape& shape)
      : shape_(shape), eps_(static_cast<float>(params.eps)) {
    validate(shape);
  }

  const Shape& shape() const override { return shape_; }

  State initial_state(i64 batch, i64) const override {
    const std::vector<i64> size{batch, shape_.kv_heads, shape_.head_dim, shape_.head_dim + 1};
    return {0, {{"memory", Tensor(size)}, {"low", Tensor(size)}}, {}};
  }

  i64 state_bytes(i64) const override {
    return 2 * shape_.kv_heads * elements() * static_cast<i64>(sizeof(float));
  }

  void forward(Span, const Chunk& in, State& state, View<float, 4> out, Tape* tape) const override {
    if (tape != nullptr) *tape = {state.position, {state["memory"], state["low"]}};
    Tensor &memory = state["memory"], &low = state["low"];
    const i64 d = shape_.head_dim, group = shape_.group();
    each_head(in, [&](i64 b, i64 kv) {
      const Memory s = of_head(memory, b, kv), rest = of_head(low, b, kv);
      for (i64 t = 0; t < in.tokens(); ++t) {
        add_outer(phi(in.k.row(b, t, kv)), with_one(in.v.row(b, t, kv)), s, rest);
        for (i64 h = kv * group; h < (kv + 1) * group; ++h) {
          const Row n = times(phi(in.q.row(b, t, h)), s);
          for (i64 i = 0; i < d; ++i) out(b, t, h, i) = n[i] / (n[d] + eps_);
        }
      }
    });
    state.position += in.tokens();
    state.activity.tokens += in.tokens();
  }

  // With c = N[D] + eps:  dN = [dO, -dO . O] / c;  dphi(q) = S dN.  From the last token to the
  // first, dS += phi(q) dN^T;  dphi(k) = dS [v, 1];  dv = (phi(k)^T dS)[0, D).
  void backward(Span, const Chunk& in, const Tape& tape, View<const float, 4> d_out, State& d_state,
                const ChunkGrad& grad, std::span<float>) const override {
    Tensor memory = tape.tensors[0], low = tape.tensors[1];  // replayed from before the call
    Tensor& d_memory = d_state["memory"];
    const i64 d = shape_.head_dim, group = shape_.group();
    each_head(in, [&](i64 b, i64 kv) {
      const Memory s = of_head(memory, b, kv), rest = of_head(low, b, kv);
      const Memory ds = of_head(d_memory, b, kv);
      std::vector<Row> d_n;  // of each token's query heads
      for (i64 t = 0; t < in.tokens(); ++t) {
        add_outer(phi(in.k.row(b, t, kv)), with_one(in.v.row(b, t, kv)), s, rest);
        for (i64 h = kv * group; h < (kv + 1) * group; ++h) {
          const Row y = phi(in.q.row(b, t, h)), n = times(y, s);
          Row& dn = d_n.emplace_back(with_one(d_out.row(b, t, h)));
          const float c = n[d] + eps_;
          dn[d] = -dot(dn.data(), n.data(), d) / c;
          scale(1 / c, dn.data(), d + 1);
          add_gradient(s, dn, y, grad.q.row(b, t, h));
        }
      }
      for (i64 t = in.tokens(); t-- > 0;) {
        for (i64 g = 0; g < group; ++g) {
          const Row y = phi(in.q.row(b, t, kv * group + g));
          const Row& dn = d_n[t * group + g];
          for (i64 i = 0; i < d; ++i) add_scaled(y[i], dn.data(), ds.row(i).data(), d + 1);
        }
        const Row y = phi(in.k.row(b, t, kv));
        add_gradient(ds, with_one(in.v.row(b, t, kv)), y, grad.k.row(b, t, kv));
        add_scaled(1, times(y, ds).data(), grad.v.row(b, t, kv).data(), d);
      }
    });
    d_state["low"] = d_memory;  // S + low counts, so both have one gradient
    d_state.position = tape.position;
  }

  // A key: D exponentials, and five operations an element of S. A query: D exponentials, its
  // product with S, a division of each output.
  Cost cost(i64, i64 tokens) const override {
    const auto n = static_cast<double>(tokens), d = static_cast<double>(shape_.head_dim);
    const auto heads = static_cast<double>(shape_.query_heads);
    const auto kv_heads = static_cast<double>(shape_.kv_heads);
    const auto size = static_cast<double>(elements());
    return {.flops = n * (kv_heads * (d + 5 * size) + heads * (d + 2 * size + d + 1)),
            .bytes_moved = n * 2 * static_cast<double>(state_bytes(0)),
            .activity = {.tokens = tokens}};
  }

  // Equation 9 as it stands: every query against every key before it.
  std::vector<double> reference(std::span<const double>, const ReferenceStream& in) const override {
    const auto phi64 = [](double x) { return x > 0 ? x + 1 : std::exp(x); };
    const i64 d = shape_.head_dim, heads = shape_.query_heads, kv_heads = shape_.kv_heads;
    std::vector<double> out(in.q.size());
    for (i64 t = 0; t < in.tokens; ++t) {
      for (i64 h = 0; h < heads; ++h) {
        const i64 query = (t * heads + h) * d;
        double sum = eps_;
        for (i64 j = 0; j <= t; ++j) {
          const i64 key = (j * kv_heads + h / shape_.group()) * d;
          double similarity = 0;
          for (i64 i = 0; i < d; ++i) similarity += phi64(in.q[query + i]) * phi64(in.k[key + i]);
          for (i64 i = 0; i < d; ++i) out[query + i] += similarity * in.v[key + i];
          sum += similarity;
        }
        for (i64 i = 0; i < d; ++i) out[query + i] /= sum;
      }
    }
    return out;
  }

 private:
  i64 elements() const { return shape_.head_dim * (shape_.head_dim + 1); }

  Memory of_head(Tensor& tensor, i64 b, i64 kv) const {
    return {tensor.view<4>().row(b, kv, 0).data(), {shape_.head_dim, shape_.head_dim + 1}};
  }

  /// Calls body(stream, key/value head) for each, on several threads when there is enough to do.
  template <class Body>
  void each_head(const Chunk& in, const Body& body) const {
    const double work = static_cast<double>(in.batch()) * cost(0, in.tokens()).flops;
#pragma omp parallel for collapse(2) schedule(static) if (worth_threads(work))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) body(b, kv);
    }
  }

  Shape shape_;
  float eps_;
};

const Registered<AttentionRegistry, Linear> registered{
    "example_linear", "linear attention, phi = ELU + 1 (Katharopoulos et al. 2020)"};

}  // namespace
