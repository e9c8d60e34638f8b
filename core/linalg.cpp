#define EIGEN_USE_BLAS
#define EIGEN_DONT_PARALLELIZE

#include "core/linalg.h"

#include <Eigen/Core>
#include <algorithm>
#include <omp.h>

#include "core/error.h"

namespace longreach {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Strided = Eigen::OuterStride<>;

Eigen::Map<const RowMajor, 0, Strided> map(Matrix m) {
  return {m.data, m.rows, m.columns, Strided(m.stride)};
}
Eigen::Map<RowMajor, 0, Strided> map(MutableMatrix m) {
  return {m.data, m.rows, m.columns, Strided(m.stride)};
}

template <class Product>
void store(const Product& product, MutableMatrix c, Into into) {
  if (into == Into::add) {
    map(c).noalias() += product;
  } else {
    map(c).noalias() = product;
  }
}

/// Calls work(first, count) once a thread on near-equal runs of rows.
template <class Work>
void split_rows(i64 rows, double flops, const Work& work) {
  const i64 threads = std::min<i64>(omp_get_max_threads(), std::max<i64>(1, rows));
  if (threads == 1 || !worth_threads(flops)) {
    work(0, rows);
    return;
  }
#pragma omp parallel for num_threads(static_cast <int>(threads)) schedule(static, 1)
  for (i64 thread = 0; thread < threads; ++thread) {
    const i64 first = rows * thread / threads;
    work(first, rows * (thread + 1) / threads - first);
  }
}

MutableMatrix rows_of(MutableMatrix m, i64 first, i64 count) {
  return {m.data + first * m.stride, count, m.columns, m.stride};
}
Matrix rows_of(Matrix m, i64 first, i64 count) {
  return {m.data + first * m.stride, count, m.columns, m.stride};
}
Matrix columns_of(Matrix m, i64 first, i64 count) {
  return {m.data + first, m.rows, count, m.stride};
}

}  // namespace

void multiply(Matrix a, Matrix b, MutableMatrix c, Into into, float scale) {
  assert(a.columns == b.rows && c.rows == a.rows && c.columns == b.columns);
  store(scale * map(a) * map(b), c, into);
}

void multiply_nt(Matrix a, Matrix b, MutableMatrix c, Into into, float scale) {
  assert(a.columns == b.columns && c.rows == a.rows && c.columns == b.rows);
  store(scale * map(a) * map(b).transpose(), c, into);
}

void multiply_tn(Matrix a, Matrix b, MutableMatrix c, Into into, float scale) {
  assert(a.rows == b.rows && c.rows == a.columns && c.columns == b.columns);
  store(scale * map(a).transpose() * map(b), c, into);
}

void parallel_multiply(Matrix a, Matrix b, MutableMatrix c, Into into) {
  split_rows(c.rows, 2.0 * c.rows * c.columns * a.columns, [&](i64 first, i64 count) {
    multiply(rows_of(a, first, count), b, rows_of(c, first, count), into);
  });
}

void parallel_multiply_nt(Matrix a, Matrix b, MutableMatrix c, Into into) {
  split_rows(c.rows, 2.0 * c.rows * c.columns * a.columns, [&](i64 first, i64 count) {
    multiply_nt(rows_of(a, first, count), b, rows_of(c, first, count), into);
  });
}

void parallel_multiply_tn(Matrix a, Matrix b, MutableMatrix c, Into into) {
  split_rows(c.rows, 2.0 * c.rows * c.columns * a.rows, [&](i64 first, i64 count) {
    multiply_tn(columns_of(a, first, count), b, rows_of(c, first, count), into);
  });
}

}  // namespace longreach
