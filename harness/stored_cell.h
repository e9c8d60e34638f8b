// A cell as the store holds it: texts, and a digest over them.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/database.h"
#include "harness/json_io.h"

namespace longreach::harness {

/// Where a cell's rows lie, each a line of JSON (harness/json_io.h), and in that order in its
/// digest.
inline constexpr std::array<std::string_view, 3> kRowTables{"measurements", "samples", "curves"};
enum RowTable : std::size_t { kMeasurements, kSamples, kCurves };

struct StoredCell {
  std::string id, status, reason, info;
  std::array<std::vector<std::string>, kRowTables.size()> rows;
};

StoredCell stored_cell(const Outcome&);

/// SHA-256, hex, of all of a cell's texts, none of which can pass for part of its neighbour.
std::string digest(const StoredCell&);

/// Replaces what was known of the cell. Within a transaction of the caller's.
void write_cell(const Database&, const StoredCell&);

/// Nothing when the cell is not there. Throws DamagedStore when its texts do not have the digest
/// that was stored with them.
std::optional<StoredCell> read_cell(const Database&, const std::string& id);

/// A cell's rows in one table, in order, without a look at the digest.
std::vector<std::string> read_rows(const Database&, const std::string& id, std::size_t table);

/// The whole cell without a look at the digest.
std::optional<StoredCell> read_cell_unchecked(const Database&, const std::string& id);

}  // namespace longreach::harness
