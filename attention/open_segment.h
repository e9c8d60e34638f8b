// The segment that a stream is in: softmax attention among its own tokens, for backends that fold
// a segment into a memory when it closes.
#pragma once

#include <optional>
#include <vector>

#include "attention/backend.h"
#include "attention/compressive_memory.h"
#include "attention/feature_map.h"
#include "attention/kernels/softmax.h"
#include "attention/rope.h"
#include "attention/segments.h"

namespace longreach::attention {

/// Keys are held turned to their place in the segment: positions that restart in each are the same
/// function as absolute ones, and keep angles small. Borders lie at absolute multiples of the
/// length N, so that how a stream is cut into calls cannot move them. A scaled rotation keeps its
/// frequencies although no place lies beyond the trained length: a model trained with them needs
/// them.
///
/// State tensors: `segment_keys` and `segment_values` [B, Hkv, N, D].
class OpenSegment {
 public:
  struct Params {
    i64 segment = 64;
    Element cache = Element::f32;
    std::optional<ScaledRopeParams> rope = ScaledRopeParams{};
    FeatureParams features{};
    void fields(Fields& f);
  };

  OpenSegment(const Params& params, const Shape& shape);

  i64 length() const { return params_.segment; }
  const FeatureMap& features() const { return features_; }
  const Rope& rope() const { return rope_; }
  std::vector<Piece> cut(i64 position, i64 tokens) const {
    return cut_at_segments(position, tokens, params_.segment);
  }
  void add_to(State& state, i64 batch) const;
  i64 bytes() const;        ///< of one key/value head
  double rounding() const;  ///< as Backend::state_rounding()
  /// Pairs that the first `tokens` tokens of a stream score.
  i64 pairs_before(i64 tokens) const;

  /// Where the keys and values of a segment lie: row (b, h) of two caches [., ., N, D].
  struct Rows {
    Tensor *keys, *values;
    i64 b, h;
    const char* key() const;
    const char* value() const;
  };
  Rows held_by(State& state, i64 b, i64 kv) const {
    return {&state["segment_keys"], &state["segment_values"], b, kv};
  }
  /// A tensor [heads, count, N, D] for the rows of many segments.
  Tensor rows_for(i64 heads, i64 count) const;

  /// Puts a piece's own keys and values where they belong.
  void take(const Chunk& in, const Piece& piece, i64 b, i64 kv, const Rows& to) const;

  /// The queries of a group in a piece, [G, rows, D] each.
  struct Queries {
    Scratch turned;
    Scratch unturned;  ///< with other maps than elu1, as their gradients may need them
    Scratch features;  ///< [G, rows, F]: sigma of them unturned, as memories know no positions
    i64 rows;
    const float* features_of_head(i64 g, i64 f) const {
      return features.empty() ? nullptr : &features[g * rows * f];
    }
  };
  Queries queries_of(const Chunk& in, const Piece& piece, i64 b, i64 kv, bool features) const;

  /// Softmax attention of the piece's queries to the segment up to them: out [G, rows, D] and
  /// log-sum-exp [G, rows], or a view of nothing. Returns the pairs scored.
  i64 attend(const Queries& queries, const Piece& piece, const Rows& held, View<float, 3> out,
             View<float, 2> lse) const;
  /// Its gradient, from results that may be of a softmax over further keys too: adds to grad.q and
  /// to those of the segment's turned keys and values [N, D].
  void attend_backward(const Queries& queries, const Piece& piece, const Rows& held,
                       View<const float, 3> out, View<const float, 2> lse,
                       View<const float, 3> d_out, float* d_keys, float* d_values, i64 b, i64 kv,
                       const ChunkGrad& grad) const;
  /// The part of a piece in a tensor of outputs [B, T, Hq, D] or of log-sum-exps [B, Hq, T].
  View<float, 3> outputs(View<float, 4> all, const Piece& piece, i64 b, i64 kv) const;
  View<float, 2> log_sums(Tensor& all, const Piece& piece, i64 b, i64 kv) const;

  /// Copies the rows of a segment up to the piece's end.
  void copy(const Piece& piece, const Rows& from, const Rows& to) const;

  /// A whole segment as floats, [N, D]: as it lies, or widened into `room`.
  const float* floats(const Tensor& cache, i64 b, i64 h, Scratch& room) const;

  /// Keys of a whole segment [N, D], turned back to as they came.
  Scratch unturned(const float* turned_keys) const;

  /// What lies behind the open segment's last token after a call is left from closed segments: the
  /// state holds zeros there.
  void forget_closed(const std::vector<Piece>& pieces, i64 b, i64 kv, State& state) const;

  /// Folds a whole segment [N, D] into a memory, `times` over.
  void write(const Rows& held, Update update, float times, const Memory& memory) const;
  /// Its gradient: d_memory becomes that of the memory before; adds to d_keys (turned), d_values.
  void write_backward(const Rows& held, Update update, float times, const Memory& memory,
                      const Memory& d_memory, float* d_keys, float* d_values) const;

  /// From the gradient of features [rows, F] of one head's queries, overwritten, to grad.q.
  void features_backward(const Queries& queries, i64 g, Floats d_features, const Piece& piece,
                         i64 b, i64 h, const ChunkGrad& grad) const;

  /// Where the gradients of a segment's turned keys and values [N, D] gather while the pieces of a
  /// call are undone, last to first: in the gradient of the state, but for a piece that is its
  /// whole segment in `own`, as the state never held it.
  struct KeyGrads {
    float *keys, *values;
    Floats own;
  };
  /// `first`: the piece is the call's first.
  KeyGrads key_grads(const Piece& piece, bool first, State& d_state, i64 b, i64 kv) const;
  /// Hands a piece's share of them to grad.k and grad.v.
  void give(KeyGrads& grads, const Piece& piece, i64 b, i64 kv, const ChunkGrad& grad) const;

 private:
  /// sigma of a whole segment's keys [N, F], and the keys turned back if the map's gradient needs
  /// them.
  Scratch key_features(const float* turned_keys, Scratch& keys) const;
  /// The piece's queries [G, rows, D] against the segment up to them.
  kernels::Problem problem(const Piece& piece, const Queries& queries, const Rows& held) const;

  Params params_;
  Shape shape_;
  Rope rope_, unturned_;
  Rope::Angles angles_, undoing_angles_;  // of places [0, N)
  FeatureMap features_;
};

}  // namespace longreach::attention
