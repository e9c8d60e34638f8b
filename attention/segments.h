// Segments of a stream, whose borders sit at absolute multiples of their length: how a stream is
// cut into calls cannot move them.
#pragma once

#include <algorithm>
#include <vector>

#include "core/tensor.h"

namespace longreach::attention {

/// The part of a call that lies in one segment: tokens [first, first + rows) of the chunk, at
/// places [place, place + rows) of their segment.
struct Piece {
  i64 segment, place, first, rows;
  bool closes;  ///< its last token ends the segment
  i64 end() const { return place + rows; }
  i64 last() const { return first + rows - 1; }  ///< its last token, in the chunk
  bool whole() const { return place == 0 && closes; }
};

inline std::vector<Piece> cut_at_segments(i64 position, i64 tokens, i64 length) {
  std::vector<Piece> pieces;
  for (i64 first = 0; first < tokens;) {
    const i64 place = (position + first) % length;
    const i64 rows = std::min(length - place, tokens - first);
    pieces.push_back({(position + first) / length, place, first, rows, place + rows == length});
    first += rows;
  }
  return pieces;
}

}  // namespace longreach::attention
