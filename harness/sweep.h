// Lists and ranges written where one value is expected: an entry is read once for each combination.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/units.h"

namespace longreach::harness {

/// The most values of one list, ranges written out; and the most models, backends or tasks that the
/// sweeps of a configuration make.
inline constexpr std::size_t kMostValues = 10000;
inline constexpr double kMostEntries = 10000;

/// "512..4096*2" -> 512, 1024, 2048, 4096; "1..4+1" -> 1, 2, 3, 4; other text -> itself. Nothing
/// when the range is malformed or longer than 1000.
std::optional<std::vector<std::string>> expand_range(const std::string& text, Unit unit);

/// Lists written where one value is expected. Reading the same mapping again after each advance()
/// visits every combination, the last list fastest.
class Sweep {
 public:
  /// The index to read now of the list at `path`. Items without a key tell theirs themselves.
  std::size_t pick(const std::string& path, std::string_view key,
                   const std::vector<std::string>& items);
  /// Moves to the next combination; false after the last.
  bool advance();
  /// How many there are of the lists met so far.
  double combinations() const;
  /// " update=delta segment=64" for the combination just read; "" without lists.
  std::string suffix() const;

 private:
  struct Axis {
    std::string path, key;
    std::vector<std::string> items;
    std::size_t index = 0;
  };
  std::vector<Axis> axes_;
};

}  // namespace longreach::harness
