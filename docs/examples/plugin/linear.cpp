// Linear attention (Katharopoulos et al. 2020, arXiv 2006.16236) as a plugin: softmax's exp(q . k)
// becomes phi(q) . phi(k), so that all keys and values before fit into one matrix a head,
//
//   S_t = S_{t-1} + phi(k_t) [v_t, 1]^T        N_t = phi(q_t)^T S_t        phi(x) = ELU(x) + 1
//   o_t = N_t[0, D) / (N_t[D] + eps)
//
// The 1 behind each value makes S's last column the paper's Z (equation 11), the sum of phi(k).
#include <algorithm>
#include <cmath>

#include "attention/backend.h"
#include "core/linalg.h"
#include "core/vector_math.h"

namespace {

using namespace longreach;
using namespace longreach::attention;

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

  void forward(std::span<const float>, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    if (tape != nullptr) *tape = {state.position, {state["memory"], state["low"]}};
    const auto memory = state["memory"].view<4>(), low = state["low"].view<4>();
    const i64 d = shape_.head_dim, group = shape_.group();
#pragma omp parallel for collapse(2) schedule(static) if (threads(in))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        float* const s = memory.row(b, kv, 0).data();
        Row phi(d), n(d + 1);
        for (i64 t = 0; t < in.tokens(); ++t) {
          elu1(in.k.row(b, t, kv).data(), phi.data(), d);
          add_outer(phi, with_one(in.v.row(b, t, kv)), s, low.row(b, kv, 0).data());
          for (i64 h = kv * group; h < (kv + 1) * group; ++h) {
            elu1(in.q.row(b, t, h).data(), phi.data(), d);
            read(phi, s, n);
            std::copy_n(n.begin(), d, out.row(b, t, h).begin());
            scale(1 / (n[d] + eps_), out.row(b, t, h).data(), d);
          }
        }
      }
    }
    state.position += in.tokens();
    state.activity.tokens += in.tokens();
  }

  // With c = N[D] + eps:  dN = [dO / c, -(dO . O) / c];  dphi(q) = S dN.  From the last token to
  // the first, dS += phi(q) dN^T;  dphi(k) = dS [v, 1];  dv = (phi(k)^T dS)[0, D).
  void backward(std::span<const float>, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float>) const override {
    Tensor memory = tape.tensors[0], low = tape.tensors[1];  // replayed from before the call
    const auto d_memory = d_state["memory"].view<4>();
    const i64 d = shape_.head_dim, group = shape_.group(), tokens = in.tokens();
#pragma omp parallel for collapse(2) schedule(static) if (threads(in))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        float* const s = memory.view<4>().row(b, kv, 0).data();
        float* const ds = d_memory.row(b, kv, 0).data();
        std::vector<Row> d_n;  // of each token, then query head
        Row phi(d), d_phi(d), n(d + 1);
        for (i64 t = 0; t < tokens; ++t) {
          elu1(in.k.row(b, t, kv).data(), phi.data(), d);
          add_outer(phi, with_one(in.v.row(b, t, kv)), s, low.view<4>().row(b, kv, 0).data());
          for (i64 h = kv * group; h < (kv + 1) * group; ++h) {
            elu1(in.q.row(b, t, h).data(), phi.data(), d);
            read(phi, s, n);
            Row& dn = d_n.emplace_back(with_one(d_out.row(b, t, h)));
            const float c = n[d] + eps_;
            dn[d] = -dot(dn.data(), n.data(), d) / c;
            scale(1 / c, dn.data(), d + 1);
            write_back(s, dn, phi, d_phi, grad.q.row(b, t, h));
          }
        }
        for (i64 t = tokens; t-- > 0;) {
          for (i64 h = (kv + 1) * group; h-- > kv * group; d_n.pop_back()) {
            elu1(in.q.row(b, t, h).data(), phi.data(), d);
            for (i64 i = 0; i < d; ++i)
              add_scaled(phi[i], d_n.back().data(), ds + i * (d + 1), d + 1);
          }
          elu1(in.k.row(b, t, kv).data(), phi.data(), d);
          write_back(ds, with_one(in.v.row(b, t, kv)), phi, d_phi, grad.k.row(b, t, kv));
          read(phi, ds, n);
          add_scaled(1, n.data(), grad.v.row(b, t, kv).data(), d);
        }
      }
    }
    d_state["low"] = d_state["memory"];  // their sum counts; what is left in `low` is rounding
    d_state.position = tape.position;
  }

  // A key: D exponentials, and five operations an element of S. A query: D exponentials, its
  // product with S, a division.
  Cost cost(i64, i64 tokens) const override {
    const double n = static_cast<double>(tokens), d = static_cast<double>(shape_.head_dim);
    const double heads = static_cast<double>(shape_.query_heads);
    const double kv_heads = static_cast<double>(shape_.kv_heads);
    const double size = static_cast<double>(elements());
    Cost cost;
    cost.activity = {.tokens = tokens};
    cost.flops = n * (kv_heads * (d + 5 * size) + heads * (d + 2 * size + d + 1));
    cost.bytes_moved = n * 2 * static_cast<double>(state_bytes(0));
    return cost;
  }

  // Equation 9 as it stands: every query against every key before it.
  std::vector<double> reference(std::span<const double>, const ReferenceStream& in) const override {
    const i64 d = shape_.head_dim, heads = shape_.query_heads, kv_heads = shape_.kv_heads;
    std::vector<double> out(in.q.size());
    for (i64 t = 0; t < in.tokens; ++t) {
      for (i64 h = 0; h < heads; ++h) {
        double sum = eps_;
        double* const row = &out[(t * heads + h) * d];
        for (i64 j = 0; j <= t; ++j) {
          const i64 key = (j * kv_heads + h / shape_.group()) * d;
          double similarity = 0;
          for (i64 i = 0; i < d; ++i) {
            similarity += phi64(in.q[(t * heads + h) * d + i]) * phi64(in.k[key + i]);
          }
          for (i64 i = 0; i < d; ++i) row[i] += similarity * in.v[key + i];
          sum += similarity;
        }
        for (i64 i = 0; i < d; ++i) row[i] /= sum;
      }
    }
    return out;
  }

 private:
  using Row = Floats;

  i64 elements() const { return shape_.head_dim * (shape_.head_dim + 1); }
  bool threads(const Chunk& in) const {
    return worth_threads(static_cast<double>(in.batch()) * cost(0, in.tokens()).flops);
  }
  static double phi64(double x) { return x > 0 ? x + 1 : std::exp(x); }

  static Row with_one(std::span<const float> row) {
    Row longer(row.begin(), row.end());
    longer.push_back(1);
    return longer;
  }

  /// S += a b^T, keeping in `low` what each sum rounds away (Kahan 1965).
  static void add_outer(const Row& a, const Row& b, float* s, float* low) {
    const i64 columns = std::ssize(b);
    for (i64 i = 0; i < std::ssize(a); ++i, s += columns, low += columns) {
      for (i64 j = 0; j < columns; ++j) {
        const float more = low[j] + a[i] * b[j], sum = s[j] + more;
        low[j] = more - (sum - s[j]);
        s[j] = sum;
      }
    }
  }

  /// n = a^T S
  static void read(const Row& a, const float* s, Row& n) {
    std::ranges::fill(n, 0.0f);
    for (i64 i = 0; i < std::ssize(a); ++i)
      add_scaled(a[i], s + i * std::ssize(n), n.data(), std::ssize(n));
  }

  /// d_x += (S b) phi'(x), given phi = phi(x).
  static void write_back(const float* s, const Row& b, const Row& phi, Row& d_phi,
                         std::span<float> d_x) {
    const i64 d = std::ssize(phi);
    for (i64 i = 0; i < d; ++i) d_phi[i] = dot(s + i * (d + 1), b.data(), d + 1);
    elu1_backward(phi.data(), d_phi.data(), d);
    add_scaled(1, d_phi.data(), d_x.data(), d);
  }

  Shape shape_;
  float eps_;
};

const Registered<AttentionRegistry, Linear> registered{
    "example_linear", "linear attention, phi = ELU + 1 (Katharopoulos et al. 2020)"};

}  // namespace
