// What can still be read of a damaged store.
#pragma once

#include <string>

namespace longreach::harness {

/// Puts a new store in the place of the damaged one at `path`, with every cell whose rows can be
/// read and have their digest, the plan and the notes of the run; the damaged one stays beside it
/// as PATH.damaged. Whatever moment this is killed at, `path` is one of the two. The caller holds
/// the folder (OutputLock). Returns what was done, for people. Throws DamagedStore, with all left
/// as it was, when no cell can be read.
std::string salvage(const std::string& path);

}  // namespace longreach::harness
