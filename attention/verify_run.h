// Random problems for verify, and the ways to run a backend over them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "attention/backend.h"
#include "core/random.h"

namespace longreach::attention {

/// Random inputs and cotangents for B streams of T tokens.
struct Problem {
  Problem(const Backend& backend, i64 batch, i64 tokens, const Rng& rng, bool repeated = false);

  i64 batch, tokens;
  Tensor q, k, v;              ///< [B, T, heads, D]
  Tensor projected;            ///< [B, T, P]
  Tensor repeats;              ///< [B, T], 1 to 8; or empty, where tokens are not repeated
  Tensor d_out;                ///< [B, T, Hq, D]
  std::vector<float> weights;  ///< the initial values plus unit normals, so that no gate is 1/2
  State d_state;               ///< cotangent of the state after the stream

  Chunk chunk(i64 begin, i64 count) const;
  /// The problem of stream b alone; its d_state too.
  Problem stream(i64 b) const;
};

/// What a run of forward() calls left behind.
struct Pass {
  Tensor out;  ///< [B, T, Hq, D]; tokens not run are 0
  State state;
  std::vector<i64> cuts;
  std::vector<Tape> tapes;
};

struct Gradients {
  Tensor q, k, v, projected;
  std::vector<float> weights;
  State state;  ///< of the state the pass began with
};

/// Feeds tokens [start.position, start.position + sum of cuts) in calls of those lengths.
Pass run(const Backend& backend, const Problem& problem, State start, std::span<const i64> cuts,
         bool keep_tapes);
/// From an empty state.
Pass run(const Backend& backend, const Problem& problem, std::span<const i64> cuts,
         bool keep_tapes);

/// Undoes a pass kept with tapes, call by call from the last. Every gradient starts at `held`.
Gradients undo(const Backend& backend, const Problem& problem, const Pass& pass, State d_state,
               float held = 0);

/// Lengths >= 1 that sum to `tokens`: short ones, and now and then a long one.
std::vector<i64> random_cuts(i64 tokens, Rng& rng);
/// "3,1x40,2": 40 calls of one token between two others.
std::string describe_cuts(std::span<const i64> cuts);

/// Streams and weights of a problem in float64, for reference().
struct ReferenceProblem {
  explicit ReferenceProblem(const Problem& problem);
  std::vector<double> weights;
  std::vector<ReferenceStream> streams;
  std::vector<std::vector<double>> d_out;

  /// Sum of d_out * reference() for stream b.
  double loss(const Backend& backend, std::size_t b) const;
};

/// max|a - b| / max(max|b|, floor); 1e300 when anything is not finite.
double relative_error(std::span<const float> a, std::span<const double> b, double floor = 0);
double relative_error(std::span<const float> a, std::span<const float> b, double floor = 0);
double largest(std::span<const float> a);
/// How many numbers differ in their bits; all of them when sizes or storage do.
i64 bits_differing(std::span<const float> a, std::span<const float> b);
i64 bits_differing(const Tensor& a, const Tensor& b);
i64 bits_differing(const State& a, const State& b);
/// Stream b of a tensor whose first extent is the batch. Throws Error when it is not.
Tensor stream_rows(const Tensor& tensor, i64 batch, i64 b);

}  // namespace longreach::attention
