// Names for trained models.
#include "reports/trained.h"

#include "core/error.h"

namespace longreach::reports {

void Trained::add(const CellInfo& cell) {
  Seen& mine = seen_[{cell.model, cell.backend}];
  mine.seeds.insert(cell.seed);
  mine.rates.insert(cell.lr);
}

std::string Trained::name(const CellInfo& cell) const {
  const Seen& mine = seen_.at({cell.model, cell.backend});
  std::string text = cell.model.empty() ? cell.backend : cell.model + "/" + cell.backend;
  if (mine.seeds.size() > 1 && cell.seed) text += fmt::format("/seed={}", *cell.seed);
  if (mine.rates.size() > 1 && cell.lr) text += fmt::format("/lr={}", *cell.lr);
  return text;
}

}  // namespace longreach::reports
