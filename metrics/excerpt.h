// What of a context an answer hangs on, as text for people.
#pragma once

#include <span>
#include <string>

#include "datasets/dataset.h"
#include "datasets/tokenizer.h"

namespace longreach::metrics {

/// The first stretches of evidence with a few tokens around each, and the end of the context, where
/// the question stands; " […] " is what lies between. Of bounded length, however long the context
/// is. Evidence lies inside the context, or begins after it and is left out.
std::string excerpt(const datasets::Tokenizer&, std::span<const Token> context,
                    std::span<const datasets::Span> evidence = {});

}  // namespace longreach::metrics
