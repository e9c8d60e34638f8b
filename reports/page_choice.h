// Which records a page shows when there are more than it can hold.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.h"

namespace longreach::reports {

/// Counts records by kind, then says of each whether it is shown.
class PageChoice {
 public:
  void count(const Record&);
  /// After all have been counted: leaves out the least important kinds until `limit` rows are left.
  void choose(i64 limit);
  /// The records again, in the same order.
  bool shown(const Record&);

  struct LeftOut {
    std::string what;  ///< "questions/recall by distance"
    i64 rows;
  };
  /// Most rows first.
  std::vector<LeftOut> left_out() const;

 private:
  /// Rows of one task and metric, told apart by the same things.
  struct Kind {
    std::string task, metric, part;  ///< "distance", "depth", "layer, head"; "": pooled
    bool broken = false;
    i64 rows = 0, room = 0;
    std::vector<std::string> variants;  ///< seeds and rates, in order of appearance
    std::map<std::string, i64> rows_of, room_of;
  };
  Kind& kind_of(const Record&);
  int importance(const Kind&) const;
  static i64 give_room(Kind&, i64 room);

  std::map<std::string, std::size_t> places_;
  std::vector<Kind> kinds_;
  std::map<std::string, std::vector<std::string>> measured_;  ///< metrics by task
};

}  // namespace longreach::reports
