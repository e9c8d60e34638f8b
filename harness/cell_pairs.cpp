// Which cells of two runs are of one setting.
#include "harness/cell_pairs.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/units.h"

namespace longreach::harness {
namespace {

using Places = std::vector<std::size_t>;

/// What two cells that are compared have in common, besides their backend.
using Setting = std::tuple<std::string, std::string, std::optional<i64>, std::optional<i64>,
                           std::optional<double>>;
Setting setting_of(const CellInfo& info) {
  return {info.model, info.task, info.context_length, info.seed, info.lr};
}
using Settings = std::map<Setting, Places>;

/// Cells of one backend by setting.
Settings settings_of(const std::vector<Measured>& cells, const std::string& backend) {
  Settings settings;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (cells[i].info->backend == backend) settings[setting_of(*cells[i].info)].push_back(i);
  }
  return settings;
}

std::vector<BackendMatch> same_names(const std::vector<Measured>& base,
                                     const std::vector<Measured>& other) {
  std::set<std::string> names;
  for (const Measured& cell : base) names.insert(cell.info->backend);
  for (const Measured& cell : other) names.insert(cell.info->backend);
  std::vector<BackendMatch> matches;
  for (const std::string& name : names) matches.emplace_back(name, name);
  return matches;
}

class Pairing {
 public:
  Pairing(const std::vector<Measured>& base, const std::vector<Measured>& other, std::string label)
      : base_(base), other_(other), label_(std::move(label)) {}

  void match(const BackendMatch& backends) {
    const Settings own = settings_of(base_, backends.first);
    Settings others = settings_of(other_, backends.second);
    for (const auto& [setting, places] : own) {
      const auto found = others.find(setting);
      if (found == others.end()) {
        for (const std::size_t i : places) leave(*base_[i].info, "only in A");
        continue;
      }
      match(places, std::move(found->second));
      others.erase(found);
    }
    for (const auto& [setting, places] : others) {
      for (const std::size_t i : places) leave(*other_[i].info, "only in " + label_);
    }
  }

  CellPairs result() {
    std::ranges::stable_sort(made_.pairs);
    return std::move(made_);
  }

 private:
  /// Cells of one setting.
  void match(const Places& own, Places others) {
    if (own.size() == 1 && others.size() == 1) return add(own[0], others[0]);
    for (const std::size_t i : own) {
      const auto same = std::ranges::find_if(others, [&](std::size_t k) {
        return other_[k].info->backend_params == base_[i].info->backend_params;
      });
      if (same == others.end()) {
        leave(*base_[i].info,
              fmt::format("several backends of one name, none of these parameters in {}", label_));
        continue;
      }
      add(i, *same);
      others.erase(same);
    }
    for (const std::size_t k : others) {
      leave(*other_[k].info, "several backends of one name, none of these parameters in A");
    }
  }

  void add(std::size_t own, std::size_t other) {
    const CellInfo &a = *base_[own].info, &b = *other_[other].info;
    const auto status = [](const CellInfo& info) {
      return EnumNames<Status>::names[static_cast<std::size_t>(info.status)];
    };
    if (a.status != Status::ok) return leave(a, fmt::format("{} in A", status(a)));
    if (b.status != Status::ok) return leave(b, fmt::format("{} in {}", status(b), label_));
    if (a.task_version != b.task_version) {
      return leave(a, fmt::format("version {} of the task in A, {} in {}",
                                  a.task_version.value_or(0), b.task_version.value_or(0), label_));
    }
    made_.pairs.emplace_back(own, other);
  }

  void leave(const CellInfo& info, std::string reason) {
    made_.alone.push_back({name_of(info), std::move(reason)});
  }

  const std::vector<Measured>&base_, &other_;
  std::string label_;
  CellPairs made_;
};

}  // namespace

CellPairs pair_cells(const std::vector<Measured>& base, const std::vector<Measured>& other,
                     const std::vector<BackendMatch>& matches, const std::string& label) {
  Pairing pairing(base, other, label);
  for (const BackendMatch& one : matches.empty() ? same_names(base, other) : matches) {
    pairing.match(one);
  }
  return pairing.result();
}

std::string name_of(const CellInfo& info) {
  std::string name = fmt::format("{} {} {}", info.model, info.backend, info.task);
  if (info.context_length) name += " " + format_count(*info.context_length);
  if (info.seed) name += fmt::format(", seed {}", *info.seed);
  if (info.lr) name += fmt::format(", rate {}", *info.lr);
  return name;
}

}  // namespace longreach::harness
