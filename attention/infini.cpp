// Infini-attention (Munkhdalai et al. 2024, arXiv 2404.07143v2): softmax attention inside a
// segment, mixed by a learned gate with a compressive memory of all segments before it. Equation
// numbers are the paper's; symbols too: M memory, z normalizer, sigma the feature map (theirs is
// ELU + 1). Longer than most files: forward and backward of one mechanism are read side by side.
#include <algorithm>
#include <cmath>

#include "attention/compressive_memory.h"
#include "attention/inspection.h"
#include "attention/kernels/rowwise.h"
#include "attention/kernels/softmax.h"
#include "attention/open_segment.h"
#include "attention/reference.h"
#include "attention/rows.h"
#include "attention/tasks.h"

namespace longreach::attention {
namespace {

/// What a token gets while the memory is empty: (1 - g) A_dot, or A_dot as it is.
enum class FirstSegment { gate, bypass };

}  // namespace
}  // namespace longreach::attention

namespace longreach {
template <>
struct EnumNames<attention::FirstSegment> {
  static constexpr std::array<std::string_view, 2> names{"gate", "bypass"};
};
}  // namespace longreach

namespace longreach::attention {
namespace {

/// State: M and z, and the open segment's turned keys and its values.
class Infini final : public Backend {
 public:
  struct Params {
    OpenSegment::Params segment{};
    Update update = Update::linear;
    FirstSegment first_segment = FirstSegment::gate;
    i64 bptt = 0;
    double gate_lr_scale = 10;
    bool gate_decay = false;
    double gate_initial = 0;
    void fields(Fields& f) {
      segment.fields(f);
      f("update", update, "how a segment is written: equation (8) or (9)");
      f("first_segment", first_segment, "while the memory is empty: (1 - g) A_dot, or A_dot");
      f("bptt", bptt, at_least(0),
        "cut the memory's gradient at every n-th segment border; 0 keeps it whole");
      f("gate_lr_scale", gate_lr_scale, at_least(0), "the gates' learning rate over the others'");
      f("gate_decay", gate_decay, "weight decay pulls the gates towards one half");
      f("gate_initial", gate_initial, between(-100, 100), "beta to begin with; g = sigmoid(beta)");
    }
  };

  Infini(const Params& params, const Shape& shape)
      : params_(params), shape_(shape), segment_(params.segment, shape) {}

  const Shape& shape() const override { return shape_; }
  double state_rounding() const override { return segment_.rounding(); }

  /// One gate a query head, before the sigmoid. Under Adam a gate travels about the sum of the
  /// learning rates at most, hence a rate of its own and no decay unless asked for.
  std::vector<WeightSpec> weights() const override {
    return {{"gate",
             {shape_.query_heads},
             static_cast<float>(params_.gate_initial),
             params_.gate_lr_scale,
             params_.gate_decay}};
  }

  State initial_state(i64 batch, i64) const override {
    const i64 h = shape_.kv_heads, d = shape_.head_dim, f = segment_.features().size();
    State state{
        0, {{"memory", Tensor({batch, h, f, d})}, {"normalizer", Tensor({batch, h, f})}}, {}};
    segment_.add_to(state, batch);
    return state;
  }

  i64 state_bytes(i64) const override {
    const i64 matrix = segment_.features().size() * (shape_.head_dim + 1);
    return shape_.kv_heads * (matrix * bytes_of(Element::f32) + segment_.bytes());
  }

  void forward(std::span<const float> gates, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    const std::vector<Piece> pieces = segment_.cut(state.position, in.tokens());
    if (tape != nullptr) *tape = make_tape(in, state, pieces);
    const bool whole = std::ranges::any_of(pieces, &Piece::whole);
    i64 pairs = 0, reads = 0, writes = 0;
#pragma omp parallel reduction(+ : pairs, reads, writes) if (worth_threads(*this, in, state.position))
    {
      // A thread's own rows for a segment that a call brings whole: they need not pass through the
      // state, whose rows for all heads no cache would hold.
      Room room{segment_.rows_for(1, whole && tape == nullptr ? 1 : 0),
                segment_.rows_for(1, whole && tape == nullptr ? 1 : 0)};
      // All heads of a segment before the next, since they lie side by side in the chunk. A static
      // schedule gives a head to the same thread each time: its memory needs no waiting for.
      for (std::size_t n = 0; n < pieces.size(); ++n) {
#pragma omp for collapse(2) schedule(static) nowait
        for (i64 b = 0; b < in.batch(); ++b) {
          for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
            const Activity done =
                forward_piece(gates, in, state, out, tape, n, pieces[n], b, kv, room);
            pairs += done.keys_scored, reads += done.memory_reads, writes += done.compressions;
          }
        }
      }
#pragma omp for collapse(2) schedule(static)
      for (i64 b = 0; b < in.batch(); ++b) {
        for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
          segment_.forget_closed(pieces, b, kv, state);
        }
      }
    }
    state.position += in.tokens();
    const i64 heads = in.batch() * shape_.query_heads;
    state.activity +=
        {in.tokens(), pairs / heads, reads / heads, writes / (in.batch() * shape_.kv_heads)};
  }

  void backward(std::span<const float> gates, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float> d_gates) const override {
    const std::vector<Piece> pieces = segment_.cut(tape.position, in.tokens());
    const i64 heads = shape_.query_heads;
    std::vector<double> d_gate(static_cast<std::size_t>(in.batch() * heads));
#pragma omp parallel if (worth_threads(*this, in, tape.position))
    for (std::size_t n = pieces.size(); n-- > 0;) {
#pragma omp for collapse(2) schedule(static) nowait
      for (i64 b = 0; b < in.batch(); ++b) {
        for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
          undo_piece(gates, in, const_cast<Tape&>(tape), n, pieces[n], b, kv, d_out, d_state, grad,
                     &d_gate[b * heads]);
        }
      }
    }
    add_over_streams(d_gate, in.batch(), d_gates);
    d_state.position = tape.position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 n = segment_.length(), end = position + tokens;
    const auto reads = [n](i64 t) { return std::max<i64>(0, t - n); };
    Cost cost;
    cost.activity = {.tokens = tokens,
                     .keys_scored = segment_.pairs_before(end) - segment_.pairs_before(position),
                     .memory_reads = reads(end) - reads(position),
                     .compressions = end / n - position / n};
    const double d = static_cast<double>(shape_.head_dim);
    const double q = static_cast<double>(shape_.query_heads);
    const double kv = static_cast<double>(shape_.kv_heads);
    const double pairs = static_cast<double>(cost.activity.keys_scored);
    const double read = static_cast<double>(cost.activity.memory_reads);
    const double written = static_cast<double>(cost.activity.compressions * n);
    const double f = static_cast<double>(segment_.features().size());
    const double map = segment_.features().flops();
    const double retrieve = 2 * f * d + 2 * f + d;  // sigma(x) M, sigma(x) z, the division
    // The very first segment meets an empty memory, where the delta rule has nothing to retrieve.
    const i64 first_write = position < n && end >= n ? 1 : 0;
    const double corrected =
        params_.update == Update::delta ? written - static_cast<double>(first_write * n) : 0;
    cost.flops = q * (pairs * (4 * d + 1) + read * (map + retrieve + 2 * d)) +
                 kv * (written * (map + 2 * f * d + 2 * f) + corrected * (retrieve + d));
    const double row = static_cast<double>(segment_.bytes() / n);
    cost.bytes_moved =
        kv *
        ((pairs + static_cast<double>(tokens)) * row +
         sizeof(float) * (read + 2 * static_cast<double>(end / n - position / n)) * f * (d + 1));
    return cost;
  }

  std::vector<double> reference(std::span<const double> gates,
                                const ReferenceStream& in) const override {
    return reference_infini(
        shape_, {segment_.length(), params_.update, params_.first_segment == FirstSegment::bypass},
        gates, in, segment_.rope(), segment_.features());
  }

  /// Of the softmax, whose sinks are the first tokens of its segment, where it begins anew; the
  /// memory as it was before the chunk; memory_share, ||g A_mem|| / (||g A_mem|| + ||(1-g)
  /// A_dot||); and the gate.
  std::vector<Observation> inspect(std::span<const float> gates, const Chunk& in,
                                   const State& before) const override {
    SoftmaxObserver observer(shape_, in.batch(), in.tokens());
    Observation share{.name = "memory_share", .unit = "1"};
    share.values.resize(static_cast<std::size_t>(in.batch() * shape_.query_heads));
    State state = before;
#pragma omp parallel for collapse(2) schedule(static)
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        for (const Piece& piece : segment_.cut(before.position, in.tokens())) {
          const Memory memory = memory_of(state, b, kv);
          const OpenSegment::Rows held = segment_.held_by(state, b, kv);
          segment_.take(in, piece, b, kv, held);
          inspect_piece(gates, in, piece, b, kv, memory, held, observer, share.values);
          if (piece.closes) {
            segment_.write(held, params_.update, in.repeat(b, piece.last()), memory);
          }
        }
      }
    }
    std::vector<Observation> all = observer.found();
    for (Observation& of_memory : memory_observations(before["memory"].view<4>())) {
      all.push_back(std::move(of_memory));
    }
    all.push_back(std::move(share));
    all.push_back(gate_observation(gates, in.batch()));
    return all;
  }

  std::vector<KnockOut> knock_outs(std::span<const float>) const override {
    return gate_knock_outs(shape_.query_heads);
  }

 private:
  Memory memory_of(State& state, i64 b, i64 kv) const {
    return {state["memory"].view<4>().row(b, kv, 0).data(),
            state["normalizer"].view<3>().row(b, kv).data(), segment_.features().size(),
            shape_.head_dim};
  }

  struct Room {
    Tensor keys, values;
  };

  OpenSegment::Rows rows_for(const Piece& piece, std::size_t n, i64 b, i64 kv, State& state,
                             Tape* tape, Room& room) const {
    if (!piece.whole()) return segment_.held_by(state, b, kv);
    if (tape == nullptr) return {&room.keys, &room.values, 0, 0};
    return rows_in(*tape, b, kv, n);
  }

  /// Everything one piece does for the query heads of a key/value head; returns the work done for
  /// all of them.
  Activity forward_piece(std::span<const float> gates, const Chunk& in, State& state,
                         View<float, 4> out, Tape* tape, std::size_t n, const Piece& piece, i64 b,
                         i64 kv, Room& room) const {
    const Memory memory = memory_of(state, b, kv);
    const OpenSegment::Rows held = rows_for(piece, n, b, kv, state, tape, room);
    segment_.take(in, piece, b, kv, held);
    if (tape != nullptr) remember(*tape, n, piece, b, kv, memory, held);
    const bool empty = memory.empty();
    const OpenSegment::Queries queries = segment_.queries_of(in, piece, b, kv, !empty);
    Scratch room_for_local;
    const View<float, 3> local = local_rows(piece, b, kv, tape, room_for_local);
    Activity done;
    done.keys_scored = segment_.attend(
        queries, piece, held, local,
        tape == nullptr ? View<float, 2>() : segment_.log_sums(tape->tensors[kLse], piece, b, kv));
    for (i64 g = 0; g < shape_.group(); ++g) {
      const i64 h = kv * shape_.group() + g;
      mix(queries.features_of_head(g, memory.f), local.slice(0, g, 1), piece, Gate(gates[h]),
          memory, one_head(out, b, h, piece.first, piece.rows));
      if (!empty) done.memory_reads += piece.rows;
    }
    if (!piece.closes) return done;
    segment_.write(held, params_.update, in.repeat(b, piece.last()), memory);
    done.compressions = 1;
    return done;
  }

  /// One piece's queries of a group; adds to the shares of the memory in their output, [B, Hq].
  void inspect_piece(std::span<const float> gates, const Chunk& in, const Piece& piece, i64 b,
                     i64 kv, const Memory& memory, const OpenSegment::Rows& held,
                     SoftmaxObserver& observer, std::vector<double>& shares) const {
    const i64 d = shape_.head_dim;
    const bool empty = memory.empty();
    const OpenSegment::Queries queries = segment_.queries_of(in, piece, b, kv, !empty);
    const Floats keys = rows_as_floats(*held.keys, held.b, held.h, piece.end());
    const Floats values = rows_as_floats(*held.values, held.b, held.h, piece.end());
    for (i64 g = 0; g < shape_.group(); ++g) {
      const i64 h = kv * shape_.group() + g;
      const Gate gate(gates[h]);
      for (i64 row = 0; row < piece.rows; ++row) {
        const i64 place = piece.place + row;
        std::vector<ScoredKey> seen;
        for (i64 j = 0; j <= place; ++j) {
          seen.push_back(
              {score_of(row_of(queries.turned, g * piece.rows + row, d), row_of(keys, j, d)),
               place - j, j < kSinks});
        }
        const std::vector<double> weights = observer.add(b, h, seen);
        if (empty) continue;  // the memory's share is 0
        const float* features = queries.features_of_head(g, memory.f) + row * memory.f;
        const double read = static_cast<double>(gate.memory) * length_read(features, memory);
        const double own = static_cast<double>(gate.local) * length_of_mean(weights, values);
        if (read > 0) {
          shares[static_cast<std::size_t>(b * shape_.query_heads + h)] +=
              read / (read + own) / static_cast<double>(in.tokens());
        }
      }
    }
  }

  /// ||A_mem|| (7) of one query's features.
  static double length_read(const float* features, const Memory& memory) {
    double squares = 0, denominator = 0;
    for (i64 i = 0; i < memory.f; ++i) {
      denominator += static_cast<double>(features[i]) * static_cast<double>(memory.normalizer[i]);
    }
    for (i64 j = 0; j < memory.d; ++j) {
      double sum = 0;
      for (i64 i = 0; i < memory.f; ++i) {
        sum +=
            static_cast<double>(features[i]) * static_cast<double>(memory.matrix[i * memory.d + j]);
      }
      squares += sum * sum;
    }
    return std::sqrt(squares) / denominator;
  }

  /// ||sum of w_j v_j|| for rows v [., D].
  double length_of_mean(std::span<const double> weights, std::span<const float> values) const {
    double squares = 0;
    for (i64 i = 0; i < shape_.head_dim; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < weights.size(); ++j) {
        sum += weights[j] *
               static_cast<double>(row_of(values, static_cast<i64>(j), shape_.head_dim)[i]);
      }
      squares += sum * sum;
    }
    return std::sqrt(squares);
  }

  /// Where A_dot of a group goes, [G, rows, D]: to the tape, else into `room`.
  View<float, 3> local_rows(const Piece& piece, i64 b, i64 kv, Tape* tape, Scratch& room) const {
    const i64 d = shape_.head_dim, group = shape_.group();
    if (tape != nullptr) {
      return segment_.outputs(tape->tensors[kLocal].view<4>(), piece, b, kv);
    }
    room.resize(static_cast<std::size_t>(group * piece.rows * d));
    return {room.data(), {group, piece.rows, d}};
  }

  /// (10) A = g A_mem + (1 - g) A_dot of one head; no features while the memory is empty.
  void mix(const float* features, View<const float, 3> local, const Piece& piece, const Gate& gate,
           const Memory& memory, View<float, 2> out) const {
    const View<const float, 2> a_dot(local.data(), {piece.rows, shape_.head_dim},
                                     {local.stride(1), 1});
    if (features == nullptr) {
      const bool bypass = params_.first_segment == FirstSegment::bypass;
      return kernels::scale_into(bypass ? 1 : gate.local, a_dot, out);
    }
    const Retrieval memory_read(features, piece.rows, memory);
    kernels::blend(gate.local, a_dot, gate.memory, memory_read.values.data(), out);
  }

  // The tape: A_dot and its log-sum-exp for every token; for every piece the memory before it and
  // its segment's rows up to its end.
  enum : std::size_t { kLocal, kLse, kMemory, kNormalizer, kKeys, kValues };

  Tape make_tape(const Chunk& in, const State& state, const std::vector<Piece>& pieces) const {
    const i64 batch = in.batch(), h = shape_.kv_heads, d = shape_.head_dim;
    const i64 count = static_cast<i64>(pieces.size()), f = segment_.features().size();
    return {state.position,
            {Tensor({batch, in.tokens(), shape_.query_heads, d}),
             Tensor({batch, shape_.query_heads, in.tokens()}), Tensor({batch, h, count, f * d}),
             Tensor({batch, h, count, f}), segment_.rows_for(batch * h, count),
             segment_.rows_for(batch * h, count)}};
  }

  void remember(Tape& tape, std::size_t n, const Piece& piece, i64 b, i64 kv, const Memory& memory,
                const OpenSegment::Rows& held) const {
    const i64 at = static_cast<i64>(n);
    std::copy_n(memory.matrix, memory.f * memory.d,
                tape.tensors[kMemory].view<4>().row(b, kv, at).data());
    std::copy_n(memory.normalizer, memory.f,
                tape.tensors[kNormalizer].view<4>().row(b, kv, at).data());
    if (held.keys == &tape.tensors[kKeys]) return;  // they lie in the tape as it is
    segment_.copy(piece, held, rows_in(tape, b, kv, n));
  }

  OpenSegment::Rows rows_in(Tape& tape, i64 b, i64 kv, std::size_t n) const {
    return {&tape.tensors[kKeys], &tape.tensors[kValues], b * shape_.kv_heads + kv,
            static_cast<i64>(n)};
  }

  /// Everything one piece did, backwards: the write that closed its segment, then for each query
  /// head the mix, the local attention and the memory read; then its own keys' gradient is whole.
  /// The tape is only read: views of it serve gradients and values alike.
  void undo_piece(std::span<const float> gates, const Chunk& in, Tape& tape, std::size_t n,
                  const Piece& piece, i64 b, i64 kv, View<const float, 4> d_out, State& d_state,
                  const ChunkGrad& grad, double* d_gate) const {
    const i64 d = shape_.head_dim, at = static_cast<i64>(n);
    const auto kept = [&](std::size_t tensor) {
      return tape.tensors[tensor].view<4>().row(b, kv, at).data();
    };
    const Memory memory{kept(kMemory), kept(kNormalizer), segment_.features().size(), d};
    const OpenSegment::Rows held = rows_in(tape, b, kv, n);
    const Memory d_memory = memory_of(d_state, b, kv);
    OpenSegment::KeyGrads grads = segment_.key_grads(piece, n == 0, d_state, b, kv);
    if (piece.closes) {
      if (params_.bptt > 0 && (piece.segment + 1) % params_.bptt == 0) d_memory.clear();
      segment_.write_backward(held, params_.update, in.repeat(b, piece.last()), memory, d_memory,
                              grads.keys, grads.values);
    }
    const bool empty = memory.empty();
    const i64 group = shape_.group();
    Scratch d_local(static_cast<std::size_t>(group * piece.rows * d));
    const OpenSegment::Queries queries = segment_.queries_of(in, piece, b, kv, !empty);
    for (i64 g = 0; g < group; ++g) {
      const i64 h = kv * group + g;
      undo_mix(Gate(gates[h]), queries, g, tape, piece, b, h, memory, d_out, d_memory,
               &d_local[g * piece.rows * d], grad, d_gate[h]);
    }
    segment_.attend_backward(queries, piece, held,
                             segment_.outputs(tape.tensors[kLocal].view<4>(), piece, b, kv),
                             segment_.log_sums(tape.tensors[kLse], piece, b, kv),
                             View<const float, 3>(d_local.data(), {group, piece.rows, d}),
                             grads.keys, grads.values, b, kv, grad);
    segment_.give(grads, piece, b, kv, grad);
  }

  /// Equations (7) and (10) of one head; writes the gradient of A_dot to d_local [rows, D].
  void undo_mix(const Gate& gate, const OpenSegment::Queries& queries, i64 g, const Tape& tape,
                const Piece& piece, i64 b, i64 h, const Memory& memory, View<const float, 4> d_out,
                const Memory& d_memory, float* d_local, const ChunkGrad& grad,
                double& d_gate) const {
    const i64 d = shape_.head_dim, rows = piece.rows;
    const float* features = queries.features_of_head(g, memory.f);
    const bool empty = features == nullptr;
    const bool bypass = empty && params_.first_segment == FirstSegment::bypass;
    const View<const float, 2> da = one_head(d_out, b, h, piece.first, rows);
    kernels::scale_into(bypass ? 1 : gate.local, da, {d_local, {rows, d}});
    // The sum of dA . (A_mem - A_dot).
    double gate_sum =
        -kernels::dot_rows(da, one_head(tape.tensors[kLocal].view<4>(), b, h, piece.first, rows));
    if (!empty) {
      const Retrieval read(features, rows, memory);
      gate_sum += kernels::dot_rows(da, View<const float, 2>(read.values.data(), {rows, d}));
      Scratch d_memory_read(static_cast<std::size_t>(rows * d));
      kernels::scale_into(gate.memory, da, {d_memory_read.data(), {rows, d}});
      Floats d_features(static_cast<std::size_t>(rows * memory.f));
      read.backward(features, memory, std::move(d_memory_read), d_features.data(), d_memory);
      segment_.features_backward(queries, g, std::move(d_features), piece, b, h, grad);
    }
    if (!bypass) d_gate += static_cast<double>(gate.memory) * gate.local * gate_sum;
  }

  Params params_;
  Shape shape_;
  OpenSegment segment_;
};

const Registered<AttentionRegistry, Infini> registered{
    "infini", "local softmax plus a gated compressive memory (arXiv 2404.07143)"};

}  // namespace
}  // namespace longreach::attention
