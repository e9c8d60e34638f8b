// What a run does with cells that earlier runs stored.
#include "harness/resume.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "core/error.h"
#include "harness/cell.h"
#include "harness/scheduler.h"

namespace longreach::harness {
namespace {

constexpr std::array kNotOk{Status::failed,  Status::oom,       Status::timeout,
                            Status::skipped, Status::truncated, Status::invalid};

std::string name_of(Status status) {
  return std::string(EnumNames<Status>::names[static_cast<std::size_t>(status)]);
}

/// Decides one cell after the other, for pending().
class Division {
 public:
  Division(const std::vector<Cell>& cells, const Store& store, const std::string& output,
           const ResumeRules& rules)
      : cells_(cells), output_(output), rules_(rules) {
    for (const Cell& cell : cells) {
      const std::optional<CellInfo> info = rules.resume ? store.find(cell.id) : std::nullopt;
      stored_.push_back(info ? std::optional(info->status) : std::nullopt);
      runs_.push_back(!info || rules.retry.contains(info->status) ||
                      info->status == Status::skipped);
    }
    settle_skipped();
    rerun_lost_trainings();
  }

  Pending divided() const {
    Pending pending;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (runs_[i]) {
        pending.cells.push_back(cells_[i]);
      } else {
        pending.settled.push_back({cells_[i], *stored_[i]});
      }
    }
    return pending;
  }

 private:
  /// Those whose reason still holds stay skipped.
  void settle_skipped() {
    if (rules_.retry.contains(Status::skipped)) return;
    const Pending so_far = divided();
    std::set<std::string> trained;
    for (const Cell& cell : so_far.cells) {
      if (cell.kind == CellKind::train) trained.insert(cell.id);
    }
    Scheduler scheduler(cells_, {.on_oom = rules_.on_oom, .alone = {}, .times = {}});
    for (const auto& [cell, status] : so_far.settled) scheduler.known(cell, status);
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (stored_[i] != Status::skipped || trained.contains(cells_[i].trained)) continue;
      runs_[i] = scheduler.why_skip(i).empty();
    }
  }

  void rerun_lost_trainings() {
    std::set<std::string> needed;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (runs_[i]) needed.insert(cells_[i].trained);
    }
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const Cell& cell = cells_[i];
      if (cell.kind != CellKind::train || stored_[i] != Status::ok) continue;
      if (needed.contains(cell.id) && !std::filesystem::exists(weights_path(output_, cell.id))) {
        runs_[i] = true;
      }
    }
  }

  const std::vector<Cell>& cells_;
  const std::string& output_;
  const ResumeRules& rules_;
  std::vector<std::optional<Status>> stored_;
  std::vector<bool> runs_;
};

}  // namespace

std::set<Status> statuses_to_retry(const std::vector<std::string>& words) {
  std::set<Status> statuses;
  std::vector<std::string> known{"all"};
  for (const Status status : kNotOk) known.push_back(name_of(status));
  for (const std::string& word : words) {
    if (std::ranges::find(known, word) == known.end()) {
      throw error("--retry {}: no such status{}", word, suggestion(word, known));
    }
    for (const Status status : kNotOk) {
      if (word == "all" || word == name_of(status)) statuses.insert(status);
    }
  }
  return statuses;
}

std::size_t Pending::done() const {
  return static_cast<std::size_t>(
      std::ranges::count(settled, Status::ok, &Pending::Settled::status));
}

std::map<Status, i64> Pending::left_as_is() const {
  std::map<Status, i64> counts;
  for (const Settled& one : settled) {
    if (one.status != Status::ok) ++counts[one.status];
  }
  return counts;
}

Pending pending(const std::vector<Cell>& cells, const Store& store, const std::string& output,
                const ResumeRules& rules) {
  return Division(cells, store, output, rules).divided();
}

std::string left_as_is_line(const Pending& pending) {
  std::vector<std::string> counts, names;
  i64 all = 0;
  for (const auto& [status, count] : pending.left_as_is()) {
    all += count;
    counts.push_back(fmt::format("{} {}", count, name_of(status)));
    names.push_back(name_of(status));
  }
  if (all == 0) return "";
  return fmt::format(
      "{} cells that did not end well are left as they are ({}); --retry {} runs {}\n", all,
      fmt::join(counts, ", "), fmt::join(names, ","), all == 1 ? "it again" : "them again");
}

}  // namespace longreach::harness
