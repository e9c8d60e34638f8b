// Infini-attention that keeps some past segments whole: those that recent queries ask for and that
// earned attention so far; the others are folded into its compressive memory.
// Longer than most files: forward and backward of one mechanism are read side by side.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "attention/inspection.h"
#include "attention/kept_segments.h"
#include "attention/kernels/rowwise.h"
#include "attention/open_segment.h"
#include "attention/reference.h"
#include "attention/rows.h"
#include "attention/tasks.h"
#include "core/vector_math.h"

namespace longreach::attention {
namespace {

/// A = g A_mem + (1 - g) A_soft, and A_soft alone while the memory is empty. A_soft is one softmax
/// over the open segment and n kept ones, which a query meets as if each were the segment before
/// its own: their keys stand at places 0 to N - 1, it at N and more. Borders alone change what is
/// kept, at absolute positions; no gradient flows through that choice. A closing segment competes
/// with the mean mass of the others.
///
/// State: as Infini's; the kept keys and values, oldest first; and what choices depend on: mean
/// keys and running masses of kept segments, masses since the last border, the sum of queries
/// since.
class Adaptive final : public Backend {
 public:
  struct Params {
    OpenSegment::Params segment{};
    i64 kept = 4;
    bool relevance = true, feedback = true;
    Update update = Update::linear;
    double gate_lr_scale = 10;
    double gate_initial = 0;
    void fields(Fields& f) {
      segment.fields(f);
      f("kept", kept, at_least(1, Unit::count), "n, past segments kept whole");
      f("relevance", relevance, "segments whose keys recent queries ask for are worth keeping");
      f("feedback", feedback, "segments that got attention are worth keeping");
      f("update", update, "how a segment is folded into the memory");
      f("gate_lr_scale", gate_lr_scale, at_least(0), "the gates' learning rate over the others'");
      f("gate_initial", gate_initial, between(-100, 100), "beta to begin with; g = sigmoid(beta)");
    }
  };

  Adaptive(const Params& params, const Shape& shape)
      : params_(params),
        shape_(shape),
        segment_(params.segment, shape),
        far_angles_(segment_.rope().angles(segment_.length(), segment_.length())) {}

  const Shape& shape() const override { return shape_; }
  double state_rounding() const override { return segment_.rounding(); }
  std::vector<WeightSpec> weights() const override {
    return {{"gate",
             {shape_.query_heads},
             static_cast<float>(params_.gate_initial),
             params_.gate_lr_scale,
             false}};
  }
  std::vector<std::string> statistics() const override {
    return {"mean_keys", "masses", "open_masses", "query_sum"};
  }

  State initial_state(i64 batch, i64) const override {
    const i64 h = shape_.kv_heads, d = shape_.head_dim, f = segment_.features().size();
    const i64 n = params_.kept;
    const std::vector<i64> whole{batch, h * n, segment_.length(), d};
    State state{0,
                {{"memory", Tensor({batch, h, f, d})},
                 {"normalizer", Tensor({batch, h, f})},
                 {"kept_keys", Tensor(whole, params_.segment.cache)},
                 {"kept_values", Tensor(whole, params_.segment.cache)},
                 {"mean_keys", Tensor({batch, h, n, d})},
                 {"masses", Tensor({batch, h, n})},
                 {"open_masses", Tensor({batch, h, n})},
                 {"query_sum", Tensor({batch, h, d})}},
                {}};
    segment_.add_to(state, batch);
    return state;
  }

  i64 state_bytes(i64) const override {
    const i64 d = shape_.head_dim, f = segment_.features().size(), n = params_.kept;
    const i64 floats = f * (d + 1) + n * (d + 2) + d;
    return shape_.kv_heads * (floats * bytes_of(Element::f32) + (n + 1) * segment_.bytes());
  }

  /// Of the memory as it was before the chunk, and the gates; of the softmaxes nothing.
  std::vector<Observation> inspect(std::span<const float> gates, const Chunk& in,
                                   const State& before) const override {
    std::vector<Observation> all = memory_observations(before["memory"].view<4>());
    all.push_back(gate_observation(gates, in.batch()));
    return all;
  }
  std::vector<KnockOut> knock_outs(std::span<const float>) const override {
    return gate_knock_outs(shape_.query_heads);
  }

  void forward(std::span<const float> gates, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    const std::vector<Piece> pieces = segment_.cut(state.position, in.tokens());
    if (tape != nullptr) *tape = make_tape(in, state, std::ssize(pieces));
    i64 pairs = 0, reads = 0, writes = 0, evictions = 0;
#pragma omp parallel for collapse(2) schedule(static) reduction(+ : pairs, reads, writes, evictions) if (worth_threads(*this, in, state.position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        for (std::size_t n = 0; n < pieces.size(); ++n) {
          const Activity done = forward_piece(gates, in, state, out, tape, n, pieces[n], b, kv);
          pairs += done.keys_scored, reads += done.memory_reads, writes += done.compressions;
          evictions += done.evictions;
        }
        segment_.forget_closed(pieces, b, kv, state);
      }
    }
    state.position += in.tokens();
    const i64 heads = in.batch() * shape_.query_heads, memories = in.batch() * shape_.kv_heads;
    state.activity += {.tokens = in.tokens(),
                       .keys_scored = pairs / heads,
                       .memory_reads = reads / heads,
                       .compressions = writes / memories,
                       .evictions = evictions / memories};
  }

  void backward(std::span<const float> gates, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float> d_gates) const override {
    const i64 heads = shape_.query_heads;
    std::vector<double> d_gate(static_cast<std::size_t>(in.batch() * heads));
#pragma omp parallel for collapse(2) schedule(static) if (worth_threads(*this, in, tape.position))
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 kv = 0; kv < shape_.kv_heads; ++kv) {
        undo_head(gates, in, const_cast<Tape&>(tape), b, kv, d_out, d_state, grad,
                  &d_gate[b * heads]);
      }
    }
    add_over_streams(d_gate, in.batch(), d_gates);
    d_state.position = tape.position;
  }

  Cost cost(i64 position, i64 tokens) const override {
    const i64 n = segment_.length(), kept = params_.kept, end = position + tokens;
    const auto kept_before = [&](i64 t) {  // the sum of min(kept, s) over tokens of segments s
      const i64 s = t / n, full = std::max<i64>(0, s - kept), rising = s - full;
      return n * (rising * (rising - 1) / 2 + full * kept) + t % n * std::min(kept, s);
    };
    const auto parts_before = [&](i64 t) { return t + kept_before(t); };
    const auto pairs_before = [&](i64 t) { return segment_.pairs_before(t) + n * kept_before(t); };
    const auto folded = [&](i64 t) { return std::max<i64>(0, t / n - kept); };
    const auto reads = [&](i64 t) { return std::max<i64>(0, t - (kept + 1) * n); };
    Cost cost;
    cost.activity = {.tokens = tokens,
                     .keys_scored = pairs_before(end) - pairs_before(position),
                     .memory_reads = reads(end) - reads(position),
                     .compressions = folded(end) - folded(position),
                     .evictions = folded(end) - folded(position)};
    const double d = static_cast<double>(shape_.head_dim);
    const double f = static_cast<double>(segment_.features().size());
    const double q = static_cast<double>(shape_.query_heads);
    const double kv = static_cast<double>(shape_.kv_heads);
    const double pairs = static_cast<double>(cost.activity.keys_scored);
    const double read = static_cast<double>(cost.activity.memory_reads);
    const double writes = static_cast<double>(cost.activity.compressions);
    const double written = writes * static_cast<double>(n);
    const double map = segment_.features().flops(), retrieve = 2 * f * d + 2 * f + d;
    const bool delta = params_.update == Update::delta;
    // The first write meets an empty memory, where the delta rule has nothing to retrieve.
    const double first = folded(position) == 0 && folded(end) > 0 ? static_cast<double>(n) : 0;
    // Each segment's softmax is a part of a query's, to be weighed; a border makes a mean key, and
    // moves the segments younger than the one that went: half of those kept, say.
    const double parts = static_cast<double>(parts_before(end) - parts_before(position));
    const double borders = static_cast<double>(end / n - position / n);
    cost.flops =
        q * (pairs * (4 * d + 1) + parts * (2 * d + 2) + static_cast<double>(tokens) * d +
             read * (map + retrieve + 2 * d)) +
        kv * (written * (map + 2 * f * d + 2 * f) + (delta ? written - first : 0) * (retrieve + d) +
              borders * static_cast<double>(n) * d + writes * static_cast<double>(kept) * 2 * d);
    const double row = static_cast<double>(segment_.bytes() / n);
    cost.bytes_moved = kv * ((pairs + static_cast<double>(tokens)) * row +
                             writes * static_cast<double>(kept * n) * row +
                             sizeof(float) * (read + 2 * writes) * f * (d + 1));
    return cost;
  }

  std::vector<double> reference(std::span<const double> gates,
                                const ReferenceStream& in) const override {
    return reference_adaptive(shape_,
                              {segment_.length(), params_.kept, params_.relevance, params_.feedback,
                               params_.update, params_.segment.cache},
                              gates, in, segment_.rope(), segment_.features());
  }

 private:
  enum : std::size_t { kSoft, kLse, kMemory, kKeys, kValues, kFirstKeys, kFirstValues, kEvicted };

  i64 kept_at(i64 segment) const { return std::min(segment, params_.kept); }
  bool memory_at(i64 segment) const { return segment > params_.kept; }

  Memory memory_of(State& state, i64 b, i64 kv) const {
    return {state["memory"].view<4>().row(b, kv, 0).data(),
            state["normalizer"].view<3>().row(b, kv).data(), segment_.features().size(),
            shape_.head_dim};
  }
  OpenSegment::Rows kept_rows(State& state, i64 b, i64 kv, i64 slot) const {
    return {&state["kept_keys"], &state["kept_values"], b, kv * params_.kept + slot};
  }
  OpenSegment::Rows piece_rows(Tape& tape, i64 b, i64 kv, std::size_t n) const {
    return {&tape.tensors[kKeys], &tape.tensors[kValues], b * shape_.kv_heads + kv,
            static_cast<i64>(n)};
  }

  /// A_soft and its log-sum-exp; the memory before each piece and the rows of its segment; what was
  /// kept before the call; and at each border the place of the one that went, -1 for none.
  Tape make_tape(const Chunk& in, const State& state, i64 pieces) const {
    const i64 batch = in.batch(), h = shape_.kv_heads, d = shape_.head_dim;
    Tensor evicted({batch, h, pieces});
    for (float& x : evicted.flat()) x = -1;
    return {state.position,
            {Tensor::unset({batch, in.tokens(), shape_.query_heads, d}),
             Tensor::unset({batch, shape_.query_heads, in.tokens()}),
             Tensor::unset({batch, h, pieces, segment_.features().size() * (d + 1)}),
             segment_.rows_for(batch * h, pieces), segment_.rows_for(batch * h, pieces),
             state["kept_keys"], state["kept_values"], std::move(evicted)}};
  }

  /// Queries of a group as they meet kept segments, [G, rows, D].
  Scratch far_queries(const Chunk& in, const Piece& piece, i64 b, i64 kv) const {
    const i64 group = shape_.group(), d = shape_.head_dim;
    Scratch turned(static_cast<std::size_t>(group * piece.rows * d));
    gather_group(in.q, b, kv * group, piece.first, segment_.rope(), far_angles_, piece.place,
                 View<float, 3>(turned.data(), {group, piece.rows, d}));
    return turned;
  }
  /// They see all of the segment's keys.
  kernels::Problem far_problem(const Scratch& queries, const Piece& piece,
                               const OpenSegment::Rows& kept) const {
    const i64 n = segment_.length();
    return {.queries =
                View<const float, 3>(queries.data(), {shape_.group(), piece.rows, shape_.head_dim}),
            .sink_queries = {},
            .position = n,
            .recent = {kept.key(), kept.value(), params_.segment.cache, 0, n}};
  }

  Activity forward_piece(std::span<const float> gates, const Chunk& in, State& state,
                         View<float, 4> out, Tape* tape, std::size_t n, const Piece& piece, i64 b,
                         i64 kv) const {
    const i64 d = shape_.head_dim, group = shape_.group(), rows = piece.rows;
    const OpenSegment::Rows held = segment_.held_by(state, b, kv);
    const Memory memory = memory_of(state, b, kv);
    segment_.take(in, piece, b, kv, held);
    if (tape != nullptr) {
      segment_.copy(piece, held, piece_rows(*tape, b, kv, n));
      float* to = tape->tensors[kMemory].view<4>().row(b, kv, static_cast<i64>(n)).data();
      std::copy_n(memory.matrix, memory.f * d, to);
      std::copy_n(memory.normalizer, memory.f, to + memory.f * d);
    }
    const bool remembers = memory_at(piece.segment);
    const OpenSegment::Queries queries = segment_.queries_of(in, piece, b, kv, remembers);
    Scratch soft(static_cast<std::size_t>(group * rows * d));
    Scratch lse(static_cast<std::size_t>(group * rows));
    Activity done;
    done.keys_scored =
        attend(queries, far_queries(in, piece, b, kv), piece, state, b, kv, soft, lse);
    for (i64 g = 0; g < group; ++g) {
      const i64 h = kv * group + g;
      const View<float, 2> to = one_head(out, b, h, piece.first, rows);
      const View<const float, 2> own(&soft[g * rows * d], {rows, d});
      if (tape != nullptr) {
        kernels::copy_rows(own, one_head(tape->tensors[kSoft].view<4>(), b, h, piece.first, rows));
        std::copy_n(&lse[g * rows], rows, &tape->tensors[kLse].view<3>()(b, h, piece.first));
      }
      if (!remembers) {
        kernels::copy_rows(own, to);
        continue;
      }
      const Retrieval read(queries.features_of_head(g, memory.f), rows, memory);
      const Gate gate(gates[h]);
      kernels::blend(gate.local, own, gate.memory, read.values.data(), to);
      done.memory_reads += rows;
    }
    add_queries(in, piece, b, kv, state);
    if (!piece.closes) return done;
    const i64 evicted = close(in.repeat(b, piece.last()), piece, state, b, kv, done);
    if (tape != nullptr) {
      tape->tensors[kEvicted].view<3>()(b, kv, static_cast<i64>(n)) = static_cast<float>(evicted);
    }
    return done;
  }

  /// A_soft [G, rows, D] and its log-sum-exp [G, rows]: each segment's own softmax, then their
  /// mixture, whose weights are the masses that the kept ones earn. Returns the pairs scored.
  i64 attend(const OpenSegment::Queries& queries, const Scratch& far, const Piece& piece,
             State& state, i64 b, i64 kv, Scratch& soft, Scratch& lse) const {
    const i64 d = shape_.head_dim, group = shape_.group(), rows = piece.rows;
    const i64 kept = kept_at(piece.segment), size = group * rows;
    Scratch outs(static_cast<std::size_t>((kept + 1) * size * d));
    Scratch sums(static_cast<std::size_t>((kept + 1) * size));
    const auto out_of = [&](i64 c) {
      return View<float, 3>(&outs[c * size * d], {group, rows, d});
    };
    const auto sum_of = [&](i64 c) { return View<float, 2>(&sums[c * size], {group, rows}); };
    i64 pairs =
        segment_.attend(queries, piece, segment_.held_by(state, b, kv), out_of(kept), sum_of(kept));
    for (i64 c = 0; c < kept; ++c) {
      pairs += kernels::forward(far_problem(far, piece, kept_rows(state, b, kv, c)), out_of(c),
                                sum_of(c));
    }
    const auto earned = state["open_masses"].view<3>().row(b, kv);
    std::vector<float> weights(static_cast<std::size_t>(kept + 1));
    for (i64 r = 0; r < rows; ++r) {  // token by token: masses do not depend on how calls are cut
      for (i64 g = 0; g < group; ++g) {
        const i64 at = g * rows + r;
        float top = sums[at], total = 0;
        for (i64 c = 1; c <= kept; ++c) top = std::max(top, sums[c * size + at]);
        for (i64 c = 0; c <= kept; ++c) total += weights[c] = std::exp(sums[c * size + at] - top);
        lse[at] = top + std::log(total);
        float* to = &soft[at * d];
        std::fill_n(to, d, 0.0f);
        for (i64 c = 0; c <= kept; ++c) {
          const float share = weights[c] / total;
          add_scaled(share, &outs[(c * size + at) * d], to, d);
          if (c < kept) earned[c] += share / static_cast<float>(group);
        }
      }
    }
    return pairs;
  }

  void add_queries(const Chunk& in, const Piece& piece, i64 b, i64 kv, State& state) const {
    float* sum = state["query_sum"].view<3>().row(b, kv).data();
    for (i64 t = piece.first; t <= piece.last(); ++t) {
      for (i64 g = 0; g < shape_.group(); ++g) {
        add_scaled(1, in.q.row(b, t, kv * shape_.group() + g).data(), sum, shape_.head_dim);
      }
    }
  }

  /// The open segment has closed: it joins those kept, and when they are full one of all goes into
  /// the memory. Returns its place, oldest first and the closing one last, or -1; adds to `done`.
  i64 close(float times, const Piece& piece, State& state, i64 b, i64 kv, Activity& done) const {
    const i64 d = shape_.head_dim, n = segment_.length(), most = params_.kept;
    const i64 kept = kept_at(piece.segment);
    const OpenSegment::Rows closing = segment_.held_by(state, b, kv);
    const auto masses = state["masses"].view<3>().row(b, kv);
    const auto earned = state["open_masses"].view<3>().row(b, kv);
    const auto query_sum = state["query_sum"].view<3>().row(b, kv);
    const View<float, 4> mean_keys = state["mean_keys"].view<4>();
    for (i64 c = 0; c < kept; ++c) {
      masses[c] = running_mass(masses[c], earned[c] / static_cast<float>(n));
    }
    const Scratch mean = mean_key(closing);
    const float newcomer =
        kept == 0 ? 1.0f
                  : std::accumulate(&masses[0], &masses[0] + kept, 0.0f) / static_cast<float>(kept);
    i64 evicted = -1;
    if (kept == most) {
      const double scale = 1 / (static_cast<double>(n * shape_.group()) * std::sqrt(d));
      std::vector<Candidate> candidates;
      for (i64 c = 0; c <= most; ++c) {
        const float* key = c < most ? mean_keys.row(b, kv, c).data() : mean.data();
        candidates.push_back({scale * static_cast<double>(dot(query_sum.data(), key, d)),
                              c < most ? masses[c] : newcomer});
      }
      evicted = least_worth(candidates, params_.relevance, params_.feedback);
      ++done.evictions;
      segment_.write(evicted < most ? kept_rows(state, b, kv, evicted) : closing, params_.update,
                     times, memory_of(state, b, kv));
      ++done.compressions;
      for (i64 c = evicted; c + 1 < most; ++c) {  // the younger ones move up
        segment_.copy(piece, kept_rows(state, b, kv, c + 1), kept_rows(state, b, kv, c));
        std::ranges::copy(mean_keys.row(b, kv, c + 1), mean_keys.row(b, kv, c).begin());
        masses[c] = masses[c + 1];
      }
    }
    if (evicted != most) {
      const i64 slot = std::min(kept, most - 1);
      segment_.copy(piece, closing, kept_rows(state, b, kv, slot));
      std::ranges::copy(mean, mean_keys.row(b, kv, slot).begin());
      masses[slot] = newcomer;
    }
    std::ranges::fill(earned, 0.0f);
    std::ranges::fill(query_sum, 0.0f);
    return evicted;
  }

  /// Of a whole segment, unturned.
  Scratch mean_key(const OpenSegment::Rows& rows) const {
    const i64 d = shape_.head_dim, n = segment_.length();
    Scratch room;
    const Scratch keys = segment_.unturned(segment_.floats(*rows.keys, rows.b, rows.h, room));
    Scratch mean(static_cast<std::size_t>(d), 0.0f);
    for (i64 i = 0; i < n; ++i) add_scaled(1, &keys[i * d], mean.data(), d);
    scale(1 / static_cast<float>(n), mean.data(), d);
    return mean;
  }

  // Backward. A segment that some piece of the call could see whole is an *entry*: 0 to n - 1 those
  // kept before the call, n + i the one that piece i closed.

  /// The entries kept while each piece is read, and after the last.
  std::vector<std::vector<i64>> kept_entries(const Tape& tape, const std::vector<Piece>& pieces,
                                             i64 b, i64 kv) const {
    std::vector<i64> now(static_cast<std::size_t>(kept_at(tape.position / segment_.length())));
    std::iota(now.begin(), now.end(), 0);
    std::vector<std::vector<i64>> kept{now};
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].closes) {
        now.push_back(params_.kept + static_cast<i64>(i));
        const i64 evicted =
            static_cast<i64>(tape.tensors[kEvicted].view<3>()(b, kv, static_cast<i64>(i)));
        if (evicted >= 0) now.erase(now.begin() + evicted);
      }
      kept.push_back(now);
    }
    return kept;
  }

  OpenSegment::Rows entry_rows(Tape& tape, i64 b, i64 kv, i64 entry) const {
    if (entry >= params_.kept) {
      return piece_rows(tape, b, kv, static_cast<std::size_t>(entry - params_.kept));
    }
    return {&tape.tensors[kFirstKeys], &tape.tensors[kFirstValues], b, kv * params_.kept + entry};
  }

  /// Gradients of entries' turned keys and values, [N, D] each.
  struct EntryGrads {
    EntryGrads(i64 entries, i64 entry_size)
        : size(entry_size), all(static_cast<std::size_t>(2 * entries * entry_size)) {}
    float* keys(i64 entry) { return &all[2 * entry * size]; }
    float* values(i64 entry) { return &all[(2 * entry + 1) * size]; }
    i64 size;
    Floats all;
  };

  /// Everything a call did for one key/value head, backwards. The tape is only read.
  void undo_head(std::span<const float> gates, const Chunk& in, Tape& tape, i64 b, i64 kv,
                 View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                 double* d_gate) const {
    const std::vector<Piece> pieces = segment_.cut(tape.position, in.tokens());
    const std::vector<std::vector<i64>> kept = kept_entries(tape, pieces, b, kv);
    const i64 most = params_.kept, size = segment_.length() * shape_.head_dim;
    EntryGrads entries(most + std::ssize(pieces), size);
    const auto slot = [&](const char* name, i64 c) {
      return d_state[name].view<4>().row(b, kv * most + c, 0).data();
    };
    for (i64 c = 0; c < std::ssize(kept.back()); ++c) {
      std::copy_n(slot("kept_keys", c), size, entries.keys(kept.back()[c]));
      std::copy_n(slot("kept_values", c), size, entries.values(kept.back()[c]));
    }
    for (std::size_t n = pieces.size(); n-- > 0;) {
      undo_piece(gates, in, tape, n, pieces[n], kept[n], b, kv, d_out, d_state, grad, entries,
                 d_gate);
    }
    for (i64 c = 0; c < std::ssize(kept.back()); ++c) {
      const bool there = c < std::ssize(kept.front());
      for (const bool keys : {true, false}) {
        float* to = slot(keys ? "kept_keys" : "kept_values", c);
        std::fill_n(to, size, 0.0f);
        if (there) std::copy_n(keys ? entries.keys(c) : entries.values(c), size, to);
      }
    }
  }

  void undo_piece(std::span<const float> gates, const Chunk& in, Tape& tape, std::size_t n,
                  const Piece& piece, const std::vector<i64>& kept, i64 b, i64 kv,
                  View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                  EntryGrads& entries, double* d_gate) const {
    const i64 d = shape_.head_dim, group = shape_.group(), rows = piece.rows;
    const i64 f = segment_.features().size(), own = params_.kept + static_cast<i64>(n);
    float* matrix = tape.tensors[kMemory].view<4>().row(b, kv, static_cast<i64>(n)).data();
    const Memory memory{matrix, matrix + f * d, f, d}, d_memory = memory_of(d_state, b, kv);
    OpenSegment::KeyGrads grads = segment_.key_grads(piece, n == 0, d_state, b, kv);
    if (piece.closes) {
      const i64 evicted =
          static_cast<i64>(tape.tensors[kEvicted].view<3>()(b, kv, static_cast<i64>(n)));
      if (evicted >= 0) {
        const i64 gone = evicted < params_.kept ? kept[evicted] : own;
        segment_.write_backward(entry_rows(tape, b, kv, gone), params_.update,
                                in.repeat(b, piece.last()), memory, d_memory, entries.keys(gone),
                                entries.values(gone));
      }
      add_scaled(1, entries.keys(own), grads.keys, entries.size);
      add_scaled(1, entries.values(own), grads.values, entries.size);
    }
    const bool remembers = memory_at(piece.segment);
    const OpenSegment::Queries queries = segment_.queries_of(in, piece, b, kv, remembers);
    Scratch d_soft(static_cast<std::size_t>(group * rows * d));
    for (i64 g = 0; g < group; ++g) {
      undo_mix(gates, tape, piece, queries, b, kv, g, memory, d_memory, d_out,
               {&d_soft[g * rows * d], {rows, d}}, grad, d_gate);
    }
    const View<const float, 3> soft = segment_.outputs(tape.tensors[kSoft].view<4>(), piece, b, kv);
    const View<const float, 2> lse = segment_.log_sums(tape.tensors[kLse], piece, b, kv);
    const View<const float, 3> d_rows(d_soft.data(), {group, rows, d});
    segment_.attend_backward(queries, piece, piece_rows(tape, b, kv, n), soft, lse, d_rows,
                             grads.keys, grads.values, b, kv, grad);
    if (!kept.empty()) {
      const Scratch far = far_queries(in, piece, b, kv);
      Floats d_far(far.size());
      for (const i64 entry : kept) {
        kernels::backward(far_problem(far, piece, entry_rows(tape, b, kv, entry)), soft, lse,
                          d_rows,
                          {.queries = View<float, 3>(d_far.data(), {group, rows, d}),
                           .sink_queries = {},
                           .recent_keys = entries.keys(entry),
                           .recent_values = entries.values(entry)});
      }
      for (i64 g = 0; g < group; ++g) {
        hand_over(&d_far[g * rows * d], rows, segment_.rope(), far_angles_, piece.place, grad.q, b,
                  kv * group + g, piece.first);
      }
    }
    segment_.give(grads, piece, b, kv, grad);
  }

  /// The mix of A_soft and what one head reads from the memory; writes the gradient of A_soft.
  void undo_mix(std::span<const float> gates, Tape& tape, const Piece& piece,
                const OpenSegment::Queries& queries, i64 b, i64 kv, i64 g, const Memory& memory,
                const Memory& d_memory, View<const float, 4> d_out, View<float, 2> d_soft,
                const ChunkGrad& grad, double* d_gate) const {
    const i64 d = shape_.head_dim, rows = piece.rows, h = kv * shape_.group() + g;
    const View<const float, 2> da = one_head(d_out, b, h, piece.first, rows);
    if (!memory_at(piece.segment)) return kernels::copy_rows(da, d_soft);
    const Gate gate(gates[h]);
    kernels::scale_into(gate.local, da, d_soft);
    const float* features = queries.features_of_head(g, memory.f);
    const Retrieval read(features, rows, memory);
    const View<const float, 2> soft =
        one_head(tape.tensors[kSoft].view<4>(), b, h, piece.first, rows);
    d_gate[h] += static_cast<double>(gate.memory) * gate.local *
                 (kernels::dot_rows(da, View<const float, 2>(read.values.data(), {rows, d})) -
                  kernels::dot_rows(da, soft));
    Scratch d_read(static_cast<std::size_t>(rows * d));
    kernels::scale_into(gate.memory, da, {d_read.data(), {rows, d}});
    Floats d_features(static_cast<std::size_t>(rows * memory.f));
    read.backward(features, memory, std::move(d_read), d_features.data(), d_memory);
    segment_.features_backward(queries, g, std::move(d_features), piece, b, h, grad);
  }

  Params params_;
  Shape shape_;
  OpenSegment segment_;
  Rope::Angles far_angles_;  // of places [N, 2N)
};

const Registered<AttentionRegistry, Adaptive> registered{
    "adaptive", "infini that keeps the segments worth keeping whole"};

}  // namespace
}  // namespace longreach::attention
