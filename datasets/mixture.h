// Several datasets as one, for a model that is to learn several tasks.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/random.h"
#include "datasets/dataset.h"

namespace longreach::datasets {

/// Raised when it changes which sample is which part's, or what becomes of it.
inline constexpr i64 kMixtureVersion = 1;

struct MixturePart {
  std::string name;  ///< what its questions' kinds begin with
  std::unique_ptr<Dataset> data;
};

/// Each part has one of every parts.size() samples in a row, in an order drawn
/// anew for each row: of n parts, samples n b to n b + n - 1 are each part's
/// sample b. A dataset that is several parts weighs more. The loss weights of
/// each sample add up to 1, so that a passage of text, all of which is to be
/// predicted, weighs as much as a sample with a short answer. As many samples
/// as the smallest part lasts; the documents of all parts. At least one part.
std::unique_ptr<Dataset> mixture(std::vector<MixturePart> parts, const Rng& rng);

/// Dataset::sha() of a mixture of parts with these; "" when all are "".
std::string mixture_sha(std::span<const std::string> shas);

}  // namespace longreach::datasets
