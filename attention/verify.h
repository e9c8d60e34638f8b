// The conformance gate: holds any registered backend, plugins included, against its own definition
// and against the contract of attention/backend.h, using nothing but that contract.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attention/backend.h"

namespace longreach::attention {

/// The worst case of one property over all shapes and seeds tried; of failures the first, made
/// small.
struct Check {
  std::string name;  ///< "output", "chunked gradient", "causality", ...
  bool passed = true;
  double error = 0;      ///< measured; 1e300 stands for NaN or infinity
  double tolerance = 0;  ///< 0: equal to the bit
  std::string detail;    ///< the case behind `error`: shape, tokens, cuts, seed, place
};

struct VerifyOptions {
  std::uint64_t seed = 1;   ///< of the first round; round r uses seed + r
  i64 seeds = 2;            ///< rounds of random numbers and random cuts
  i64 long_stream = 65536;  ///< tokens of the long stream; 0 leaves it out
  bool quick = false;       ///< one round, fewer shapes, no long stream
  /// The backend cuts gradients by design: they are not the definition's, so `gradient` and `state
  /// gradient` are left out.
  bool truncated = false;
};

/// One set of parameters, ready for any shape.
using BackendFactory = std::function<std::unique_ptr<Backend>(const Shape&)>;

/// Runs every check over fixed shapes and, in each round, over shapes drawn from its seed: small
/// ones and, for all but `state gradient` and `accumulation`, wide heads and hundreds of tokens
/// (quick: one small one). A case that fails is shrunk while the same check goes on failing: the
/// report names the smallest found. Errors are relative to the largest magnitude expected: max|a -
/// b| / max|b|. Half of the cases repeat tokens (Chunk::repeats), each 1 to 8 times.
///
///   output             against reference(), 1e-5; where the state is stored coarsely, 8 times
///                      its state_rounding()
///   gradient           of q, k, v, projections and weights against central differences of
///                      reference(), 1e-4; or 32 times state_rounding(). Where they disagree,
///                      smaller steps and fewer coordinates, since a mechanism that chooses jumps
///   chunked output     random cuts and token by token against one call, 1e-5
///   chunked state      the same for the state after the stream, 1e-5
///   chunked gradient   the same for all gradients, with a cotangent on the final state, 1e-4
///   causality          outputs before a changed token keep their bits
///   state gradient     of a non-empty initial state, against differences of forward() itself, but
///                      for Backend::statistics(), whose gradient must leave as it arrives;
///                      those are float32, hence 1e-2; not of tensors stored as halves, which
///                      no small step can change
///   batch              a stream's outputs, state and gradients have the same bits alone; state
///                      tensors have the batch as their first extent
///   accumulation       backward() adds to what the gradients held, 1e-5
///   repeatable         the same call gives the same bits of everything, another stream in between;
///                      of a backend that appends(), from the state after it set back, too
///   tape               outputs with and without a tape agree, 1e-5
///   layout             strided views give the bits of dense ones; nothing beside them is touched
///   capacity           a larger state gives the same outputs, 1e-5
///   state bytes        held = state_bytes(capacity) x batch, before and after the stream
///   activity           counted = cost(0, T).activity, at every cut
///   additive cost      cost(p, a + b) = cost(p, a) + cost(p + a, b)
///   long stream        stays finite and ends at reference(), as `output`
///
/// Never throws for a failing backend: what it throws becomes a failed check "runs".
std::vector<Check> verify(const BackendFactory& make, const VerifyOptions& options);

/// A parameter set worth verifying.
struct Variant {
  std::string parameters;  ///< what differs from the defaults: "segment: 5, update: delta"
  BackendFactory make;
  bool long_stream = false;  ///< whether the long stream runs on it
  bool truncated = false;    ///< see VerifyOptions
};

/// Parameter sets of a registered type, derived from its fields alone: the defaults; the same with
/// integers above 16 set to 5, so that short streams cross windows and segments; then, on top of
/// that, one change at a time: each other choice, each boolean and optional group flipped, each
/// integer at its minimum (or at 2 where that is the default); and all changes of choice at once.
/// A change that the constructor refuses alone with Error is made together with each one other;
/// what it still refuses is left out. A field named `bptt` that is not 0 makes a variant
/// `truncated`. Throws Error for an unknown type.
std::vector<Variant> variants(std::string_view type);

/// The same for a variant: its long stream and its gradients as far as they apply.
std::vector<Check> verify(const Variant& variant, VerifyOptions options);

struct VariantVerdict {
  std::string parameters;
  std::vector<Check> checks;
  bool passed() const;
};

/// verify() over all variants of a registered type.
std::vector<VariantVerdict> verify_registered(std::string_view type, const VerifyOptions& options);

}  // namespace longreach::attention
