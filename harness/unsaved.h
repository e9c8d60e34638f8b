// What becomes of an outcome that the store does not take.
#pragma once

#include <array>
#include <span>
#include <string>

#include "harness/store.h"

namespace longreach::harness {

/// Seconds between one try to store an outcome and the next.
inline constexpr std::array<double, 3> kStoreWaits{1, 4, 15};

/// Stores an outcome. When the store does not take it, says so and tries again after each of
/// `waits`; then keeps it as `output`/unsaved/CELL.json, or else in the folder for temporary files,
/// and throws WriteError that says where it is and what to do: no further cell should be run.
void store_or_keep(Store&, const std::string& output, const Outcome&,
                   const Store::Tell& tell = tell_on_stderr,
                   std::span<const double> waits = kStoreWaits);

/// Stores what lies in `output`/unsaved and removes it there. What is not whole is told of and put
/// aside; its cell is run again. Throws as Store::finish().
void take_in_unsaved(Store&, const std::string& output, const Store::Tell& tell = tell_on_stderr);

}  // namespace longreach::harness
