// `longreach attend`: runs one backend on tensors from outside, so that anyone can hold it against
// their own code in any language.
#pragma once

#include <string>
#include <vector>

#include "core/tensor.h"

namespace longreach::harness {

struct AttendOptions {
  std::string backend;      ///< YAML: "infini", "{infini: {segment: 16, update: delta}}"
  std::string in, out;      ///< safetensors files
  std::vector<i64> chunks;  ///< lengths of the calls that cut the stream; empty: one call
};

/// Reads from `in` (F32 or F64):
///   q [B,T,Hq,D], k [B,T,Hkv,D], v [B,T,Hkv,D]
///   repeats [B,T]  optional, positive: attention::Chunk::repeats
///   projected.NAME [B,T,size]  optional, for backends with projections; absent ones are 0
///   weights.NAME   optional; absent weights hold their initial values
///   state.NAME     optional initial state; absent tensors are empty
///   d_out [B,T,Hq,D], d_state.NAME   optional loss gradients of outputs and final state; either
///                  asks for a backward pass, the absent ones are zero
/// with optional metadata `position` (tokens consumed before, 0) and `capacity` (the longest that
/// the stream may grow, position + T). Names and shapes of weights and state tensors are the
/// backend's own.
///
/// Writes to `out` (F32): out, state.NAME, and after a backward pass d_q, d_k, d_v,
/// d_projected.NAME, d_weights.NAME and d_state.NAME (of the initial state), with the final
/// `position` and `capacity` as metadata, so that its state.* can open a further call.
///
/// Throws Error for a malformed backend, a tensor that is missing, misshapen, not finite or
/// unknown, and chunks that do not sum to T.
void attend(const AttendOptions& options);

}  // namespace longreach::harness
