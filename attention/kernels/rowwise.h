// Row-wise steps over all rows of a segment at once, most of them of a compressive memory.
#pragma once

#include "core/tensor.h"

namespace longreach::attention::kernels {

/// to [rows, D] = ELU(x) + 1 of x [rows, D].
void features_of(View<const float, 2> x, float* to);

/// For each row i of `values` [rows, D]: denominators[i] = features[i] . normalizer, of F numbers
/// each, and the row is divided by it.
void normalize(const float* features, const float* normalizer, i64 rows, i64 f, i64 d,
               float* values, float* denominators);

/// Gradient of normalize(), whose results `values` and `denominators` are. `d_values` arrives as
/// the gradient of the normalized rows and leaves as that of the rows before; adds to the gradients
/// of the features and of the normalizer.
void undo_normalize(const float* features, const float* normalizer, const float* values,
                    const float* denominators, i64 rows, i64 f, i64 d, float* d_values,
                    float* d_features, float* d_normalizer);

/// to [rows, D] = a x.
void scale_into(float a, View<const float, 2> x, View<float, 2> to);

/// Sum over all rows of a . b.
double dot_rows(View<const float, 2> a, View<const float, 2> b);

/// out = a x + b y, row by row; y is [rows, D], dense. `out` may be x.
void blend(float a, View<const float, 2> x, float b, const float* y, View<float, 2> out);

/// to = from, both [rows, D].
void copy_rows(View<const float, 2> from, View<float, 2> to);

/// sums [D] += the sum of the rows of x [rows, D].
void add_column_sums(const float* x, i64 rows, i64 d, float* sums);

}  // namespace longreach::attention::kernels
