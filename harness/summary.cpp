// What a run found, in about ten lines.
#include "harness/summary.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/units.h"
#include "harness/table.h"
#include "harness/terminal.h"
#include "reports/main_scores.h"

namespace longreach::harness {
namespace {

constexpr std::size_t kModels = 2, kBackends = 10, kProblems = 3;

std::string status_name(Status status) {
  return std::string(EnumNames<Status>::names[static_cast<std::size_t>(status)]);
}

bool is_pooled(const Measurement& m, const std::string& metric) {
  return m.metric == metric && m.subtask.empty() && !m.depth && m.value;
}

/// A task's main score, and how far up the list of such scores it stands.
struct Leading {
  std::string task, metric;
  std::ptrdiff_t rank = 0;
  std::size_t of = 0;  ///< tasks in all
};

/// The first of a model's tasks among those whose main score stands highest; none: no task.
Leading leading_task(const std::vector<const Measured*>& cells) {
  std::vector<std::string> tasks;
  std::map<std::string, std::vector<std::string>> metrics;
  for (const Measured* cell : cells) {
    std::vector<std::string>& mine = metrics[cell->info->task];
    for (const Measurement& m : cell->measurements) {
      if (mine.empty()) tasks.push_back(cell->info->task);
      if (std::find(mine.begin(), mine.end(), m.metric) == mine.end()) mine.push_back(m.metric);
    }
  }
  Leading best;
  for (const std::string& task : tasks) {
    const std::string metric = reports::main_score(task, metrics[task]);
    const auto& scores = reports::kMainScores;
    const auto rank =
        std::find_if(scores.begin(), scores.end(),
                     [&](const auto& one) {
                       return one.metric == metric && (one.task.empty() || one.task == task);
                     }) -
        scores.begin();
    if (best.task.empty() || rank < best.rank) best = {task, metric, rank, tasks.size()};
  }
  return best;
}

/// A number with its interval; of several runs from the least to the most.
std::string range_text(const std::vector<const Measurement*>& runs, bool sign) {
  if (runs.empty()) return "-";
  const auto text = [sign](double value) {
    return sign ? fmt::format("{:+.3g}", value) : fmt::format("{:.3g}", value);
  };
  const Measurement& m = *runs.front();
  if (runs.size() == 1) {
    const bool interval = m.ci_low && m.ci_high;
    return text(*m.value) +
           (interval ? fmt::format(" [{}, {}]", text(*m.ci_low), text(*m.ci_high)) : "");
  }
  const auto [low, high] = std::minmax_element(
      runs.begin(), runs.end(),
      [](const Measurement* a, const Measurement* b) { return *a->value < *b->value; });
  return fmt::format("{} to {}, {} runs", text(*(*low)->value), text(*(*high)->value), runs.size());
}

/// The largest, when there are several runs.
std::string p_text(const std::vector<const Measurement*>& runs) {
  std::optional<double> largest;
  for (const Measurement* m : runs) {
    if (m->p_adjusted) largest = std::max(largest.value_or(0), *m->p_adjusted);
  }
  return largest ? fmt::format("{:.2g}", *largest) : "-";
}

/// What a model's line of one backend is made of.
struct Line {
  bool baseline = false;
  std::vector<const Measurement*> scores, differences;
  std::vector<const Measured*> cells;  ///< those of the scores
  const Measurement* decode = nullptr;
  std::string broken;  ///< status of a cell without the score
};

/// The longest length at which the most backends have the score.
i64 common_length(const std::vector<const Measured*>& cells, const Leading& leading) {
  std::map<i64, std::set<std::string>> reached;
  for (const Measured* cell : cells) {
    if (cell->info->task != leading.task || cell->info->status != Status::ok) continue;
    reached[cell->info->context_length.value_or(0)].insert(cell->info->backend);
  }
  const auto best = std::max_element(
      reached.rbegin(), reached.rend(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  return best == reached.rend() ? 0 : best->first;
}

void add_cell(Line& line, const Measured& cell, const Leading& leading) {
  line.baseline |= cell.info->baseline;
  for (const Measurement& m : cell.measurements) {
    if (!line.decode && is_pooled(m, "latency/decode")) line.decode = &m;
    if (cell.info->task != leading.task || !is_pooled(m, leading.metric)) continue;
    line.scores.push_back(&m);
    line.cells.push_back(&cell);
  }
  if (cell.info->task == leading.task && cell.info->status != Status::ok) {
    line.broken = status_name(cell.info->status);
  }
}

std::string state_text(const Line& line) {
  if (line.cells.empty()) return "-";
  const CellInfo& info = *line.cells.front()->info;
  const std::optional<i64> bytes =
      info.state_bytes_measured ? info.state_bytes_measured : info.state_bytes_analytic;
  return bytes ? format_bytes(*bytes) : "-";
}

/// 1: better than the baseline in all runs, -1: worse in all, 2: unlike it, and nobody says which
/// is better; 0: none of these, after the correction.
int told_apart(const Line& line, double confidence) {
  int better = 0;
  for (const Measurement* m : line.differences) {
    const std::optional<double>& p = m->p_adjusted ? m->p_adjusted : m->p_value;
    if (!p || *p >= 1 - confidence || *m->value == 0) return 0;
    const int now = !m->higher_is_better ? 2 : (*m->value > 0) == *m->higher_is_better ? 1 : -1;
    if (better != 0 && better != now) return 0;
    better = now;
  }
  return better;
}

/// The smallest difference that its comparisons find 80% of the time; "" where none can say.
std::string unseen_text(const Line& line) {
  double largest = 0;
  for (const Measurement* m : line.differences) {
    largest = std::max(largest, m->detectable.value_or(0));
  }
  return largest > 0 ? fmt::format(" (detectable: {:.2g})", largest) : "";
}

/// "better than full: infini; not told apart from it: window (...)", of the first backends.
std::string verdict_text(const std::vector<std::string>& backends,
                         const std::map<std::string, Line>& lines, double confidence) {
  std::string baseline;
  std::map<int, std::vector<std::string>> groups;
  for (std::size_t i = 0; i < std::min(backends.size(), kBackends); ++i) {
    const Line& line = lines.at(backends[i]);
    if (line.baseline) baseline = backends[i];
    if (line.baseline || line.differences.empty()) continue;
    const int better = told_apart(line, confidence);
    groups[better].push_back(backends[i] + (better == 0 ? unseen_text(line) : ""));
  }
  std::vector<std::string> parts;
  for (const auto& [better, words] : {std::pair(1, "better than"),
                                      {-1, "worse than"},
                                      {2, "unlike"},
                                      {0, "not told apart from"}}) {
    if (!groups.contains(better)) continue;
    parts.push_back(fmt::format("{} {}: {}", words, baseline.empty() ? "the baseline" : baseline,
                                fmt::join(groups[better], ", ")));
  }
  return parts.empty() ? "" : fmt::format("{}\n", fmt::join(parts, "; "));
}

/// ", lower is better"
std::string direction_text(const std::map<std::string, Line>& lines) {
  for (const auto& [backend, line] : lines) {
    for (const Measurement* m : line.scores) {
      if (m->higher_is_better)
        return *m->higher_is_better ? ", higher is better" : ", lower is better";
    }
  }
  return "";
}

std::string model_summary(const StoredResults& found, const std::string& model,
                          std::size_t columns) {
  std::vector<const Measured*> cells;
  for (const Measured& cell : found.cells) {
    if (cell.info->model == model && cell.info->task != "training") cells.push_back(&cell);
  }
  const Leading leading = leading_task(cells);
  if (leading.task.empty()) return "";
  const i64 length = common_length(cells, leading);
  std::vector<std::string> backends;
  std::map<std::string, Line> lines;
  for (const Measured* cell : cells) {
    if (cell->info->context_length.value_or(0) != length) continue;
    if (!lines.contains(cell->info->backend)) backends.push_back(cell->info->backend);
    add_cell(lines[cell->info->backend], *cell, leading);
  }
  for (const Derived& one : found.derived) {
    const auto line = lines.find(one.cell->backend);
    const bool here = one.cell->model == model && one.cell->task == leading.task &&
                      one.cell->context_length.value_or(0) == length;
    if (line != lines.end() && here && is_pooled(one.measurement, leading.metric + "_difference")) {
      line->second.differences.push_back(&one.measurement);
    }
  }
  std::string unit, decode_unit;
  for (const auto& [backend, line] : lines) {
    if (!line.scores.empty()) unit = line.scores.front()->unit;
    if (line.decode) decode_unit = line.decode->unit;
  }
  Table table({model, with_unit(leading.metric, unit, ' '), "state",
               with_unit("decode", decode_unit, ' '), "against the baseline", "adjusted p"},
              {1, 2, 3, 4, 5});
  for (std::size_t i = 0; i < std::min(backends.size(), kBackends); ++i) {
    const Line& line = lines[backends[i]];
    table.add(
        {backends[i],
         line.scores.empty() && !line.broken.empty() ? line.broken : range_text(line.scores, false),
         state_text(line), line.decode ? fmt::format("{:.3g}", *line.decode->value) : "-",
         line.baseline ? "baseline" : range_text(line.differences, true),
         p_text(line.differences)});
  }
  std::string text = fmt::format("{} at {} tokens{}", printable(leading.task), format_count(length),
                                 direction_text(lines));
  if (leading.of > 1) text += fmt::format(", one of {} tasks (--table)", leading.of);
  text += ":\n";
  text += table.text(columns);
  if (backends.size() > kBackends) {
    text += fmt::format("and {} more backends (--table)\n", backends.size() - kBackends);
  }
  return text +
         printable(verdict_text(backends, lines, statistics_of(found.store).confidence), "\n");
}

/// "3 cells without a result (2 oom, 1 failed):" and the first of them.
std::string problems(const std::vector<Measured>& cells) {
  std::map<std::string, i64> counts;
  std::string lines;
  std::size_t broken = 0;
  for (const Measured& cell : cells) {
    const CellInfo& info = *cell.info;
    if (info.status == Status::ok) continue;
    ++counts[status_name(info.status)];
    if (broken++ >= kProblems) continue;
    lines += fmt::format("  {}: {} {} {} {}: {}\n", status_name(info.status), info.model,
                         info.backend, info.task, info.context_length.value_or(0), info.reason);
  }
  if (broken == 0) return "";
  std::vector<std::string> kinds;
  for (const auto& [status, count] : counts) kinds.push_back(fmt::format("{} {}", count, status));
  return fmt::format("{} without a result ({}){}:\n{}",
                     broken == 1 ? "1 cell" : fmt::format("{} cells", broken),
                     fmt::join(kinds, ", "), broken > kProblems ? ", all with --table" : "", lines);
}

}  // namespace

std::string with_unit(std::string name, const std::string& unit, char gap) {
  std::string spelled = unit;
  if (const std::size_t per = spelled.find('/'); per != std::string::npos) {
    spelled.replace(per, 1, "_per_");
  }
  if (unit.empty() || unit == "1" || name.ends_with(spelled)) return name;
  return fmt::format("{}{}{}", gap == ' ' ? name + "," : name, gap, unit);
}

std::string summary(const StoredResults& found, std::size_t columns) {
  std::vector<std::string> models;
  for (const Measured& cell : found.cells) {
    if (std::find(models.begin(), models.end(), cell.info->model) == models.end()) {
      models.push_back(cell.info->model);
    }
  }
  std::string text;
  std::size_t shown = 0;
  for (const std::string& model : models) {
    const std::string one = model_summary(found, model, columns);
    if (one.empty()) continue;
    if (++shown <= kModels) text += one;
  }
  if (shown > kModels) text += fmt::format("and {} more models (--table)\n", shown - kModels);
  return text + printable(problems(found.cells), "\n");
}

}  // namespace longreach::harness
