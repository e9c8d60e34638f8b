// The backend contract: attention as a state machine over chunks of a stream.
//
// Shapes:  B streams   T tokens in this call   Hq query heads   Hkv key/value heads   D head size
// Hq is a multiple of Hkv; query head h reads key/value head h / (Hq / Hkv). Queries and keys
// arrive unrotated: whether and how positions apply is part of the mechanism.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/registry.h"
#include "core/tensor.h"

namespace longreach::attention {

class Backend;

struct Shape {
  i64 query_heads = 1, kv_heads = 1, head_dim = 1;
  i64 group() const { return query_heads / kv_heads; }
};

/// Tokens [state.position, state.position + T) of B independent streams. A view: holds nothing.
struct Chunk {
  View<const float, 4> q;  ///< [B, T, Hq, D]
  View<const float, 4> k;  ///< [B, T, Hkv, D]
  View<const float, 4> v;  ///< [B, T, Hkv, D]
  /// [B, T], positive, or empty: 1 everywhere. How many times over the write to a compressive
  /// memory counts that a token brings about: of itself, or of the whole segment that it ends, so
  /// that no state has to hold it. For training on the memories of long streams; a backend that has
  /// no such memory, or no use for this, ignores it in reference() too.
  View<const float, 2> repeats{};
  /// [B, T, P]: what the model projected for Backend::projections(), one after the other; empty
  /// when there are none.
  View<const float, 3> projected{};
  i64 batch() const { return q.extent(0); }
  i64 tokens() const { return q.extent(1); }
  float repeat(i64 b, i64 t) const { return repeats.data() == nullptr ? 1.0F : repeats(b, t); }
  /// Tokens [begin, begin + count) of the chunk.
  Chunk slice(i64 begin, i64 count) const {
    return {q.slice(1, begin, count), k.slice(1, begin, count), v.slice(1, begin, count),
            repeats.data() == nullptr ? repeats : repeats.slice(1, begin, count),
            projected.data() == nullptr ? projected : projected.slice(1, begin, count)};
  }
};

/// Where backward() adds (never overwrites) its gradients; shapes as in Chunk.
struct ChunkGrad {
  View<float, 4> q, k, v;
  View<float, 3> projected{};
};

/// What a backend did, counted where it did it, for one stream and one query head. The harness
/// holds it against cost().activity and marks a cell invalid when they differ.
struct Activity {
  i64 tokens = 0;
  i64 keys_scored = 0;       ///< query-key pairs whose softmax weight was computed
  i64 memory_reads = 0;      ///< answers to queries from a non-empty compressive memory
  i64 compressions = 0;      ///< segments written to a compressive memory
  i64 summaries_scored = 0;  ///< query-block pairs scored by the block's summary alone
  i64 evictions = 0;         ///< segments given up because no more are kept whole
  bool operator==(const Activity&) const = default;
  Activity& operator+=(const Activity& other);
};
std::string describe(const Activity&);  ///< for messages
/// "37 keys scored where it declared 36" for each counter that differs; "" when none does.
std::string difference(const Activity& did, const Activity& declared);

/// All that B streams remember between calls, as plain tensors whose first extent is B and whose
/// meaning only their backend knows. Copy it to fork a stream, sum its bytes to weigh it; the
/// gradient of a state is a state.
struct State {
  i64 position = 0;  ///< tokens consumed so far
  std::vector<NamedTensor> tensors;
  Activity activity;
  i64 bytes() const;
  Tensor& operator[](std::string_view name);
  const Tensor& operator[](std::string_view name) const;
  /// The same tensors, all zero and f32 whatever the state's own: where a backward pass starts.
  State zero_like() const;
};

/// What one forward() keeps for its backward(). Its size is the training memory we report.
struct Tape {
  i64 position = 0;  ///< state.position when the call began
  std::vector<Tensor> tensors;
  i64 bytes() const;
};

/// Analytic work of the mechanism itself for one stream, all heads; the projections around it
/// belong to the model.
struct Cost {
  double flops = 0;        ///< a multiply-add counts 2; exponentials and divisions count 1
  double bytes_moved = 0;  ///< state read and written if every token streamed it once
  Activity activity;
};

/// Cost of a softmax in which each head scores `pairs` pairs for `tokens` tokens: 4 D flops for
/// q . k and the weighted value, one exponential; keys and values, stored as `element`, read once a
/// pair, written once.
Cost softmax_cost(const Shape& shape, i64 tokens, i64 pairs, Element element = Element::f32);

/// A learned tensor the mechanism needs, such as a gate per head.
struct WeightSpec {
  std::string name;
  std::vector<i64> shape;
  float initial = 0;               ///< constant start value
  double learning_rate_scale = 1;  ///< times the optimizer's rate
  bool decays = true;              ///< weight decay applies
};

/// Numbers of each token that the mechanism needs beside queries, keys and values, such as the
/// strength of a write. The model makes them as it makes those: a learned matrix [size, width]
/// times the layer's normalised hidden state. A bias is a WeightSpec.
struct ProjectionSpec {
  std::string name;
  i64 size = 0;
};

/// A number of each head that says what a mechanism did with the queries of a chunk.
struct Observation {
  std::string name;          ///< "attention_entropy"; equal names mean the same in every backend
  std::string unit;          ///< "nats", "tokens", "1"
  bool of_kv_heads = false;  ///< key/value heads, whose memories are, instead of query heads
  std::vector<double> values{};  ///< [B, heads], over queries the mean
};

/// What takes one part of a mechanism away and leaves the rest as it is, to see what it was worth.
struct KnockOut {
  std::string part;                          ///< "memory", "local", "sinks"
  std::vector<float> weights{};              ///< in place of the layer's own; empty: those
  std::shared_ptr<const Backend> backend{};  ///< of the same weights; nullptr: the same one
};

/// One whole stream in float64, the input of reference(). Flat and row-major.
struct ReferenceStream {
  i64 tokens = 0;
  std::vector<double> q;            ///< [T, Hq, D]
  std::vector<double> k;            ///< [T, Hkv, D]
  std::vector<double> v;            ///< [T, Hkv, D]
  std::vector<double> repeats{};    ///< [T], or empty: as Chunk::repeats
  std::vector<double> projected{};  ///< [T, P], as Chunk::projected
  double repeat(i64 t) const {
    return repeats.empty() ? 1.0 : repeats[static_cast<std::size_t>(t)];
  }
};

/// One way of attending. Immutable and thread-safe: weights, state and tape are the caller's.
///
/// forward() is training, prefill and decoding alike; they differ only in T and in whether a tape
/// is kept. Results must not depend on how a stream is cut into calls (up to rounding).
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const Shape& shape() const = 0;

  /// Learned tensors; calls receive them flattened, in this order.
  virtual std::vector<WeightSpec> weights() const { return {}; }

  /// What calls receive as Chunk::projected, in this order.
  virtual std::vector<ProjectionSpec> projections() const { return {}; }
  /// P, the sum of their sizes.
  i64 projected_size() const;

  /// An empty state for `batch` streams that will never exceed `capacity` tokens.
  virtual State initial_state(i64 batch, i64 capacity) const = 0;

  /// Bytes of one stream's state of that capacity, by formula.
  virtual i64 state_bytes(i64 capacity) const = 0;

  /// Whether calls only append: they write rows of the state past its position, and neither change
  /// those before it nor read those after. The state before a call is then the one after it with
  /// its position set back, and need not be copied to go back there.
  virtual bool appends() const { return false; }

  /// State tensors on which nothing but choices depends, such as what to give up: no gradient flows
  /// through them, and backward() leaves theirs as it arrives.
  virtual std::vector<std::string> statistics() const { return {}; }

  /// Relative rounding error of the coarsest number the state holds: what `cache: f16` costs by
  /// design, and the allowance `verify` makes for it. Chunks must not show it: a call rounds what
  /// it writes before it reads it.
  virtual double state_rounding() const { return 0; }

  /// Attends from each token to its past, writes `out` [B, T, Hq, D], advances `state` by T and
  /// adds to its activity. Fills `tape` if given.
  virtual void forward(std::span<const float> weights, const Chunk& in, State& state,
                       View<float, 4> out, Tape* tape) const = 0;

  /// Undoes one forward(). `d_state` arrives as the loss gradient of the state after that call and
  /// leaves as the gradient of the state before it. `d_weights` is added to.
  virtual void backward(std::span<const float> weights, const Chunk& in, const Tape& tape,
                        View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                        std::span<float> d_weights) const = 0;

  /// Consuming `tokens` tokens after `position` others. Additive:
  /// cost(p, a + b) = cost(p, a) + cost(p + a, b).
  virtual Cost cost(i64 position, i64 tokens) const = 0;

  /// The mechanism's definition for a whole stream from an empty state, as plainly as it can be
  /// written, in float64: what `verify` holds forward() and backward() against. Returns
  /// [T, Hq, D].
  virtual std::vector<double> reference(std::span<const double> weights,
                                        const ReferenceStream& in) const = 0;

  /// What forward() does with the queries of a chunk that follows `before`, for people to look at:
  /// worked out beside it, plainly and in float64, in a time that does not matter
  /// (attention/inspection.h). The same list for every chunk; empty when there is nothing to tell.
  virtual std::vector<Observation> inspect(std::span<const float> weights, const Chunk& in,
                                           const State& before) const;

  /// The parts that can be taken away from a layer with these weights. Only forward() need serve.
  virtual std::vector<KnockOut> knock_outs(std::span<const float> weights) const;
};

using AttentionRegistry = Registry<Backend, const Shape&>;

/// Throws Error unless query_heads is a positive multiple of kv_heads and head_dim is even.
void validate(const Shape& shape);

}  // namespace longreach::attention

namespace longreach {
template <>
attention::AttentionRegistry& attention::AttentionRegistry::instance();
}
