// `zip: {window: [256, 512], sinks: [4, 8]}`: sweeps whose values go together, one by one.
#include "harness/zip.h"

#include <fmt/format.h>

#include "core/error.h"

namespace longreach::harness {
namespace {

constexpr const char* kKey = "zip";

/// The values of a list, or of a range; nothing when some are no single values.
std::vector<YAML::Node> values_of(const YAML::Node& list) {
  std::vector<YAML::Node> values;
  if (list.IsScalar()) {
    for (const std::string& value :
         expand_range(list.Scalar(), Unit::count).value_or(std::vector<std::string>{})) {
      values.emplace_back(value);
    }
    return values.size() > 1 ? values : std::vector<YAML::Node>{};
  }
  if (!list.IsSequence()) return {};
  for (const YAML::Node& item : list) {
    if (!item.IsScalar()) return {};
    values.push_back(item);
  }
  return values;
}

}  // namespace

Zips::Zips(const YAML::Node& entry, const std::string& path, const Source& source,
           Problems& problems)
    : source_(source) {
  find(entry, path, problems);
}

void Zips::find(YAML::Node node, const std::string& path, Problems& problems) {
  if (node.IsSequence()) {
    for (std::size_t i = 0; i < node.size(); ++i) {
      find(node[i], fmt::format("{}[{}]", path, i), problems);
    }
  }
  if (!node.IsMap()) return;
  YAML::Node lists(YAML::NodeType::Undefined);
  for (auto pair : node) {
    if (pair.first.Scalar() == kKey) {
      lists.reset(pair.second);
    } else {
      find(pair.second, join_path(path, pair.first.Scalar()), problems);
    }
  }
  if (!lists.IsDefined()) return;
  node.remove(kKey);
  read(node, lists, path, problems);
}

void Zips::read(YAML::Node map, const YAML::Node& lists, const std::string& path,
                Problems& problems) {
  const std::string where = source_.place(lists, join_path(path, kKey));
  if (!lists.IsMap() || lists.size() == 0) {
    problems.add(fmt::format(
        "{}: expected keys with lists, such as {{window: [256, 512], sinks: [4, 8]}}", where));
    return;
  }
  Zip zip{.path = join_path(path, kKey), .links = {}, .labels = {}};
  std::string first;
  for (const auto& pair : lists) {
    const std::string& keys = pair.first.Scalar();
    if (!link(zip, map, keys, pair.second, path, problems)) return;
    const auto& values = zip.links.back().values;
    if (zip.links.size() == 1) {
      first = keys;
      zip.labels.resize(values.size());
    }
    if (values.size() != zip.labels.size()) {
      problems.add(
          fmt::format("{}: {} has {} values and {} has {}; they are taken together, one "
                      "by one, and must be as many",
                      where, first, zip.labels.size(), keys, values.size()));
      return;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      zip.labels[i] += fmt::format("{}{}={}", zip.labels[i].empty() ? "" : " ",
                                   zip.links.back().key, values[i].Scalar());
    }
  }
  zips_.push_back(std::move(zip));
}

bool Zips::link(Zip& zip, YAML::Node map, const std::string& keys, const YAML::Node& list,
                const std::string& path, Problems& problems) {
  const std::string from = join_path(join_path(path, kKey), keys);
  const std::string where = source_.place(list, from);
  Link made{.map = {}, .key = keys, .values = values_of(list)};
  made.map.reset(map);
  if (made.values.empty()) {
    problems.add(fmt::format("{}: expected a list of single values, or a range", where));
    return false;
  }
  for (std::size_t dot; (dot = made.key.find('.')) != std::string::npos;) {
    const std::string outer = made.key.substr(0, dot);
    made.key = made.key.substr(dot + 1);
    YAML::Node inner = made.map[outer];
    if (!inner.IsDefined() || inner.IsNull()) inner = YAML::Node(YAML::NodeType::Map);
    if (!inner.IsMap()) {
      problems.add(fmt::format("{}: '{}' holds no keys", where, outer));
      return false;
    }
    made.map.reset(inner);
  }
  const YAML::Node& there = made.map;
  if (there[made.key].IsDefined()) {
    problems.add(
        fmt::format("{}: {} has a value beside the zip; leave one of them out", where, keys));
    return false;
  }
  if (!moved_) moved_ = source_;
  moved_->move(from, join_path(path, keys));
  zip.links.push_back(std::move(made));
  return true;
}

void Zips::apply(Sweep& sweep) const {
  for (const Zip& zip : zips_) {
    const std::size_t index = sweep.pick(zip.path, "", zip.labels);
    for (const Link& link : zip.links) {
      YAML::Node map;
      map.reset(link.map);
      map[link.key] = link.values[index];
    }
  }
}

}  // namespace longreach::harness
