// Collects what is wrong with a configuration, so that one run tells all of it.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace longreach::harness {

/// The text on one line of at most a few hundred characters: control characters and bytes that are
/// not UTF-8 are escaped, and the middle of what is longer is left out. For what strangers wrote,
/// where it is shown.
std::string one_line(std::string_view text);

/// Problems in the order found, each once.
class Problems {
 public:
  /// How many are told; of the others, only their number.
  static constexpr std::size_t kMostTold = 50;

  void add(std::string_view problem);
  bool empty() const { return seen_.empty(); }
  /// Whether further ones are only counted: no need to word them well.
  bool full() const { return told_.size() >= kMostTold; }
  /// Throws one Error of them, a line each; nothing when there are none.
  void raise() const;

 private:
  std::set<std::string> seen_;
  std::vector<std::string> told_;
};

}  // namespace longreach::harness
