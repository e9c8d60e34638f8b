#include "attention/open_segment.h"

#include <algorithm>

#include "attention/rows.h"
#include "core/vector_math.h"

namespace longreach::attention {

void OpenSegment::Params::fields(Fields& f) {
  f("segment", segment, at_least(1, Unit::count), "tokens between writes to the memory");
  f("cache", cache, "how the open segment's keys and values are stored; the memory is f32");
  f("rope", rope, "rotary positions inside the segment; the memory has none");
  features.fields(f);
}

OpenSegment::OpenSegment(const Params& params, const Shape& shape)
    : params_(params),
      shape_(shape),
      rope_(params.rope, shape.head_dim),
      unturned_(std::nullopt, shape.head_dim),
      angles_(rope_.angles(0, params.segment)),
      undoing_angles_(rope_.undoing_angles(0, params.segment)),
      features_(params.features, shape.head_dim) {
  validate(shape);
}

void OpenSegment::add_to(State& state, i64 batch) const {
  const std::vector<i64> rows{batch, shape_.kv_heads, params_.segment, shape_.head_dim};
  state.tensors.push_back({"segment_keys", Tensor(rows, params_.cache)});
  state.tensors.push_back({"segment_values", Tensor(rows, params_.cache)});
}

i64 OpenSegment::bytes() const {
  return 2 * params_.segment * shape_.head_dim * bytes_of(params_.cache);
}

double OpenSegment::rounding() const { return rounding_of(params_.cache); }

i64 OpenSegment::pairs_before(i64 tokens) const {
  const i64 n = params_.segment, rest = tokens % n;
  return tokens / n * (n * (n + 1) / 2) + rest * (rest + 1) / 2;
}

const char* OpenSegment::Rows::key() const { return cache_row(*keys, b, h, 0); }
const char* OpenSegment::Rows::value() const { return cache_row(*values, b, h, 0); }

Tensor OpenSegment::rows_for(i64 heads, i64 count) const {
  return Tensor::unset({heads, count, params_.segment, shape_.head_dim}, params_.cache);
}

void OpenSegment::take(const Chunk& in, const Piece& piece, i64 b, i64 kv, const Rows& to) const {
  gather_into(in.k, b, kv, piece.first, piece.rows, rope_, angles_, piece.place, *to.keys, to.b,
              to.h, piece.place);
  gather_into(in.v, b, kv, piece.first, piece.rows, unturned_, angles_, 0, *to.values, to.b, to.h,
              piece.place);
}

OpenSegment::Queries OpenSegment::queries_of(const Chunk& in, const Piece& piece, i64 b, i64 kv,
                                             bool features) const {
  const i64 d = shape_.head_dim, group = shape_.group(), size = piece.rows * d;
  const i64 feature_size = piece.rows * features_.size();
  const bool fused = features_.is_elu1();
  Queries queries{Scratch(static_cast<std::size_t>(group * size)),
                  Scratch(static_cast<std::size_t>(features && !fused ? group * size : 0)),
                  Scratch(static_cast<std::size_t>(features ? group * feature_size : 0)),
                  piece.rows};
  for (i64 g = 0; g < group; ++g) {
    const View<const float, 2> rows = one_head(in.q, b, kv * group + g, piece.first, piece.rows);
    const View<float, 2> turned(&queries.turned[g * size], {piece.rows, d});
    if (features && fused) {
      rope_.turn_with_features(angles_, piece.place, rows, turned, &queries.features[g * size]);
      continue;
    }
    rope_.turn(angles_, piece.place, rows, turned, Turn::forward);
    if (!features) continue;
    const View<float, 2> as_they_came(&queries.unturned[g * size], {piece.rows, d});
    kernels::copy_rows(rows, as_they_came);
    features_.map(as_they_came.data(), piece.rows, &queries.features[g * feature_size]);
  }
  return queries;
}

kernels::Problem OpenSegment::problem(const Piece& piece, const Queries& queries,
                                      const Rows& held) const {
  return {.queries = View<const float, 3>(queries.turned.data(),
                                          {shape_.group(), piece.rows, shape_.head_dim}),
          .sink_queries = {},
          .position = piece.place,
          .recent = {held.key(), held.value(), params_.cache, 0, piece.end()}};
}

i64 OpenSegment::attend(const Queries& queries, const Piece& piece, const Rows& held,
                        View<float, 3> out, View<float, 2> lse) const {
  return kernels::forward(problem(piece, queries, held), out, lse);
}

void OpenSegment::attend_backward(const Queries& queries, const Piece& piece, const Rows& held,
                                  View<const float, 3> out, View<const float, 2> lse,
                                  View<const float, 3> d_out, float* d_keys, float* d_values, i64 b,
                                  i64 kv, const ChunkGrad& grad) const {
  const i64 d = shape_.head_dim, group = shape_.group();
  Floats d_turned(queries.turned.size());
  kernels::backward(problem(piece, queries, held), out, lse, d_out,
                    {.queries = View<float, 3>(d_turned.data(), {group, piece.rows, d}),
                     .sink_queries = {},
                     .recent_keys = d_keys,
                     .recent_values = d_values});
  for (i64 g = 0; g < group; ++g) {
    hand_over(&d_turned[g * piece.rows * d], piece.rows, rope_, angles_, piece.place, grad.q, b,
              kv * group + g, piece.first);
  }
}

View<float, 3> OpenSegment::outputs(View<float, 4> all, const Piece& piece, i64 b, i64 kv) const {
  return head_rows(all, b, kv * shape_.group(), shape_.group(), piece.first, piece.rows);
}

View<float, 2> OpenSegment::log_sums(Tensor& all, const Piece& piece, i64 b, i64 kv) const {
  return lse_rows(all.view<3>(), b, kv * shape_.group(), shape_.group(), piece.first, piece.rows);
}

void OpenSegment::copy(const Piece& piece, const Rows& from, const Rows& to) const {
  const i64 bytes = piece.end() * shape_.head_dim * bytes_of(params_.cache);
  std::copy_n(from.key(), bytes, cache_row(*to.keys, to.b, to.h, 0));
  std::copy_n(from.value(), bytes, cache_row(*to.values, to.b, to.h, 0));
}

const float* OpenSegment::floats(const Tensor& cache, i64 b, i64 h, Scratch& room) const {
  if (cache.element() == Element::f32) {
    return reinterpret_cast<const float*>(cache_row(cache, b, h, 0));
  }
  room.resize(static_cast<std::size_t>(params_.segment * shape_.head_dim));
  load_rows(cache, b, h, 0, params_.segment, room.data());
  return room.data();
}

void OpenSegment::forget_closed(const std::vector<Piece>& pieces, i64 b, i64 kv,
                                State& state) const {
  if (std::ranges::none_of(pieces, &Piece::closes)) return;
  const i64 kept = pieces.back().closes ? 0 : pieces.back().end();
  const i64 bytes = (params_.segment - kept) * shape_.head_dim * bytes_of(params_.cache);
  for (const char* name : {"segment_keys", "segment_values"}) {
    std::fill_n(cache_row(state[name], b, kv, kept), bytes, char{0});
  }
}

Scratch OpenSegment::unturned(const float* turned_keys) const {
  const i64 n = params_.segment, d = shape_.head_dim;
  Scratch keys(static_cast<std::size_t>(n * d));
  rope_.turn(undoing_angles_, 0, View<const float, 2>(turned_keys, {n, d}),
             View<float, 2>(keys.data(), {n, d}), Turn::back);
  return keys;
}

Scratch OpenSegment::key_features(const float* turned_keys, Scratch& keys) const {
  const i64 n = params_.segment;
  Scratch features(static_cast<std::size_t>(n * features_.size()));
  if (features_.is_elu1()) {
    rope_.features_of_turned(undoing_angles_, 0,
                             View<const float, 2>(turned_keys, {n, shape_.head_dim}),
                             features.data());
    return features;
  }
  keys = unturned(turned_keys);
  features_.map(keys.data(), n, features.data());
  return features;
}

void OpenSegment::write(const Rows& held, Update update, float times, const Memory& memory) const {
  Scratch keys, key_room, value_room;
  const Scratch features = key_features(floats(*held.keys, held.b, held.h, key_room), keys);
  attention::write(features.data(), floats(*held.values, held.b, held.h, value_room),
                   params_.segment, update, times, memory);
}

void OpenSegment::write_backward(const Rows& held, Update update, float times, const Memory& memory,
                                 const Memory& d_memory, float* d_keys, float* d_values) const {
  const i64 n = params_.segment, d = shape_.head_dim;
  Scratch keys, key_room, value_room;
  const Scratch features = key_features(floats(*held.keys, held.b, held.h, key_room), keys);
  Floats d_features(features.size());
  attention::write_backward(features.data(), floats(*held.values, held.b, held.h, value_room), n,
                            update, times, memory, d_memory, d_features.data(), d_values);
  Scratch d_unturned(static_cast<std::size_t>(n * d));
  features_.backward(keys.data(), features.data(), d_features.data(), n, d_unturned.data());
  const View<float, 2> rows(d_unturned.data(), {n, d});
  rope_.turn(undoing_angles_, 0, rows, rows, Turn::forward);
  add_scaled(1, d_unturned.data(), d_keys, n * d);
}

void OpenSegment::features_backward(const Queries& queries, i64 g, Floats d_features,
                                    const Piece& piece, i64 b, i64 h, const ChunkGrad& grad) const {
  const i64 size = piece.rows * shape_.head_dim;
  const float* x = queries.unturned.empty() ? nullptr : &queries.unturned[g * size];
  const View<float, 2> dq = one_head(grad.q, b, h, piece.first, piece.rows);
  Scratch room(static_cast<std::size_t>(features_.size() == shape_.head_dim ? 0 : size));
  float* d_unturned = room.empty() ? d_features.data() : room.data();
  features_.backward(x, queries.features_of_head(g, features_.size()), d_features.data(),
                     piece.rows, d_unturned);
  kernels::blend(1, dq, 1, d_unturned, dq);
}

OpenSegment::KeyGrads OpenSegment::key_grads(const Piece& piece, bool first, State& d_state, i64 b,
                                             i64 kv) const {
  const i64 size = params_.segment * shape_.head_dim;
  KeyGrads grads{d_state["segment_keys"].view<4>().row(b, kv, 0).data(),
                 d_state["segment_values"].view<4>().row(b, kv, 0).data(), Floats()};
  if (piece.closes && (!piece.whole() || first)) {  // what the state held was cleared
    std::fill_n(grads.keys, size, 0.0f);
    std::fill_n(grads.values, size, 0.0f);
  }
  if (piece.whole()) {
    grads.own.resize(static_cast<std::size_t>(2 * size));
    grads.keys = grads.own.data();
    grads.values = grads.own.data() + size;
  }
  return grads;
}

void OpenSegment::give(KeyGrads& grads, const Piece& piece, i64 b, i64 kv,
                       const ChunkGrad& grad) const {
  const i64 at = piece.place * shape_.head_dim;
  hand_over(grads.keys + at, piece.rows, rope_, angles_, piece.place, grad.k, b, kv, piece.first);
  hand_over(grads.values + at, piece.rows, unturned_, angles_, 0, grad.v, b, kv, piece.first);
}

}  // namespace longreach::attention
