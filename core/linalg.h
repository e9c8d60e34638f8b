// Matrix products on row-major memory.
#pragma once

#include "core/tensor.h"

namespace longreach {

/// A row-major matrix whose rows are `stride` floats apart.
struct Matrix {
  const float* data;
  i64 rows, columns, stride;
  Matrix(const float* d, i64 r, i64 c) : data(d), rows(r), columns(c), stride(c) {}
  Matrix(const float* d, i64 r, i64 c, i64 s) : data(d), rows(r), columns(c), stride(s) {}
};
struct MutableMatrix {
  float* data;
  i64 rows, columns, stride;
  MutableMatrix(float* d, i64 r, i64 c) : data(d), rows(r), columns(c), stride(c) {}
  MutableMatrix(float* d, i64 r, i64 c, i64 s) : data(d), rows(r), columns(c), stride(s) {}
};

enum class Into { overwrite, add };

/// Whether so much work pays for waking the other threads: below, a fork costs more than it brings.
inline bool worth_threads(double flops) { return flops >= 2e5; }

// One thread each; safe inside parallel regions. A's columns (in the third, rows) are at least one.
void multiply(Matrix a, Matrix b, MutableMatrix c, Into);     ///< C = A B
void multiply_nt(Matrix a, Matrix b, MutableMatrix c, Into);  ///< C = A B^T
void multiply_tn(Matrix a, Matrix b, MutableMatrix c, Into);  ///< C = A^T B

// The same over all OpenMP threads, split by rows of C: the bits do not depend on how many there
// are. Not for use inside a parallel region. A product of one row sums in another order than the
// same row among others: there equality ends at rounding.
void parallel_multiply(Matrix a, Matrix b, MutableMatrix c, Into);
void parallel_multiply_nt(Matrix a, Matrix b, MutableMatrix c, Into);
void parallel_multiply_tn(Matrix a, Matrix b, MutableMatrix c, Into);

}  // namespace longreach
