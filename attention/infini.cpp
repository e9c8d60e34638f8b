// Infini-attention (Munkhdalai et al. 2024, arXiv 2404.07143v2): softmax attention inside a
// segment, mixed by a learned gate with a compressive memory of all segments before it. Equation
// numbers are the paper's; symbols too: M memory, z normalizer, sigma(x) = ELU(x) + 1.
// Longer than most files: forward and backward of one mechanism are read side by side.
#include <algorithm>
#include <cmath>

#include "attention/compressive_memory.h"
#include "attention/kernels/rowwise.h"
#include "attention/kernels/softmax.h"
#include "attention/reference.h"
#include "attention/rows.h"
#include "attention/segments.h"
#include "attention/tasks.h"
#include "core/vector_math.h"

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

/// g = sigmoid(beta) and 1 - g = sigmoid(-beta), each exact where the other rounds to 1.
struct Gate {
  explicit Gate(float beta) : memory(1 / (1 + std::exp(-beta))), local(1 / (1 + std::exp(beta))) {}
  float memory, local;
};

/// State: M and z, and the open segment's turned keys and its values. Segment borders lie at
/// absolute multiples of N, so how a stream is cut into calls cannot move them; local positions
/// restart in each segment, which is the same function and keeps angles small.
class Infini final : public Backend {
 public:
  struct Params {
    i64 segment = 64;
    Update update = Update::linear;
    FirstSegment first_segment = FirstSegment::gate;
    i64 bptt = 0;
    Element cache = Element::f32;
    std::optional<RopeParams> rope = RopeParams{};
    double gate_lr_scale = 10;
    bool gate_decay = false;
    double gate_initial = 0;
    void fields(Fields& f) {
      f("segment", segment, at_least(1, Unit::count), "tokens between writes to the memory");
      f("update", update, "how a segment is written: equation (8) or (9)");
      f("first_segment", first_segment, "while the memory is empty: (1 - g) A_dot, or A_dot");
      f("bptt", bptt, at_least(0),
        "cut the memory's gradient at every n-th segment border; 0 keeps it whole");
      f("cache", cache, "how the open segment's keys and values are stored; the memory is f32");
      f("rope", rope, "rotary positions inside the segment; the memory has none");
      f("gate_lr_scale", gate_lr_scale, at_least(0), "the gates' learning rate over the others'");
      f("gate_decay", gate_decay, "weight decay pulls the gates towards one half");
      f("gate_initial", gate_initial, between(-100, 100), "beta to begin with; g = sigmoid(beta)");
    }
  };

  Infini(const Params& params, const Shape& shape)
      : params_(params),
        shape_(shape),
        rope_(params.rope, shape.head_dim),
        unturned_(std::nullopt, shape.head_dim),
        angles_(rope_.angles(0, params.segment)) {
    validate(shape);
  }

  const Shape& shape() const override { return shape_; }
  double state_rounding() const override { return rounding_of(params_.cache); }

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
    const i64 h = shape_.kv_heads, d = shape_.head_dim;
    const std::vector<i64> segment{batch, h, params_.segment, d};
    return {0,
            {{"memory", Tensor({batch, h, d, d})},
             {"normalizer", Tensor({batch, h, d})},
             {"segment_keys", Tensor(segment, params_.cache)},
             {"segment_values", Tensor(segment, params_.cache)}},
            {}};
  }

  i64 state_bytes(i64) const override {
    const i64 d = shape_.head_dim;
    return shape_.kv_heads * (d * (d + 1) * bytes_of(Element::f32) +
                              2 * params_.segment * d * bytes_of(params_.cache));
  }

  void forward(std::span<const float> gates, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    const std::vector<Piece> pieces = cut(state.position, in.tokens());
    if (tape != nullptr) *tape = make_tape(in, state, pieces);
    const bool whole = std::ranges::any_of(pieces, &Piece::whole);
    i64 pairs = 0, reads = 0, writes = 0;
#pragma omp parallel reduction(+ : pairs, reads, writes) if (worth_threads(*this, in, state.position))
    {
      Room room(params_, shape_, whole && tape == nullptr);
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
          forget_closed_segments(pieces, b, kv, state);
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
    const std::vector<Piece> pieces = cut(tape.position, in.tokens());
    const i64 heads = shape_.query_heads;
    std::vector<double> d_gate(static_cast<std::size_t>(in.batch() * heads));
#pragma omp parallel if (worth_threads(*this, in, tape.position))
    for (std::size_t n = pieces.size(); n-- > 0;) {
#pragma omp for collapse(2) schedule(static) nowait
      for (i64 b = 0; b < in.batch(); ++b) {
        for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
          undo_piece(gates, in, tape, n, pieces[n], b, kv, d_out, d_state, grad,
                     &d_gate[b * heads]);
        }
      }
    }
    for (i64 h = 0; h < heads; ++h) {  // in a fixed order: same bits whatever the threads
      double sum = 0;
      for (i64 b = 0; b < in.batch(); ++b) sum += d_gate[b * heads + h];
      d_gates[h] += static_cast<float>(sum);
    }
    d_state.position = tape.position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 n = params_.segment, end = position + tokens;
    const auto local_pairs = [n](i64 t) { return t / n * (n * (n + 1) / 2) + sum_to(t % n); };
    const auto reads = [n](i64 t) { return std::max<i64>(0, t - n); };
    Cost cost;
    cost.activity = {tokens, local_pairs(end) - local_pairs(position), reads(end) - reads(position),
                     end / n - position / n};
    const double d = static_cast<double>(shape_.head_dim);
    const double q = static_cast<double>(shape_.query_heads);
    const double kv = static_cast<double>(shape_.kv_heads);
    const double pairs = static_cast<double>(cost.activity.keys_scored);
    const double read = static_cast<double>(cost.activity.memory_reads);
    const double written = static_cast<double>(cost.activity.compressions * n);
    const double retrieve = 2 * d * d + 3 * d;  // sigma(x) M, sigma(x) z, the division
    // The very first segment meets an empty memory, where the delta rule has nothing to retrieve.
    const i64 first_write = position < n && end >= n ? 1 : 0;
    const double corrected =
        params_.update == Update::delta ? written - static_cast<double>(first_write * n) : 0;
    cost.flops = q * (pairs * (4 * d + 1) + read * (retrieve + 2 * d)) +
                 kv * (written * (2 * d * d + 2 * d) + corrected * (retrieve + d));
    cost.bytes_moved =
        kv * (static_cast<double>(bytes_of(params_.cache)) * (pairs + static_cast<double>(tokens)) *
                  2 * d +
              sizeof(float) * (read + 2 * static_cast<double>(cost.activity.compressions)) * d *
                  (d + 1));
    return cost;
  }

  std::vector<double> reference(std::span<const double> gates,
                                const ReferenceStream& in) const override {
    return reference_infini(
        shape_, {params_.segment, params_.update, params_.first_segment == FirstSegment::bypass},
        gates, in, rope_);
  }

 private:
  static i64 sum_to(i64 n) { return n * (n + 1) / 2; }

  std::vector<Piece> cut(i64 position, i64 tokens) const {
    return cut_at_segments(position, tokens, params_.segment);
  }

  Memory memory_of(State& state, i64 b, i64 kv) const {
    return {state["memory"].view<4>().row(b, kv, 0).data(),
            state["normalizer"].view<3>().row(b, kv).data(), shape_.head_dim};
  }

  /// A thread's own rows for a segment that a call brings whole: they need not pass through the
  /// state, whose rows for all heads no cache would hold.
  struct Room {
    Room(const Params& params, const Shape& shape, bool wanted)
        : keys(Tensor::unset({1, 1, wanted ? params.segment : 0, shape.head_dim}, params.cache)),
          values(Tensor::unset(keys.shape(), params.cache)) {}
    Tensor keys, values;
  };

  /// Where the turned keys and the values of a segment lie: row (b, h) of two caches.
  struct Rows {
    Tensor *keys, *values;
    i64 b, h;
    const char* key() const { return cache_row(*keys, b, h, 0); }
    const char* value() const { return cache_row(*values, b, h, 0); }
  };
  Rows rows_for(const Piece& piece, std::size_t n, i64 b, i64 kv, State& state, Tape* tape,
                Room& room) const {
    if (!piece.whole()) return {&state["segment_keys"], &state["segment_values"], b, kv};
    if (tape == nullptr) return {&room.keys, &room.values, 0, 0};
    return {&tape->tensors[kKeys], &tape->tensors[kValues], b * shape_.kv_heads + kv,
            static_cast<i64>(n)};
  }

  /// Everything one piece does for the query heads of a key/value head; returns the work done for
  /// all of them.
  Activity forward_piece(std::span<const float> gates, const Chunk& in, State& state,
                         View<float, 4> out, Tape* tape, std::size_t n, const Piece& piece, i64 b,
                         i64 kv, Room& room) const {
    const Memory memory = memory_of(state, b, kv);
    const Rows held = rows_for(piece, n, b, kv, state, tape, room);
    gather_into(in.k, b, kv, piece.first, piece.rows, rope_, angles_, piece.place, *held.keys,
                held.b, held.h, piece.place);
    gather_into(in.v, b, kv, piece.first, piece.rows, unturned_, angles_, 0, *held.values, held.b,
                held.h, piece.place);
    if (tape != nullptr) remember(*tape, n, piece, b, kv, memory, held);
    const bool empty = memory.empty();
    const Queries queries = queries_of(in, piece, b, kv, !empty);
    Scratch room_for_local;
    const View<float, 3> local = local_rows(piece, b, kv, tape, room_for_local);
    Activity done;
    done.keys_scored = attend_locally(queries, in, piece, b, kv, held, local, tape);
    for (i64 g = 0; g < shape_.group(); ++g) {
      const i64 h = kv * shape_.group() + g;
      mix(queries.features_of_head(g), local.slice(0, g, 1), piece, Gate(gates[h]), memory,
          one_head(out, b, h, piece.first, piece.rows));
      if (!empty) done.memory_reads += piece.rows;
    }
    if (!piece.closes) return done;
    Scratch widened;
    const Scratch features = key_features(segment_rows(*held.keys, held.b, held.h, widened));
    write(features.data(), segment_rows(*held.values, held.b, held.h, widened), params_.segment,
          params_.update, in.repeat(b, piece.last()), memory);
    done.compressions = 1;
    return done;
  }

  kernels::Problem local_problem(const Piece& piece, View<const float, 3> queries, const char* keys,
                                 const char* values) const {
    return {.queries = queries,
            .sink_queries = {},
            .position = piece.place,
            .recent = {keys, values, params_.cache, 0, piece.end()}};
  }

  /// The queries of a group in a piece, [G, rows, D] each.
  struct Queries {
    Scratch turned;
    Scratch features;  ///< sigma of them unturned, as the memory knows no positions; or empty
    i64 head_size;     ///< rows * D
    const float* features_of_head(i64 g) const {
      return features.empty() ? nullptr : features.data() + g * head_size;
    }
  };
  Queries queries_of(const Chunk& in, const Piece& piece, i64 b, i64 kv, bool features) const {
    const i64 d = shape_.head_dim, group = shape_.group(), size = piece.rows * d;
    Queries queries{Scratch(static_cast<std::size_t>(group * size)),
                    Scratch(static_cast<std::size_t>(features ? group * size : 0)), size};
    for (i64 g = 0; g < group; ++g) {
      const View<const float, 2> rows = one_head(in.q, b, kv * group + g, piece.first, piece.rows);
      const View<float, 2> turned(&queries.turned[g * size], {piece.rows, d});
      if (features) {
        rope_.turn_with_features(angles_, piece.place, rows, turned, &queries.features[g * size]);
      } else {
        rope_.turn(angles_, piece.place, rows, turned, Turn::forward);
      }
    }
    return queries;
  }

  /// Where A_dot of a group goes, [G, rows, D]: to the tape, else into `room`.
  View<float, 3> local_rows(const Piece& piece, i64 b, i64 kv, Tape* tape, Scratch& room) const {
    const i64 d = shape_.head_dim, group = shape_.group();
    if (tape != nullptr) {
      return head_rows(tape->tensors[kLocal].view<4>(), b, kv * group, group, piece.first,
                       piece.rows);
    }
    room.resize(static_cast<std::size_t>(group * piece.rows * d));
    return {room.data(), {group, piece.rows, d}};
  }

  /// (6) A_dot of a group into `local`; returns the pairs scored.
  i64 attend_locally(const Queries& queries, const Chunk& in, const Piece& piece, i64 b, i64 kv,
                     const Rows& held, View<float, 3> local, Tape* tape) const {
    const i64 group = shape_.group();
    View<float, 2> lse;
    if (tape != nullptr) {
      lse = {tape->tensors[kLse].view<3>().row(b, kv * group).data() + piece.first,
             {group, piece.rows},
             {in.tokens(), 1}};
    }
    const View<const float, 3> turned(queries.turned.data(), {group, piece.rows, shape_.head_dim});
    return kernels::forward(local_problem(piece, turned, held.key(), held.value()), local, lse);
  }

  /// The whole open segment as floats, [segment, D]: as it lies, or widened into `room`.
  const float* segment_rows(const Tensor& cache, i64 b, i64 kv, Scratch& room) const {
    if (cache.element() == Element::f32) {
      return reinterpret_cast<const float*>(cache_row(cache, b, kv, 0));
    }
    room.resize(static_cast<std::size_t>(params_.segment * shape_.head_dim));
    load_rows(cache, b, kv, 0, params_.segment, room.data());
    return room.data();
  }

  /// What lies behind the open segment's last token is left from segments that are in the memory
  /// by now: the state holds zeros there.
  void forget_closed_segments(const std::vector<Piece>& pieces, i64 b, i64 kv, State& state) const {
    if (std::ranges::none_of(pieces, &Piece::closes)) return;
    const i64 kept = pieces.back().closes ? 0 : pieces.back().end();
    const i64 bytes = (params_.segment - kept) * shape_.head_dim * bytes_of(params_.cache);
    for (const char* name : {"segment_keys", "segment_values"}) {
      std::fill_n(cache_row(state[name], b, kv, kept), bytes, char{0});
    }
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

  /// sigma of a whole segment's keys, turned back first.
  Scratch key_features(const float* turned_keys) const {
    const i64 n = params_.segment, d = shape_.head_dim;
    Scratch features(static_cast<std::size_t>(n * d));
    rope_.features_of_turned(angles_, 0, View<const float, 2>(turned_keys, {n, d}),
                             features.data());
    return features;
  }

  /// Gradient of folding a closed segment into the memory: d_memory becomes that of the memory
  /// before; adds to d_keys (turned) and d_values.
  void write_backward(const float* turned_keys, const float* values, float times,
                      const Memory& memory, const Memory& d_memory, float* d_keys,
                      float* d_values) const {
    const i64 n = params_.segment, d = shape_.head_dim;
    const Scratch features = key_features(turned_keys);
    Floats d_features(features.size());
    attention::write_backward(features.data(), values, n, params_.update, times, memory, d_memory,
                              d_features.data(), d_values);
    elu1_backward(features.data(), d_features.data(), n * d);
    const View<float, 2> rows(d_features.data(), {n, d});
    rope_.turn(angles_, 0, rows, rows, Turn::forward);
    add_scaled(1, d_features.data(), d_keys, n * d);
  }

  // The tape: A_dot and its log-sum-exp for every token; for every piece the memory before it and
  // its segment's rows up to its end.
  enum : std::size_t { kLocal, kLse, kMemory, kNormalizer, kKeys, kValues };

  Tape make_tape(const Chunk& in, const State& state, const std::vector<Piece>& pieces) const {
    const i64 batch = in.batch(), h = shape_.kv_heads, d = shape_.head_dim;
    const i64 count = static_cast<i64>(pieces.size()), n = params_.segment;
    return {state.position,
            {Tensor({batch, in.tokens(), shape_.query_heads, d}),
             Tensor({batch, shape_.query_heads, in.tokens()}), Tensor({batch, h, count, d * d}),
             Tensor({batch, h, count, d}), Tensor({batch * h, count, n, d}, params_.cache),
             Tensor({batch * h, count, n, d}, params_.cache)}};
  }

  void remember(Tape& tape, std::size_t n, const Piece& piece, i64 b, i64 kv, const Memory& memory,
                const Rows& held) const {
    const i64 d = shape_.head_dim, at = static_cast<i64>(n);
    std::copy_n(memory.matrix, d * d, tape.tensors[kMemory].view<4>().row(b, kv, at).data());
    std::copy_n(memory.normalizer, d, tape.tensors[kNormalizer].view<4>().row(b, kv, at).data());
    if (held.keys == &tape.tensors[kKeys]) return;  // they lie in the tape as it is
    const i64 bytes = piece.end() * d * bytes_of(params_.cache);
    const i64 head = b * shape_.kv_heads + kv;
    std::copy_n(held.key(), bytes, cache_row(tape.tensors[kKeys], head, at, 0));
    std::copy_n(held.value(), bytes, cache_row(tape.tensors[kValues], head, at, 0));
  }

  /// Everything one piece did, backwards: the write that closed its segment, then for each query
  /// head the mix, the local attention and the memory read; then its own keys' gradient is whole.
  void undo_piece(std::span<const float> gates, const Chunk& in, const Tape& tape, std::size_t n,
                  const Piece& piece, i64 b, i64 kv, View<const float, 4> d_out, State& d_state,
                  const ChunkGrad& grad, double* d_gate) const {
    const i64 d = shape_.head_dim, at = static_cast<i64>(n);
    const auto kept = [&](std::size_t tensor) {
      // Memory's pointers are for reading here; it serves gradients and values alike.
      return const_cast<float*>(tape.tensors[tensor].view<4>().row(b, kv, at).data());
    };
    const Memory memory{kept(kMemory), kept(kNormalizer), d};
    const Tensor &keys = tape.tensors[kKeys], &values = tape.tensors[kValues];
    const i64 head = b * shape_.kv_heads + kv;
    const Memory d_memory = memory_of(d_state, b, kv);
    float* d_keys = d_state["segment_keys"].view<4>().row(b, kv, 0).data();
    float* d_values = d_state["segment_values"].view<4>().row(b, kv, 0).data();
    const i64 size = params_.segment * d;
    if (piece.closes && (!piece.whole() || n == 0)) {  // what the state held was cleared
      std::fill_n(d_keys, size, 0.0f);
      std::fill_n(d_values, size, 0.0f);
    }
    Floats own(static_cast<std::size_t>(piece.whole() ? 2 * size : 0));
    if (piece.whole()) {  // never was in the state
      d_keys = own.data();
      d_values = own.data() + size;
    }
    if (piece.closes) {
      if (params_.bptt > 0 && (piece.segment + 1) % params_.bptt == 0) d_memory.clear();
      Scratch key_room, value_room;
      write_backward(segment_rows(keys, head, at, key_room),
                     segment_rows(values, head, at, value_room), in.repeat(b, piece.last()), memory,
                     d_memory, d_keys, d_values);
    }
    const bool empty = memory.empty();
    const i64 group = shape_.group();
    Scratch d_local(static_cast<std::size_t>(group * piece.rows * d));
    const Queries queries = queries_of(in, piece, b, kv, !empty);
    for (i64 g = 0; g < group; ++g) {
      const i64 h = kv * group + g;
      undo_mix(Gate(gates[h]), queries.features_of_head(g), tape, piece, b, h, memory, d_out,
               d_memory, &d_local[g * piece.rows * d], grad, d_gate[h]);
    }
    undo_local(queries, in.tokens(), tape, piece, b, kv, cache_row(keys, head, at, 0),
               cache_row(values, head, at, 0), d_local, d_keys, d_values, grad);
    hand_over(d_keys + piece.place * d, piece.rows, rope_, angles_, piece.place, grad.k, b, kv,
              piece.first);
    hand_over(d_values + piece.place * d, piece.rows, unturned_, angles_, 0, grad.v, b, kv,
              piece.first);
  }

  /// Equations (7) and (10) of one head; writes the gradient of A_dot to d_local [rows, D].
  void undo_mix(const Gate& gate, const float* features, const Tape& tape, const Piece& piece,
                i64 b, i64 h, const Memory& memory, View<const float, 4> d_out,
                const Memory& d_memory, float* d_local, const ChunkGrad& grad,
                double& d_gate) const {
    const i64 d = shape_.head_dim, rows = piece.rows;
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
      Floats d_features(static_cast<std::size_t>(rows * d));
      read.backward(features, memory, std::move(d_memory_read), d_features.data(), d_memory);
      elu1_backward(features, d_features.data(), rows * d);
      const View<float, 2> dq = one_head(grad.q, b, h, piece.first, rows);
      kernels::blend(1, dq, 1, d_features.data(), dq);
    }
    if (!bypass) d_gate += static_cast<double>(gate.memory) * gate.local * gate_sum;
  }

  /// Equation (6) of a group.
  void undo_local(const Queries& queries, i64 tokens, const Tape& tape, const Piece& piece, i64 b,
                  i64 kv, const char* keys, const char* values, const Scratch& d_local,
                  float* d_keys, float* d_values, const ChunkGrad& grad) const {
    const i64 d = shape_.head_dim, group = shape_.group(), h = kv * group, rows = piece.rows;
    const std::array<i64, 3> extents{group, rows, d};
    Floats d_queries(queries.turned.size());
    const View<const float, 2> lse(tape.tensors[kLse].view<3>().row(b, h).data() + piece.first,
                                   {group, rows}, {tokens, 1});
    kernels::backward(
        local_problem(piece, View<const float, 3>(queries.turned.data(), extents), keys, values),
        head_rows(tape.tensors[kLocal].view<4>(), b, h, group, piece.first, rows), lse,
        View<const float, 3>(d_local.data(), extents),
        {.queries = View<float, 3>(d_queries.data(), extents),
         .sink_queries = {},
         .recent_keys = d_keys,
         .recent_values = d_values});
    for (i64 g = 0; g < group; ++g) {
      hand_over(&d_queries[g * rows * d], rows, rope_, angles_, piece.place, grad.q, b, h + g,
                piece.first);
    }
  }

  Params params_;
  Shape shape_;
  Rope rope_, unturned_;
  Rope::Angles angles_;  // of places [0, segment)
};

const Registered<AttentionRegistry, Infini> registered{
    "infini", "local softmax plus a gated compressive memory (arXiv 2404.07143)"};

}  // namespace
}  // namespace longreach::attention
