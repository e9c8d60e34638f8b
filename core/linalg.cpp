// Matrix products in blocks (Goto & van de Geijn 2008): a block of B is packed into panels once
// for all rows of A; a single row meets B where it lies.
#include "core/linalg.h"

#include <Eigen/Core>
#include <algorithm>
#include <omp.h>

#include "core/error.h"
#include "core/products.h"

namespace longreach {
namespace {

/// Numbers of a cache line, which no two threads should write.
constexpr i64 kLineNumbers = 16;

/// Numbers of B packed at a time, where it is not too deep for that, and the columns that they make
/// up: few enough for a cache, many enough that threads seldom wait for one another.
constexpr i64 kPackedNumbers = i64{1} << 20;
i64 columns_at_a_time(i64 depth) {
  constexpr i64 kLeast = 128;  // a multiple of every panel's width
  return std::max<i64>(1, kPackedNumbers / depth / kLeast) * kLeast;
}

Factor plain(Matrix m) { return {m.data, m.stride, 1}; }
Factor transposed(Matrix m) { return {m.data, 1, m.stride}; }

/// A product's operands: C (+)= A B, A with `depth` columns.
struct Product {
  Factor a, b;
  i64 depth;
  MutableMatrix c;
  Into into;
};

/// Run `part` of `parts` near-equal ones of [0, count), cut at multiples of `step`.
Range share_of(i64 count, i64 step, i64 part, i64 parts) {
  const i64 steps = (count + step - 1) / step;
  const i64 first = std::min(count, steps * part / parts * step);
  return {first, std::min(count, steps * (part + 1) / parts * step) - first};
}

/// Where A is a row and B lies transposed, row by row.
bool is_vector(const Product& p) {
  return p.c.rows == 1 && p.a.column_step == 1 && p.b.row_step == 1;
}

/// Rows of B that make up the numbers `range` of such a product.
void multiply_vector_share(const Product& p, Range range) {
  multiply_vector(p.a.data, Matrix(p.b.data, p.c.columns, p.depth, p.b.column_step), range,
                  p.c.data, p.into);
}

void multiply_row(const Product& p) {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Row = Eigen::Matrix<float, 1, Eigen::Dynamic>;
  using Stride = Eigen::OuterStride<>;
  if (is_vector(p)) return multiply_vector_share(p, {0, p.c.columns});
  const Eigen::Map<const Row, 0, Eigen::InnerStride<>> a(p.a.data, p.depth,
                                                         Eigen::InnerStride<>(p.a.column_step));
  const i64 n = p.c.columns;
  Eigen::Map<Row> c(p.c.data, n);
  if (p.into == Into::overwrite) c.setZero();
  if (p.b.column_step == 1) {
    c.noalias() +=
        a * Eigen::Map<const RowMajor, 0, Stride>(p.b.data, p.depth, n, Stride(p.b.row_step));
  } else {
    c.noalias() +=
        a * Eigen::Map<const RowMajor, 0, Stride>(p.b.data, n, p.depth, Stride(p.b.column_step))
                .transpose();
  }
}

Scratch room_for_panels(const Product& p) {
  const i64 width = panel_columns();
  const i64 columns = std::min(p.c.columns, columns_at_a_time(p.depth));
  return Scratch(static_cast<std::size_t>(p.depth * ((columns + width - 1) / width * width)));
}

/// Calls body(range) for the blocks of [0, depth).
template <class Body>
void each_block(i64 depth, const Body& body) {
  for (i64 k = 0; k < depth; k += kBlockDepth) body(Range{k, std::min(kBlockDepth, depth - k)});
}

/// What one of `threads` threads does of a product. All of them call it with the same `panels`;
/// `wait` returns when all have arrived. Each packs a share of B and computes the same rows of C
/// throughout.
template <class Wait>
void multiply_share(const Product& p, i64 thread, i64 threads, float* panels, const Wait& wait) {
  const i64 width = panel_columns(), step = columns_at_a_time(p.depth);
  const Range rows = share_of(p.c.rows, tile_height(), thread, threads);
  for (i64 column = 0; column < p.c.columns; column += step) {
    const Range columns{column, std::min(step, p.c.columns - column)};
    const Range own = share_of(columns.count, width, thread, threads);
    const i64 padded = (columns.count + width - 1) / width * width;
    if (column > 0) wait();
    each_block(p.depth, [&](const Range& depth) {
      pack_panels(p.b, depth, {column + own.first, own.count},
                  panels + depth.first * padded + own.first * depth.count);
    });
    wait();
    each_block(p.depth, [&](const Range& depth) {
      multiply_block(p.a, panels + depth.first * padded, rows, depth, columns, p.c,
                     depth.first > 0 ? Into::add : p.into);
    });
  }
}

void multiply_alone(const Product& p) {
  check(p.depth > 0, "a product needs columns of A");
  if (p.c.rows == 1) return multiply_row(p);
  Scratch panels = room_for_panels(p);
  multiply_share(p, 0, 1, panels.data(), [] {});
}

void multiply_together(const Product& p) {
  const double flops =
      2.0 * static_cast<double>(p.c.rows * p.c.columns) * static_cast<double>(p.depth);
  if (is_vector(p) && worth_threads(flops)) {
    const i64 shares = omp_get_max_threads();
#pragma omp parallel for schedule(static, 1)
    for (i64 share = 0; share < shares; ++share) {
      multiply_vector_share(p, share_of(p.c.columns, kLineNumbers, share, shares));
    }
    return;
  }
  const i64 most = (p.c.rows + tile_height() - 1) / tile_height();
  const i64 threads = std::min<i64>(omp_get_max_threads(), most);
  if (threads == 1 || !worth_threads(flops)) return multiply_alone(p);
  Scratch panels = room_for_panels(p);
#pragma omp parallel num_threads(static_cast <int>(threads))
  {
    multiply_share(p, omp_get_thread_num(), omp_get_num_threads(), panels.data(), [] {
#pragma omp barrier
    });
  }
}

Product nn(Matrix a, Matrix b, MutableMatrix c, Into into) {
  assert(a.columns == b.rows && c.rows == a.rows && c.columns == b.columns);
  return {plain(a), plain(b), a.columns, c, into};
}
Product nt(Matrix a, Matrix b, MutableMatrix c, Into into) {
  assert(a.columns == b.columns && c.rows == a.rows && c.columns == b.rows);
  return {plain(a), transposed(b), a.columns, c, into};
}
Product tn(Matrix a, Matrix b, MutableMatrix c, Into into) {
  assert(a.rows == b.rows && c.rows == a.columns && c.columns == b.columns);
  return {transposed(a), plain(b), a.rows, c, into};
}

}  // namespace

void multiply(Matrix a, Matrix b, MutableMatrix c, Into into) { multiply_alone(nn(a, b, c, into)); }
void multiply_nt(Matrix a, Matrix b, MutableMatrix c, Into into) {
  multiply_alone(nt(a, b, c, into));
}
void multiply_tn(Matrix a, Matrix b, MutableMatrix c, Into into) {
  multiply_alone(tn(a, b, c, into));
}
void parallel_multiply(Matrix a, Matrix b, MutableMatrix c, Into into) {
  multiply_together(nn(a, b, c, into));
}
void parallel_multiply_nt(Matrix a, Matrix b, MutableMatrix c, Into into) {
  multiply_together(nt(a, b, c, into));
}
void parallel_multiply_tn(Matrix a, Matrix b, MutableMatrix c, Into into) {
  multiply_together(tn(a, b, c, into));
}

}  // namespace longreach
