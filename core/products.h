// The two steps that blocked matrix products are made of, on register tiles chosen for the
// processor at run time: packing a block of B, and meeting it with rows of A.
#pragma once

#include "core/linalg.h"

namespace longreach {

/// A matrix as a product meets it: perhaps transposed. One of its steps is 1.
struct Factor {
  const float* data;
  i64 row_step, column_step;
  const float* at(i64 row, i64 column) const {
    return data + row * row_step + column * column_step;
  }
};

struct Range {
  i64 first, count;
};

/// The deepest block of B: one of its panels and the rows of A it meets fit the first cache.
inline constexpr i64 kBlockDepth = 256;

/// Columns of a panel.
i64 panel_columns();
/// Rows that share a register tile; shares of a product are cut at multiples.
i64 tile_height();

/// Panels of B's rows `depth` and columns `columns`, to [columns / width][depth][width]; missing
/// columns of the last are zero.
void pack_panels(const Factor& b, Range depth, Range columns, float* to);

/// Rows `rows` and columns `columns` of C (+)= A's columns `depth` (at most kBlockDepth) times the
/// panels of that block of B. A row's numbers do not depend on which others are computed with it.
void multiply_block(const Factor& a, const float* panels, Range rows, Range depth, Range columns,
                    const MutableMatrix& c, Into into);

/// c[i] (+)= the sum over k < depth of a[k] B[i, k], for the rows i of B in `rows`: each
/// is read once and in order, at the pace of the memory.
void multiply_vector(const float* a, Matrix b, Range rows, float* c, Into into);

}  // namespace longreach
