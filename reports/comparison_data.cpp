// What `compare` found as data: CSV and JSON of one schema.
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "reports/columns.h"
#include "reports/comparison.h"
#include "reports/escapes.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

std::string_view name(Effect kind) {
  constexpr std::array<std::string_view, 3> names{"difference", "ratio", "exact"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view name(Change change) {
  constexpr std::array<std::string_view, 3> names{"none", "improvement", "regression"};
  return names[static_cast<std::size_t>(change)];
}

template <class T>
Value value(const std::optional<T>& field) {
  return field ? Value(*field) : Value();
}

/// Names that records have too mean the same.
std::vector<Column> columns(const ComparedRow& row) {
  const CellInfo& cell = *row.base;
  const Measurement& m = row.effect;
  return {{"run", row.run},
          {"model", cell.model},
          {"backend", row.other->backend},
          {"base_backend", cell.backend},
          {"task", cell.task},
          {"task_version", value(cell.task_version)},
          {"data_sha", m.data_sha},
          {"protocol", row.of.protocol},
          {"context_length", value(cell.context_length)},
          {"depth", value(row.of.depth)},
          {"seed", value(cell.seed)},
          {"lr", value(cell.lr)},
          {"metric", row.of.metric},
          {"unit", row.of.unit},
          {"higher_is_better", value(row.of.higher_is_better)},
          {"base_value", value(row.of.value)},
          {"value", value(row.value)},
          {"effect_kind", std::string(name(row.kind))},
          {"effect", value(m.value)},
          {"ci_low", value(m.ci_low)},
          {"ci_high", value(m.ci_high)},
          {"ci_method", m.ci_method},
          {"n", value(m.n)},
          {"p_value", value(m.p_value)},
          {"p_adjusted", value(m.p_adjusted)},
          {"detectable", value(m.detectable)},
          {"threshold", row.threshold},
          {"significant", row.significant},
          {"change", std::string(name(row.change))}};
}

}  // namespace

void write_comparison_csv(const RunComparison& found, std::ostream& out) {
  const CellInfo none;
  ComparedRow head;
  head.base = head.other = std::make_shared<const CellInfo>(none);
  std::string_view before;
  for (const Column& column : columns(head)) {
    out << before << column.name;
    before = ",";
  }
  out << '\n';
  for (const ComparedRow& row : found.rows) {
    before = "";
    for (const Column& column : columns(row)) {
      out << before << csv_field(to_text(column.value));
      before = ",";
    }
    out << '\n';
  }
}

void write_comparison_json(const RunComparison& found, std::ostream& out) {
  Json runs = Json::array(), rows = Json::array(), left = Json::array();
  for (const ComparedRun& run : found.runs) {
    runs.push_back({{"label", run.label},
                    {"folder", run.folder},
                    {"name", run.name},
                    {"builds", run.builds},
                    {"machines", run.machines}});
  }
  for (const ComparedRow& row : found.rows) {
    Json object = Json::object();
    for (const Column& column : columns(row)) {
      object[std::string(column.name)] = to_json(column.value);
    }
    rows.push_back(std::move(object));
  }
  for (const NotCompared& one : found.not_compared) {
    left.push_back({{"what", one.what}, {"reason", one.reason}});
  }
  const Json all = {{"format", "longreach comparison"},
                    {"version", 1},
                    {"command", found.command},
                    {"runs", runs},
                    {"confidence", found.confidence},
                    {"correction", found.correction},
                    {"regressions", found.count(Change::regression)},
                    {"improvements", found.count(Change::improvement)},
                    {"rows", rows},
                    {"not_compared", left},
                    {"other_scores", found.other_scores},
                    {"parts", found.parts}};
  out << all.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace longreach::reports
