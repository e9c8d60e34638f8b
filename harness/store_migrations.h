// How a store came to its present form, and how those of earlier programs get there.
#pragma once

#include <functional>
#include <string>

#include "harness/database.h"

namespace longreach::harness {

inline constexpr int kStoreVersion = 2;

/// "LRch" in the file's header: a database that says so is ours.
inline constexpr int kStoreApplication = 0x4c526368;

/// Makes an empty store of the present version in an empty database: all or nothing.
void create_schema(const Database&);

/// Brings a store of an earlier version to the present one, in one transaction, once a copy of it
/// lies beside it as PATH.v1 (of version 1); nothing for one of the present. Throws Error for
/// a database that is not ours, or newer, saying what to do; both stay as they are.
void migrate(const Database&, const std::function<void(const std::string&)>& tell);

}  // namespace longreach::harness
