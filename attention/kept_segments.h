// Which past segments are worth keeping whole: what the adaptive backend and its reference share.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/tensor.h"

namespace longreach::attention {

/// What is known of a candidate when a segment closes and one of n + 1 must go.
struct Candidate {
  double relevance;  ///< mean query of the closing segment . mean key of the candidate / sqrt(D)
  double mass;       ///< running share of the queries' attention
};

/// The candidate with the least sum of its share of relevance (a softmax) and its share of the
/// masses, as far as each counts; the oldest of equals, so that with neither the kept segments are
/// a window.
inline i64 least_worth(const std::vector<Candidate>& candidates, bool by_relevance,
                       bool by_feedback) {
  double top = -INFINITY, total = 0, mass = 0;
  for (const Candidate& c : candidates) top = std::max(top, c.relevance), mass += c.mass;
  for (const Candidate& c : candidates) total += std::exp(c.relevance - top);
  i64 least = 0;
  double least_score = INFINITY;
  for (i64 i = 0; i < std::ssize(candidates); ++i) {
    const double relevance = by_relevance ? std::exp(candidates[i].relevance - top) / total : 0;
    const double feedback = by_feedback && mass > 0 ? candidates[i].mass / mass : 0;
    if (relevance + feedback < least_score) least = i, least_score = relevance + feedback;
  }
  return least;
}

/// A kept segment's mass after a segment in which it got `earned` of a query's attention: half of
/// what counts is the last segment, a quarter the one before.
template <class Float>
Float running_mass(Float mass, Float earned) {
  return (mass + earned) / 2;
}

}  // namespace longreach::attention
