// What the float64 references of softmax-type backends share. Plain, slow, token by token.
#pragma once

#include <functional>
#include <vector>

#include "attention/backend.h"
#include "attention/rope.h"

namespace longreach::attention {

/// A key that a query sees, and the positions at which the two are turned when they meet.
struct ReferenceKey {
  i64 index;
  i64 query_position, key_position;
};

/// softmax(q . k / sqrt(D)) v over the keys `seen(t)` for every token and head: [T, Hq, D].
std::vector<double> reference_softmax(const Shape& shape, const ReferenceStream& in,
                                      const std::function<std::vector<ReferenceKey>(i64 t)>& seen,
                                      const Rope& rope);

}  // namespace longreach::attention
