// Makes registered backends from text, and runs them, for the tests of this folder.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "attention/backend.h"
#include "attention/verify_run.h"
#include "tests/settings.h"

namespace longreach::attention {

inline std::unique_ptr<Backend> make_backend(const std::string& type, tests::Settings settings,
                                             const Shape& shape) {
  return tests::make<AttentionRegistry>(type, std::move(settings), shape);
}

/// Outputs of a whole problem in one call.
inline Tensor outputs(const Backend& backend, const Problem& problem) {
  const i64 whole[] = {problem.tokens};
  return run(backend, problem, whole, false).out;
}

/// All gradients of a whole problem for the loss sum(d_out * out): nothing depends on the final
/// state.
inline Gradients gradients(const Backend& backend, const Problem& problem) {
  const i64 whole[] = {problem.tokens};
  const Pass pass = run(backend, problem, whole, true);
  return undo(backend, problem, pass, problem.d_state.zero_like());
}

/// The floats of stream b of a batch-first tensor.
inline std::span<const float> stream_of(const Tensor& tensor, i64 b) {
  const std::size_t stride = static_cast<std::size_t>(tensor.size() / tensor.shape()[0]);
  return tensor.flat().subspan(static_cast<std::size_t>(b) * stride, stride);
}

inline void set_all(Tensor& tensor, float value) {
  for (float& x : tensor.flat()) x = value;
}

}  // namespace longreach::attention
