// Whether a model's layers did what their cost() declares, call by call.
#include "model/activity_account.h"

#include <fmt/format.h>

namespace longreach::model {

void ActivityAccount::add(i64 position, i64 tokens, const std::vector<LayerActivity>& calls) {
  const std::lock_guard lock(mutex_);
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    LayerActivity& sum = layers_[layer];
    const LayerActivity& call = calls[layer];
    if (!sum.differs && call.did != call.declared) {
      sum.differs = true;
      sum.position = position;
      sum.tokens = tokens;
    }
    sum.did += call.did;
    sum.declared += call.declared;
  }
}

std::vector<LayerActivity> ActivityAccount::layers() const {
  const std::lock_guard lock(mutex_);
  return layers_;
}

std::string ActivityAccount::mismatch() const {
  const std::vector<LayerActivity> all = layers();
  for (std::size_t layer = 0; layer < all.size(); ++layer) {
    const LayerActivity& one = all[layer];
    if (!one.differs) continue;
    const std::string totals = difference(one.did, one.declared);
    return fmt::format(
        "layer {} did {}; first in the call for tokens {} to {}", layer,
        totals.empty() ? "other than it declared, call by call, if not in sum" : totals,
        one.position, one.position + one.tokens - 1);
  }
  return "";
}

}  // namespace longreach::model
