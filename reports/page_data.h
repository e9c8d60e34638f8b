// What report.html holds of a run, made small enough to be opened: tables by column, strings once,
// six significant digits, and no more rows, samples and points than a person can look at.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "core/record.h"
#include "reports/rows.h"

namespace longreach::reports {

/// At most `limit` records, as
///
///     {"total": rows in all, "statuses": {"ok": cells in all, ...},
///      "left_out": [{"what": "questions/recall by distance", "rows": 120}, ...],
///      "cells": {"rows": n, "columns": {"cell_id": COLUMN, ...}},
///      "records": {"rows": n, "columns": {"cell": COLUMN of rows of cells, "metric": COLUMN,
///      ...}}}
///
/// A COLUMN is {"all": value}; or {"dictionary": [values], "rows": [places in it]}; or a list of
/// values. Whole kinds of rows are left out, least important first: parts and depths of what is no
/// task's main score, then of main scores, then pooled numbers. Only a kind of pooled rows too many
/// for all of the page is cut, to the first seeds and rates.
nlohmann::ordered_json page_records(const Rows<Record>&, i64 limit);

/// {"total": answers in all, "totals": {cell_id: answers of that cell}, "shown": {"rows": n,
/// "columns":
/// {"cell_id": COLUMN, ..., "scores": COLUMN of JSON texts}}}: the same number from each cell, and
/// from each depth of its evidence, about `limit` in all, so that the backends' answers to one
/// question stand side by side; fewer where their texts are long. Samples without a hash, which are
/// repetitions of a timing, do not count.
nlohmann::ordered_json page_samples(const Rows<SampleRecord>&, i64 limit);

/// {"total": curves in all, "shown": [curves]}, evenly thinned.
nlohmann::ordered_json page_curves(const Rows<Curve>&);

}  // namespace longreach::reports
