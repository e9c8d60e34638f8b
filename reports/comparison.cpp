// What `compare` found, in words and cells of text.
#include "reports/comparison.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

#include "core/error.h"
#include "core/units.h"

namespace longreach::reports {
namespace {

std::string number_text(double value) { return fmt::format("{:.4g}", value); }

std::string optional_text(const std::optional<double>& value) {
  return value ? number_text(*value) : "-";
}

/// Of bytes and the like, all digits.
std::string value_text(const ComparedRow& row, const std::optional<double>& value) {
  if (!value) return "-";
  const bool all = row.kind == Effect::exact && *value == static_cast<double>(i64(*value));
  return all ? fmt::format("{:.0f}", *value) : number_text(*value);
}

std::string effect_text(const ComparedRow& row) {
  const Measurement& m = row.effect;
  const auto text = [&](double value) -> std::string {
    if (value == 0) return "0";
    if (row.kind == Effect::ratio) return fmt::format("x{:.3g}", value);
    return row.kind == Effect::exact ? fmt::format("{:+.15g}", value)
                                     : fmt::format("{:+.3g}", value);
  };
  const bool interval = m.ci_low && m.ci_high;
  return text(*m.value) +
         (interval ? fmt::format(" [{}, {}]", text(*m.ci_low), text(*m.ci_high)) : "");
}

std::string p_text(const ComparedRow& row) {
  if (row.kind == Effect::exact) return "exact";
  const std::optional<double>& p =
      row.effect.p_adjusted ? row.effect.p_adjusted : row.effect.p_value;
  return p ? fmt::format("{:.2g}", *p) : "-";
}

std::string change_text(const ComparedRow& row) {
  if (row.change != Change::none) {
    return row.change == Change::regression ? "worse" : "better";
  }
  return "";
}

std::string backend_text(const ComparedRow& row) {
  return row.base->backend == row.other->backend
             ? row.base->backend
             : fmt::format("{} -> {}", row.base->backend, row.other->backend);
}

struct TextColumn {
  std::string head;
  std::string constant;  ///< what to call it in words where it is the same in all rows; "": shown
  bool number = false;
  std::function<std::string(const ComparedRow&)> text;
  bool of_model = false;  ///< in words also where only each model has its own
};

std::vector<TextColumn> columns_of(const RunComparison& found) {
  const bool two = found.runs.size() == 2;
  const bool adjusted = !found.correction.empty();
  const auto or_dash = [](const auto& value) { return value ? fmt::format("{}", *value) : "-"; };
  return {
      {"run", two ? "run" : "", false, [](const auto& r) { return r.run; }},
      {"model", "model", false, [](const auto& r) { return r.base->model; }},
      {"backend", "backend", false, backend_text},
      {"task", "task", false, [](const auto& r) { return r.base->task; }},
      {"length", "length", true,
       [](const auto& r) {
         return r.base->context_length ? format_count(*r.base->context_length) : "-";
       }},
      {"seed", "seed", true, [=](const auto& r) { return or_dash(r.base->seed); }, true},
      {"rate", "rate", true, [=](const auto& r) { return or_dash(r.base->lr); }, true},
      {"depth", "depth", true, [=](const auto& r) { return or_dash(r.of.depth); }},
      {"metric", "", false, [](const auto& r) { return r.of.metric; }},
      {"A", "", true, [](const auto& r) { return value_text(r, r.of.value); }},
      {two ? "B" : "other", "", true, [](const auto& r) { return value_text(r, r.value); }},
      {two ? "B - A" : "other - A", "", true, effect_text},
      {adjusted ? "adjusted p" : "p", "", true, p_text},
      {"change", "", false, change_text},
      {"n", "", true, [=](const auto& r) { return or_dash(r.effect.n); }},
      {"detectable", "", true, [](const auto& r) { return optional_text(r.effect.detectable); }},
  };
}

/// What a column says in words where it is the same in all rows of each model: "rate 0.004", or
/// "rate 0.004 (reader) 0.006 (retriever)". "": nothing worth saying.
std::optional<std::string> constant_text(const RunComparison& found, const TextColumn& column,
                                         const std::vector<std::string>& texts) {
  std::map<std::string, std::string> of_model;
  std::set<std::string> unlike;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string& known = of_model.emplace(found.rows[i].base->model, texts[i]).first->second;
    if (column.constant.empty() || known != texts[i]) return std::nullopt;
    unlike.insert(texts[i]);
  }
  if (unlike.empty()) return "";
  if (unlike.size() == 1) {
    const bool telling = *unlike.begin() != "-" && column.constant != "run";
    return telling ? column.constant + " " + *unlike.begin() : "";
  }
  if (!column.of_model) return std::nullopt;
  std::string words = column.constant;
  for (const auto& [model, text] : of_model) words += fmt::format(" {} ({})", text, model);
  return words;
}

std::string counted(i64 count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

}  // namespace

i64 RunComparison::count(Change change) const {
  return std::ranges::count(rows, change, &ComparedRow::change);
}

ComparisonText comparison_text(const RunComparison& found) {
  ComparisonText table;
  table.rows.resize(found.rows.size());
  for (const TextColumn& column : columns_of(found)) {
    std::vector<std::string> texts;
    for (const ComparedRow& row : found.rows) texts.push_back(column.text(row));
    if (const std::optional<std::string> words = constant_text(found, column, texts)) {
      if (!words->empty()) table.constant += (table.constant.empty() ? "" : ", ") + *words;
      continue;
    }
    if (column.number) table.numbers.push_back(table.head.size());
    table.head.push_back(column.head);
    if (column.head == "metric") table.keys = table.head.size();
    for (std::size_t i = 0; i < texts.size(); ++i) table.rows[i].push_back(std::move(texts[i]));
  }
  return table;
}

std::string comparison_summary(const RunComparison& found) {
  return fmt::format("{}, {}, {} without a significant difference beyond the threshold",
                     counted(found.count(Change::regression), "regression"),
                     counted(found.count(Change::improvement), "improvement"),
                     found.count(Change::none));
}

std::string comparison_method(const RunComparison& found) {
  return fmt::format(
      "{:.4g}% intervals; {}; detectable: smallest true difference found 80% of the "
      "time by one test",
      found.confidence * 100,
      found.correction.empty() ? "p not corrected" : "p by " + found.correction);
}

std::vector<NotComparedGroup> by_reason(const RunComparison& found) {
  std::vector<NotComparedGroup> groups;
  for (const NotCompared& one : found.not_compared) {
    auto group = std::ranges::find(groups, one.reason, &NotComparedGroup::reason);
    if (group == groups.end()) group = groups.insert(groups.end(), {one.reason, {}});
    group->what.push_back(one.what);
  }
  return groups;
}

std::vector<std::string> comparison_notes(const RunComparison& found) {
  std::vector<std::string> notes;
  if (found.other_scores > 0) {
    notes.push_back(fmt::format("{} of these tasks not asked for (--all)",
                                counted(found.other_scores, "more score")));
  }
  if (found.parts > 0) {
    notes.push_back(fmt::format(
        "{} of parts of scores (depth, distance, kind, layer) not compared (--depths: each depth)",
        counted(found.parts, "row")));
  }
  return notes;
}

}  // namespace longreach::reports
