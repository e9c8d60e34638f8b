// `verify`: the conformance gate for backends, as text.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attention/verify.h"

namespace longreach::harness {

struct VerifyRequest {
  std::vector<std::string> backends;  ///< registered types; empty = all
  std::vector<std::string> set;       ///< "window=64", "infini.segment=16": one parameter set
                                      ///< instead of the variants
  attention::VerifyOptions options;
};

/// Checks each backend, giving a line a check to `print`. True when all passed. Throws Error for
/// unknown names and parameters.
bool verify_backends(const VerifyRequest&, const std::function<void(const std::string&)>& print);

}  // namespace longreach::harness
