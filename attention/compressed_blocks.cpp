// Compressed blocks and the softmax over them.
#include "attention/compressed_blocks.h"

#include <cmath>

#include "core/linalg.h"
#include "core/vector_math.h"

namespace longreach::attention {
namespace {

/// Calls body(row, count, c) for rows [row, row + count) of each block c.
template <class Body>
void each_block(const BlockRule& rule, i64 position, i64 rows, const Body& body) {
  for (i64 row = 0, count = 0; row < rows; row += count) {
    const i64 c = (position + row) / rule.block;
    count = std::min(rows, (c + 1) * rule.block - position) - row;
    body(row, count, c);
  }
}

/// Chooses for `rows` tokens of block c by shares [G, rows, c], which it sums over the heads.
void choose(const BlockRule& rule, i64 heads, i64 rows, i64 c, Scratch& shares, float* chosen) {
  for (i64 i = 0; i < rows; ++i) {
    float* sum = &shares[i * c];
    for (i64 g = 1; g < heads; ++g) add_scaled(1, &shares[(g * rows + i) * c], sum, c);
    choose_blocks(rule, c, sum + rule.sinks, chosen + i * rule.top);
  }
}

}  // namespace

Scratch pool_shares(std::span<const float> logits) {
  Scratch shares(logits.begin(), logits.end());
  const i64 n = std::ssize(shares);
  const float sum = exp_shifted(shares.data(), n, max_of(shares.data(), n));
  scale(1 / sum, shares.data(), n);
  return shares;
}

void compress_block(const Scratch& shares, const float* x, i64 d, float* to) {
  std::fill_n(to, d, 0.0f);
  for (i64 i = 0; i < std::ssize(shares); ++i) add_scaled(shares[i], x + i * d, to, d);
}

void undo_compress_block(const Scratch& shares, const float* x, i64 d, float* d_to, float* d_x,
                         double* d_logits) {
  const i64 block = std::ssize(shares);
  Scratch slopes(shares.size());
  for (i64 i = 0; i < block; ++i) {
    slopes[i] = dot(x + i * d, d_to, d);
    add_scaled(shares[i], d_to, d_x + i * d, d);
  }
  const float mean = dot(shares.data(), slopes.data(), block);
  for (i64 i = 0; i < block; ++i) {
    d_logits[i] += static_cast<double>(shares[i] * (slopes[i] - mean));
  }
  std::fill_n(d_to, d, 0.0f);
}

i64 attend_compressed(const BlockRule& rule, View<const float, 3> queries, i64 position,
                      const CompressedBlocks<const float>& blocks, View<float, 3> out,
                      View<float, 2> lse, float* chosen) {
  const i64 heads = queries.extent(0), d = queries.extent(2);
  const float inverse_root = 1 / std::sqrt(static_cast<float>(d));
  Scratch scaled, shares, mixed;
  i64 scored = 0;
  each_block(rule, position, queries.extent(1), [&](i64 row, i64 count, i64 c) {
    // A product of one row sums in another order, and the choice must not depend on how many tokens
    // a call brings: a row on its own is taken twice.
    const i64 lines = heads * count, height = std::max<i64>(2, lines);
    mixed.assign(static_cast<std::size_t>(lines * d), 0.0f);
    if (c > 0) {
      scaled.resize(static_cast<std::size_t>(height * d));
      for (i64 n = 0; n < height; ++n) {
        const i64 line = std::min(n, lines - 1);
        std::ranges::copy(queries.row(line / count, row + line % count), &scaled[n * d]);
      }
      scale(inverse_root, scaled.data(), height * d);
      shares.resize(static_cast<std::size_t>(height * c));
      multiply_nt(Matrix(scaled.data(), height, d), Matrix(blocks.keys, c, d),
                  MutableMatrix(shares.data(), height, c), Into::overwrite);
      for (i64 n = 0; n < lines; ++n) {
        float* own = &shares[n * c];
        const float top = max_of(own, c), sum = exp_shifted(own, c, top);
        scale(1 / sum, own, c);
        lse(n / count, row + n % count) = top + std::log(sum);
      }
      multiply(Matrix(shares.data(), lines, c), Matrix(blocks.values, c, d),
               MutableMatrix(mixed.data(), lines, d), Into::overwrite);
    }
    for (i64 n = 0; n < lines; ++n) {
      std::copy_n(&mixed[n * d], d, out.row(n / count, row + n % count).data());
    }
    if (rule.chooses(c)) choose(rule, heads, count, c, shares, chosen + row * rule.top);
    scored += lines * c;
  });
  return scored;
}

void undo_compressed(const BlockRule& rule, View<const float, 3> queries, i64 position,
                     const CompressedBlocks<const float>& blocks, View<const float, 3> out,
                     View<const float, 2> lse, View<const float, 3> d_out, View<float, 3> d_queries,
                     const CompressedBlocks<float>& d_blocks) {
  each_block(rule, position, queries.extent(1), [&](i64 row, i64 count, i64 c) {
    if (c == 0) return;
    const auto part = [&](auto x) { return x.slice(1, row, count); };
    kernels::backward({.queries = part(queries),
                       .sink_queries = {},
                       .position = c,  // compressed keys stand at 0 to c - 1: all are seen
                       .recent = {blocks.keys, blocks.values, Element::f32, 0, c}},
                      part(out), part(lse), part(d_out),
                      {.queries = part(d_queries),
                       .sink_queries = {},
                       .recent_keys = d_blocks.keys,
                       .recent_values = d_blocks.values});
  });
}

}  // namespace longreach::attention
