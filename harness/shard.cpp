// A part of a plan for one of several machines.
#include "harness/shard.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>

#include "core/error.h"
#include "core/units.h"

namespace longreach::harness {
namespace {

/// Cells that one machine must run, by the places they have in a list.
struct Group {
  std::vector<std::size_t> cells;
  double work = 0;
};

/// Names the group of a cell. Ids serve for equality alone: they may differ between machines.
std::string group_name(const Cell& cell) {
  if (cell.kind == CellKind::train) return cell.id;
  if (!cell.trained.empty()) return cell.trained;
  return fmt::format("{} {} {} {}", cell.model, cell.backend, cell.task, cell.seed);
}

std::vector<Group> groups_of(const Experiment& experiment, const std::vector<Cell>& cells) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto [place, added] = places.emplace(group_name(cells[i]), groups.size());
    if (added) groups.emplace_back();
    Group& group = groups[place->second];
    group.cells.push_back(i);
    group.work += relative_work(experiment, cells[i]);
  }
  return groups;
}

}  // namespace

Shard parse_shard(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const std::optional<i64> index = parse_integer(text.substr(0, slash), Unit::none);
    const std::optional<i64> count = parse_integer(text.substr(slash + 1), Unit::none);
    if (index && count && 1 <= *index && *index <= *count) return {*index, *count};
  }
  throw error("--shard {}: not a number from 1 and how many there are, such as 1/8 to 8/8", text);
}

std::string shard_folder(const std::string& output, const Shard& shard) {
  if (shard.whole()) return output;
  const std::string name = fmt::format("shard-{}-of-{}", shard.index, shard.count);
  return (std::filesystem::path(output) / name).string();
}

double relative_work(const Experiment& experiment, const Cell& cell) {
  if (cell.kind == CellKind::measure) return static_cast<double>(*cell.length);
  const model::TrainParams& params = experiment.models[cell.model].training->params;
  constexpr double kPasses = 3;
  return kPasses * static_cast<double>(params.steps) * static_cast<double>(params.batch_tokens);
}

std::vector<Cell> cells_of_shard(const Experiment& experiment, const std::vector<Cell>& cells,
                                 const Shard& shard) {
  if (shard.whole()) return cells;
  std::vector<Group> groups = groups_of(experiment, cells);
  std::ranges::stable_sort(groups, std::greater(), &Group::work);
  std::vector<double> loads(static_cast<std::size_t>(shard.count));
  std::vector<std::size_t> own;
  for (const Group& group : groups) {
    const auto least = std::ranges::min_element(loads);
    *least += group.work;
    if (least - loads.begin() == shard.index - 1) {
      own.insert(own.end(), group.cells.begin(), group.cells.end());
    }
  }
  std::ranges::sort(own);
  std::vector<Cell> chosen;
  for (const std::size_t i : own) chosen.push_back(cells[i]);
  return chosen;
}

}  // namespace longreach::harness
