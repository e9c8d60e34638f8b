// Whether a model's layers did what their cost() declares, call by call.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "attention/backend.h"

namespace longreach::model {

/// What one layer's forward() calls did, and what its cost() declares for the same calls; each call
/// counts one of its streams.
struct LayerActivity {
  attention::Activity did, declared;
  /// The first call in which the two differ: tokens [position, position + tokens).
  bool differs = false;
  i64 position = 0, tokens = 0;
};

/// Gathers them over all calls of a model and of its copies; thread-safe.
class ActivityAccount {
 public:
  explicit ActivityAccount(std::size_t layers) : layers_(layers) {}

  /// One call for tokens [position, position + tokens) of each stream; `calls` has did and declared
  /// of each layer.
  void add(i64 position, i64 tokens, const std::vector<LayerActivity>& calls);

  std::vector<LayerActivity> layers() const;

  /// The first layer that ever did other than it declared: counters, totals of both and the first
  /// such call. "" when there is none.
  std::string mismatch() const;

 private:
  mutable std::mutex mutex_;
  std::vector<LayerActivity> layers_;
};

}  // namespace longreach::model
