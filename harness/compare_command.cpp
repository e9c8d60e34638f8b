// `compare`: what changed between runs.
#include "harness/compare_command.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/ranges.h>
#include <memory>
#include <set>
#include <sstream>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/units.h"
#include "harness/cli.h"
#include "harness/results.h"
#include "harness/table.h"
#include "harness/terminal.h"

namespace longreach::harness {
namespace {

using reports::Change;
using reports::RunComparison;

constexpr std::size_t kNamed = 3;  ///< of what is not compared, for one reason

struct Format {
  std::string_view name, ending;
  void (*write)(const RunComparison&, std::ostream&);
};
constexpr std::array kFormats{Format{"table", "", nullptr},
                              Format{"markdown", ".md", reports::write_comparison_markdown},
                              Format{"html", ".html", reports::write_comparison_html},
                              Format{"csv", ".csv", reports::write_comparison_csv},
                              Format{"json", ".json", reports::write_comparison_json}};

const Format& format_of(const CompareRequest& request) {
  const auto found = std::ranges::find_if(kFormats, [&](const Format& one) {
    if (!request.format.empty()) return one.name == request.format;
    return request.output.empty() ? one.name == "table"
                                  : !one.ending.empty() && request.output.ends_with(one.ending);
  });
  if (found != kFormats.end()) return *found;
  std::vector<std::string> names;
  for (const Format& one : kFormats) names.emplace_back(one.name);
  if (request.format.empty()) {
    throw error("--output {}: no format has this ending; give --format {}", request.output,
                fmt::join(names, ", "));
  }
  throw error("--format {}: unknown{}", request.format, suggestion(request.format, names));
}

std::vector<BackendMatch> matches_of(const CompareRequest& request) {
  std::vector<BackendMatch> matches;
  for (const std::string& text : request.matches) {
    const std::size_t sign = text.find('=');
    if (sign == std::string::npos || sign == 0 || sign + 1 == text.size()) {
      throw error("--match {}: give a backend of the base and one of the other: full=infini", text);
    }
    matches.emplace_back(text.substr(0, sign), text.substr(sign + 1));
  }
  return matches;
}

std::vector<i64> lengths_of(const CompareRequest& request) {
  std::vector<i64> lengths;
  for (const std::string& text : request.lengths) {
    const std::optional<i64> length = parse_integer(text, Unit::count);
    if (!length || *length <= 0) throw error("--lengths {}: no length such as 512 or 4k", text);
    lengths.push_back(*length);
  }
  return lengths;
}

/// One alone is held against itself.
std::vector<std::string> folders_of(const CompareRequest& request) {
  std::vector<std::string> folders = request.folders;
  if (folders.size() == 1 && !request.matches.empty()) folders.push_back(folders[0]);
  if (folders.size() < 2) {
    throw error("compare needs two output folders, or one and --match: full=infini");
  }
  if (folders.size() > 26)
    throw error("compare takes 26 folders at most, {} given", folders.size());
  for (const std::string& folder : folders) {
    if (std::filesystem::is_regular_file(folder)) {
      throw error(
          "{}: a file; give the run's output folder, whose store.sqlite has the samples "
          "that are paired",
          folder);
    }
  }
  return folders;
}

RunToCompare run_of(const Store& store, const std::string& folder, char label) {
  RunToCompare run;
  run.about = {.label = std::string(1, label), .folder = folder, .name = store.meta("name")};
  run.cells = measured_cells(store);
  const auto note = [](std::vector<std::string>& texts, const std::string& text) {
    if (std::ranges::find(texts, text) == texts.end()) texts.push_back(text);
  };
  for (const Measured& cell : run.cells) {
    note(run.about.builds, cell.info->build);
    note(run.about.machines, cell.info->cpu);
  }
  run.samples = [&store](const std::string& id) { return store.samples(id); };
  return run;
}

void require_known(const std::string& flag, const std::vector<std::string>& asked,
                   const std::set<std::string>& known) {
  for (const std::string& name : asked) {
    if (known.contains(name)) continue;
    throw error("{} {}: in none of these runs{}", flag, name,
                suggestion(name, {known.begin(), known.end()}));
  }
}

/// A misspelt name would compare nothing and find no regression.
void require_known(const CompareChoice& choice, const Thresholds& thresholds,
                   const std::vector<RunToCompare>& runs) {
  std::set<std::string> models, backends, tasks, metrics, lengths;
  for (const RunToCompare& run : runs) {
    for (const Measured& cell : run.cells) {
      models.insert(cell.info->model);
      backends.insert(cell.info->backend);
      tasks.insert(cell.info->task);
      if (cell.info->context_length) lengths.insert(format_count(*cell.info->context_length));
      for (const Measurement& m : cell.measurements) metrics.insert(m.metric);
    }
  }
  require_known("--models", choice.models, models);
  require_known("--backends", choice.backends, backends);
  require_known("--tasks", choice.tasks, tasks);
  require_known("--metrics", choice.metrics, metrics);
  require_known("--threshold", thresholds.metrics(), metrics);
  std::vector<std::string> asked_lengths;
  for (const i64 length : choice.lengths) asked_lengths.push_back(format_count(length));
  require_known("--lengths", asked_lengths, lengths);
  for (const auto& [own, other] : choice.matches) require_known("--match", {own, other}, backends);
}

std::string reasons_of(const RunComparison& found) {
  std::vector<std::string> reasons;
  for (const reports::NotComparedGroup& group : reports::by_reason(found)) {
    reasons.push_back(fmt::format("{} {}", group.what.size(), group.reason));
  }
  return reasons.empty() ? "nothing is left of what was asked for"
                         : fmt::format("{}", fmt::join(reasons, "; "));
}

/// "full passkey 256 passkey/exact_match (reader): 0.98 to 0.94, adjusted p 0.002, n 200".
std::string regression_line(const reports::ComparedRow& row) {
  const Measurement& m = row.effect;
  std::string line = fmt::format("{} of {}", row.of.metric, name_of(*row.other));
  if (row.of.depth) line += fmt::format(" at depth {}", *row.of.depth);
  const auto text = [&](double value) {
    return fmt::format("{:.{}g}", value, row.kind == reports::Effect::exact ? 15 : 4);
  };
  line += fmt::format(": {} in A, {} in {}", text(*row.of.value), text(*row.value), row.run);
  if (row.kind == reports::Effect::ratio) line += fmt::format(", x{:.3g}", *m.value);
  if (m.p_adjusted) line += fmt::format(", adjusted p {:.2g}", *m.p_adjusted);
  if (!m.p_adjusted && m.p_value) line += fmt::format(", p {:.2g}", *m.p_value);
  return line + fmt::format(", beyond {}", row.threshold);
}

/// In pieces where it is wide, each with a head and all rows.
std::string rows_text(const RunComparison& found, const reports::ComparisonText& cells, bool bold,
                      std::size_t columns) {
  Table table(cells.head, cells.numbers);
  for (const std::vector<std::string>& row : cells.rows) table.add(row);
  std::istringstream lines(table.text(columns, cells.keys));
  std::string text, line;
  for (std::size_t i = 0; std::getline(lines, line); ++i) {
    const std::size_t at = i % (found.rows.size() + 2);  // a head before, an empty line after
    const bool strong = bold && at > 0 && at <= found.rows.size() && found.rows[at - 1].significant;
    text += strong ? fmt::format("\033[1m{}\033[0m\n", line) : line + "\n";
  }
  return text;
}

std::string group_line(const reports::NotComparedGroup& group) {
  const std::size_t named = std::min(kNamed, group.what.size());
  std::string line = fmt::format(
      "not compared, {}: {}", group.reason,
      fmt::join(group.what.begin(), group.what.begin() + static_cast<std::ptrdiff_t>(named), "; "));
  if (group.what.size() > named) line += fmt::format("; and {} more", group.what.size() - named);
  return line;
}

}  // namespace

std::string comparison_table(const RunComparison& found, bool bold, std::size_t columns) {
  std::string text;
  for (const reports::ComparedRun& run : found.runs) {
    text += printable(fmt::format("{}  {}  ({}; {}; {})", run.label, run.folder, run.name,
                                  fmt::join(run.builds, ", "), fmt::join(run.machines, ", "))) +
            "\n";
  }
  const reports::ComparisonText cells = reports::comparison_text(found);
  if (!cells.constant.empty()) text += printable(cells.constant) + "\n";
  text += '\n' + rows_text(found, cells, bold, columns);
  text += fmt::format("\n{}\n", reports::comparison_method(found));
  for (const reports::NotComparedGroup& group : reports::by_reason(found)) {
    text += printable(group_line(group)) + "\n";
  }
  for (const std::string& note : reports::comparison_notes(found)) text += note + "\n";
  return text + reports::comparison_summary(found) + "\n";
}

int compare_command(const CompareRequest& request, std::ostream& out, std::ostream& messages) {
  const Format& format = format_of(request);
  const Thresholds thresholds(request.thresholds);
  CompareChoice choice = request.choice;
  choice.matches = matches_of(request);
  choice.lengths = lengths_of(request);
  std::vector<std::unique_ptr<Store>> stores;
  std::vector<RunToCompare> runs;
  for (const std::string& folder : folders_of(request)) {
    stores.push_back(std::make_unique<Store>(folder, Store::Open::existing));
    runs.push_back(run_of(*stores.back(), folder, static_cast<char>('A' + runs.size())));
  }
  require_known(choice, thresholds, runs);
  RunComparison found = compare_runs(std::move(runs), choice, thresholds, statistics_of(*stores[0]),
                                     seed_of(*stores[0]));
  found.command = request.command;
  if (found.rows.empty()) {
    throw error("{}: no measurement to compare ({})", fmt::join(request.folders, ", "),
                reasons_of(found));
  }
  const auto write = [&](std::ostream& to) {
    format.write ? format.write(found, to) : void(to << comparison_table(found, false));
  };
  if (!request.output.empty()) replace_file(request.output, write);
  if (request.output.empty() && format.write) {
    write(out);
  } else {
    const Screen screen = screen_of(STDOUT_FILENO);
    out << comparison_table(found, screen.colours, table_columns());
  }
  if (!request.output.empty()) out << request.output << '\n';
  for (const reports::ComparedRow& row : found.rows) {
    if (row.change != Change::regression) continue;
    messages << fmt::format("longreach: regression: {}\n", printable(regression_line(row)));
  }
  return found.count(Change::regression) > 0 ? kExitRegression : kExitOk;
}

}  // namespace longreach::harness
