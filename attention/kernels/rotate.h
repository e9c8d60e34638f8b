// Rotary positions on many rows at once.
#pragma once

#include "core/tensor.h"

namespace longreach::attention::kernels {

/// Which elements of a row of D rotate together: i with i + D/2 as in Llama, or 2i with 2i + 1 as
/// in llama2.c.
enum class Pairing { half, interleaved };

/// out = rows of `in` [rows, D], each pair turned by the angle whose cosine and sine are in the
/// same row of the tables [rows, D/2]; backwards for `sign` -1. `out` may be `in`.
void rotate(Pairing pairing, const float* cosine, const float* sine, float sign,
            View<const float, 2> in, View<float, 2> out);

/// The same, and features [rows, D] = ELU(x) + 1 of `in`, which is read once. `out` is not `in`.
void rotate_with_features(Pairing pairing, const float* cosine, const float* sine, float sign,
                          View<const float, 2> in, View<float, 2> out, float* features);

/// features [rows, D] = ELU(x) + 1 of what rotate() would write.
void features_of_rotated(Pairing pairing, const float* cosine, const float* sine, float sign,
                         View<const float, 2> in, float* features);

}  // namespace longreach::attention::kernels
