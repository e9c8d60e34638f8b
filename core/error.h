// The one exception type, for what a user can put right, and the check for our own mistakes.
#pragma once

#include <fmt/format.h>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace longreach {

/// Something the user can put right. The message says where, what was found and what would do:
/// "sweep.yaml:7 backends[1].windw: unknown key; did you mean 'window'?"
struct Error : std::runtime_error {
  using runtime_error::runtime_error;
};

/// Error with a formatted message.
template <class... Args>
Error error(fmt::format_string<Args...> format, Args&&... args) {
  return Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Aborts with the place when `holds` is false: a mistake of ours, never of the user's.
void check(bool holds, std::string_view what,
           std::source_location where = std::source_location::current());

/// The candidate nearest to `name` by edit distance, or "" when none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

/// "; did you mean 'window'?" or, when nothing is near, "; known: a, b, c".
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

/// Throws Error naming `where` and the index if any value is NaN or infinite.
void require_finite(const float* values, long count, std::string_view where);

}  // namespace longreach
