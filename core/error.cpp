#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>

namespace longreach {

void check(bool holds, std::string_view what, std::source_location where) {
  if (holds) return;
  fmt::print(stderr, "longreach: internal error at {}:{}: {}\n", where.file_name(), where.line(),
             what);
  std::abort();
}

namespace {

/// Levenshtein distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  constexpr std::size_t kLongest = 200;  // what is longer was never meant to be a name
  if (name.size() > kLongest) return best;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string near = nearest(name, candidates);
  if (!near.empty()) return fmt::format("; did you mean '{}'?", near);
  return candidates.empty() ? "" : fmt::format("; known: {}", fmt::join(candidates, ", "));
}

void require_finite(const float* values, long count, std::string_view where) {
  for (long i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) throw error("{}: value {} is {}", where, i, values[i]);
  }
}

}  // namespace longreach
