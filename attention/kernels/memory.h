// Row-wise steps of reading and writing a compressive memory, over all rows of a segment at once.
#pragma once

#include "core/tensor.h"

namespace longreach::attention::kernels {

/// to [rows, D] = ELU(x) + 1 of x [rows, D].
void features_of(View<const float, 2> x, float* to);

/// For each row i of `values` [rows, D]: denominators[i] = features[i] . normalizer, and the row is
/// divided by it.
void normalize(const float* features, const float* normalizer, i64 rows, i64 d, float* values,
               float* denominators);

/// out = a out + b x, row by row; x is [rows, D], dense.
void blend(float a, float b, const float* x, View<float, 2> out);

/// sums [D] += the sum of the rows of x [rows, D].
void add_column_sums(const float* x, i64 rows, i64 d, float* sums);

}  // namespace longreach::attention::kernels
