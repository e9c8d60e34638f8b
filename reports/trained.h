// Names for trained models: what the formats call a model that know models alone.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "core/record.h"

namespace longreach::reports {

/// A model under a backend is one model to them, and so is each of its trainings.
class Trained {
 public:
  void add(const CellInfo&);
  /// "reader/full"; where that was trained several times "reader/full/seed=2/lr=0.004", of the two
  /// what differs. Of cells that were added.
  std::string name(const CellInfo&) const;

 private:
  using Pair = std::pair<std::string, std::string>;
  struct Seen {
    std::set<std::optional<i64>> seeds;
    std::set<std::optional<double>> rates;
  };
  std::map<Pair, Seen> seen_;
};

}  // namespace longreach::reports
