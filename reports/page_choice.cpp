// Which records a page shows when there are more than it can hold.
#include "reports/page_choice.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "reports/main_scores.h"

namespace longreach::reports {
namespace {

/// "layer=0:head=3" -> "layer, head"; "near" -> "": such rows are pooled ones of their own.
std::string part_names(const std::string& subtask) {
  std::string names;
  for (std::size_t at = 0; at < subtask.size();) {
    const std::size_t equals = subtask.find('=', at);
    if (equals == std::string::npos) break;
    names += (names.empty() ? "" : ", ") + subtask.substr(at, equals - at);
    const std::size_t colon = subtask.find(':', equals);
    at = colon == std::string::npos ? subtask.size() : colon + 1;
  }
  return names;
}

bool removes(std::string& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.resize(text.size() - suffix.size());
  return true;
}

/// What a derived metric is of: "passkey/exact_match_difference" -> "passkey/exact_match".
std::string base_of(std::string metric) {
  for (const std::string_view suffix : {"_difference", "_ratio", "_by_distance", "_by_compressions",
                                        "/effective_length", "/horizon", "/horizon_compressions"}) {
    if (removes(metric, suffix)) break;
  }
  return metric;
}

std::string variant_of(const CellInfo& cell) {
  return fmt::format("{}|{}", cell.seed.value_or(-1), cell.lr.value_or(-1));
}

}  // namespace

PageChoice::Kind& PageChoice::kind_of(const Record& record) {
  const CellInfo& cell = record.cell;
  const Measurement& m = record.measurement;
  const bool broken = cell.status != Status::ok || m.metric.empty();
  std::string part = m.depth ? "depth" : part_names(m.subtask);
  if (m.metric.ends_with("_by_distance")) part = "distance";
  if (m.metric.ends_with("_by_compressions")) part = "compressions";
  const std::string key = broken ? std::string() : cell.task + '\x1f' + m.metric + '\x1f' + part;
  const auto [at, added] = places_.emplace(key, kinds_.size());
  if (added) {
    Kind& kind = kinds_.emplace_back();
    kind.broken = broken;
    kind.task = broken ? "" : cell.task;
    kind.metric = broken ? "cells without a result" : m.metric;
    kind.part = broken ? "" : part;
    if (!broken) measured_[cell.task].push_back(m.metric);
  }
  return kinds_[at->second];
}

void PageChoice::count(const Record& record) {
  Kind& kind = kind_of(record);
  ++kind.rows;
  const std::string variant = variant_of(record.cell);
  if (++kind.rows_of[variant] == 1) kind.variants.push_back(variant);
}

/// 0 is shown first.
int PageChoice::importance(const Kind& kind) const {
  if (kind.broken) return 0;
  const std::string base = base_of(kind.metric);
  const auto measured = measured_.find(kind.task);
  const bool main = measured != measured_.end() && main_score(kind.task, measured->second) == base;
  if (kind.part.empty()) return main || base.starts_with("latency/") ? 1 : 2;
  // What single heads do is all that introspection is about.
  if (main || base.starts_with("introspection/")) return kind.part == "depth" ? 3 : 4;
  return 5;
}

/// Whole seeds and rates as long as they fit, then the first rows of the next; what is taken.
i64 PageChoice::give_room(Kind& kind, i64 room) {
  for (const std::string& variant : kind.variants) {
    const i64 given = std::min(kind.rows_of[variant], room - kind.room);
    kind.room_of[variant] = given;
    kind.room += given;
  }
  return kind.room;
}

void PageChoice::choose(i64 limit) {
  std::vector<std::size_t> order(kinds_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<int> importances;
  for (const Kind& kind : kinds_) importances.push_back(importance(kind));
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return importances[a] < importances[b]; });
  i64 room = limit;
  for (const std::size_t i : order) {
    Kind& kind = kinds_[i];
    if (kind.rows <= room || importances[i] <= 2) room -= give_room(kind, room);
  }
}

bool PageChoice::shown(const Record& record) {
  Kind& kind = kind_of(record);
  if (kind.room == 0) return false;
  i64& room = kind.room_of[variant_of(record.cell)];
  if (room == 0) return false;
  --room;
  return true;
}

std::vector<PageChoice::LeftOut> PageChoice::left_out() const {
  std::map<std::string, i64> rows;
  for (const Kind& kind : kinds_) {
    if (kind.room == kind.rows) continue;
    rows[kind.part.empty() ? kind.metric : kind.metric + " by " + kind.part] +=
        kind.rows - kind.room;
  }
  std::vector<LeftOut> out;
  for (const auto& [what, count] : rows) out.push_back({what, count});
  std::stable_sort(out.begin(), out.end(),
                   [](const LeftOut& a, const LeftOut& b) { return a.rows > b.rows; });
  return out;
}

}  // namespace longreach::reports
