// Between a cell's process and the store.
#include "harness/settle.h"

#include "harness/cell.h"

namespace longreach::harness {
namespace {

/// What is wrong with the weights that a cell was measured with; "" when nothing is.
std::string wrong_weights(const Store& store, const std::string& output, const Cell& cell,
                          const CellInfo& info) {
  if (cell.trained.empty() || info.weights_sha.empty()) return "";
  const std::optional<CellInfo> trained = store.find(cell.trained);
  if (!trained || trained->weights_sha == info.weights_sha) return "";
  return fmt::format(
      "{} holds other weights than its training ended in ({:.12} instead of {:.12}); delete it to "
      "train again, with --retry failed",
      weights_path(output, cell.trained), info.weights_sha, trained->weights_sha);
}

}  // namespace

void settle(Store& store, const std::string& output, const Cell& cell, Outcome& outcome) {
  if (outcome.unwritable) {
    throw WriteError(outcome.info.reason +
                     "; the run stops, since the next cell would fare no better. Everything "
                     "finished is stored, and the same command goes on");
  }
  if (const std::string wrong = wrong_weights(store, output, cell, outcome.info); !wrong.empty()) {
    outcome.info.status = Status::failed;
    outcome.info.reason = wrong;
    outcome.findings = {};
  }
  store_or_keep(store, output, outcome);
}

}  // namespace longreach::harness
