// Embedding, RMS norm, token shift and the MLP's activation, forward and backward.
#include "model/layers.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/vector_math.h"

namespace longreach::model {
namespace {

const float* row_of(Matrix m, i64 row) { return m.data + row * m.stride; }
float* row_of(MutableMatrix m, i64 row) { return m.data + row * m.stride; }

/// First channel of token-shift group g of `reach`.
i64 group_begin(i64 g, i64 reach, i64 width) { return g * width / reach; }

/// to(row)[j] += x(row, j). Split by columns over the threads: rows that meet in one place must be
/// added in order.
template <class To>
void add_rows(Matrix x, const To& to) {
  constexpr i64 kColumns = 16;
  const i64 blocks = (x.columns + kColumns - 1) / kColumns;
#pragma omp parallel for schedule(static) if (x.rows >= kParallelRows)
  for (i64 block = 0; block < blocks; ++block) {
    const i64 first = block * kColumns, last = std::min(first + kColumns, x.columns);
    for (i64 row = 0; row < x.rows; ++row) {
      const float* from = row_of(x, row);
      float* sums = to(row);
      for (i64 j = first; j < last; ++j) sums[j] += from[j];
    }
  }
}

}  // namespace

void embed(View<const Token, 2> tokens, Matrix table, MutableMatrix x) {
  const i64 count = tokens.extent(1);
  over_rows(x.rows, [&](i64 row) {
    const Token token = tokens(row / count, row % count);
    std::copy_n(row_of(table, token), x.columns, row_of(x, row));
  });
}

void embed_backward(View<const Token, 2> tokens, Matrix d_x, MutableMatrix d_table) {
  const i64 count = tokens.extent(1);
  add_rows(d_x, [&](i64 row) { return row_of(d_table, tokens(row / count, row % count)); });
}

void add_bias(const float* bias, MutableMatrix x) {
  over_rows(x.rows, [&](i64 row) {
    float* to = row_of(x, row);
    for (i64 j = 0; j < x.columns; ++j) to[j] += bias[j];
  });
}

void add_bias_backward(Matrix d_x, float* d_bias) {
  add_rows(d_x, [&](i64) { return d_bias; });
}

void rms_norm(Matrix x, const float* scale, double epsilon, MutableMatrix y, float* inverse) {
  const i64 width = x.columns;
  const float eps = static_cast<float>(epsilon), share = 1.0f / static_cast<float>(width);
  over_rows(x.rows, [&](i64 row) {
    const float* in = row_of(x, row);
    float* out = row_of(y, row);
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (i64 j = 0; j < width; ++j) squares += in[j] * in[j];
    const float r = 1.0f / std::sqrt(squares * share + eps);
    for (i64 j = 0; j < width; ++j) out[j] = in[j] * r * scale[j];
    if (inverse != nullptr) inverse[row] = r;
  });
}

void rms_norm_backward(Matrix x, const float* scale, const float* inverse, Matrix d_y,
                       MutableMatrix d_x, float* d_scale) {
  // d_scale is summed by blocks of rows, then over blocks: the same order for any thread count.
  constexpr i64 kBlockRows = 128;
  const i64 width = x.columns, blocks = (x.rows + kBlockRows - 1) / kBlockRows;
  const float share = 1.0f / static_cast<float>(width);
  Floats partial(static_cast<std::size_t>(blocks * width));
#pragma omp parallel for schedule(static) if (blocks > 1)
  for (i64 block = 0; block < blocks; ++block) {
    float* sums = partial.data() + block * width;
    for (i64 row = block * kBlockRows; row < std::min(x.rows, (block + 1) * kBlockRows); ++row) {
      const float* in = row_of(x, row);
      const float* grad = row_of(d_y, row);
      float* out = row_of(d_x, row);
      const float r = inverse[row];
      float along = 0;
#pragma omp simd reduction(+ : along)
      for (i64 j = 0; j < width; ++j) along += scale[j] * grad[j] * in[j];
      const float pull = along * share * r * r * r;
#pragma omp simd
      for (i64 j = 0; j < width; ++j) {
        out[j] += scale[j] * grad[j] * r - in[j] * pull;
        sums[j] += grad[j] * in[j] * r;
      }
    }
  }
  for (i64 block = 0; block < blocks; ++block) {
    for (i64 j = 0; j < width; ++j)
      d_scale[j] += partial[static_cast<std::size_t>(block * width + j)];
  }
}

void token_shift(Matrix x, i64 tokens, View<float, 3> past, MutableMatrix y) {
  const i64 reach = past.extent(1) + 1, width = x.columns;
  over_rows(x.rows, [&](i64 row) {
    const i64 b = row / tokens, t = row % tokens;
    for (i64 g = 0; g < reach; ++g) {
      const float* from = g <= t ? row_of(x, row - g) : past.row(b, g - t - 1).data();
      const i64 first = group_begin(g, reach, width), last = group_begin(g + 1, reach, width);
      std::copy(from + first, from + last, row_of(y, row) + first);
    }
  });
  for (i64 b = 0; b < past.extent(0); ++b) {
    for (i64 back = reach - 1; back >= 1; --back) {  // oldest first: short calls keep older rows
      const float* from = back <= tokens ? row_of(x, (b + 1) * tokens - back)
                                         : past.row(b, back - tokens - 1).data();
      std::copy_n(from, width, past.row(b, back - 1).data());
    }
  }
}

void token_shift_backward(Matrix d_y, i64 tokens, View<float, 3> d_past, MutableMatrix d_x) {
  const i64 reach = d_past.extent(1) + 1, width = d_y.columns;
  over_rows(d_x.rows, [&](i64 row) {
    const i64 b = row / tokens, left = tokens - row % tokens;  // tokens from this one to the end
    for (i64 g = 0; g < reach; ++g) {
      const i64 first = group_begin(g, reach, width), last = group_begin(g + 1, reach, width);
      float* to = row_of(d_x, row);
      if (g < left) {
        std::copy_n(row_of(d_y, row + g) + first, last - first, to + first);
      } else {
        std::fill(to + first, to + last, 0.0f);
      }
    }
    if (left < reach) add_scaled(1, d_past.row(b, left - 1).data(), row_of(d_x, row), width);
  });
  for (i64 b = 0; b < d_past.extent(0); ++b) {
    for (i64 back = 1; back < reach; ++back) {  // newest first: older rows are still unread
      const auto to = d_past.row(b, back - 1);
      if (back + tokens < reach) {
        std::ranges::copy(d_past.row(b, back + tokens - 1), to.begin());
      } else {
        std::ranges::fill(to, 0.0f);
      }
      for (i64 g = back; g < std::min(reach, back + tokens); ++g) {
        const i64 first = group_begin(g, reach, width), last = group_begin(g + 1, reach, width);
        const float* from = row_of(d_y, b * tokens + g - back);
        for (i64 j = first; j < last; ++j) to[static_cast<std::size_t>(j)] += from[j];
      }
    }
  }
}

void activate(Mlp kind, Matrix in, MutableMatrix out) {
  const i64 hidden = out.columns;
  over_rows(in.rows, [&](i64 row) {
    const float* x = row_of(in, row);
    if (kind == Mlp::swiglu) {
      silu_multiply(x, x + hidden, row_of(out, row), hidden);
    } else {
      gelu(x, row_of(out, row), hidden);
    }
  });
}

void activate_backward(Mlp kind, Matrix in, Matrix d_out, MutableMatrix d_in) {
  const i64 hidden = d_out.columns;
  over_rows(in.rows, [&](i64 row) {
    const float* x = row_of(in, row);
    float* d_x = row_of(d_in, row);
    if (kind == Mlp::swiglu) {
      silu_multiply_backward(x, x + hidden, row_of(d_out, row), d_x, d_x + hidden, hidden);
    } else {
      gelu_backward(x, row_of(d_out, row), d_x, hidden);
    }
  });
}

}  // namespace longreach::model
