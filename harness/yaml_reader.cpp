// Reads parameter structs from YAML: the visitor that refuses what it does not know.
#include "harness/yaml_reader.h"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>

#include "core/error.h"

namespace longreach::harness {
namespace {

std::string bounds(Range range) {
  const bool low = std::isfinite(range.min), high = std::isfinite(range.max);
  if (low && high) return fmt::format("between {} and {}", range.min, range.max);
  return low ? fmt::format("at least {}", range.min) : fmt::format("at most {}", range.max);
}

std::string_view examples(Unit unit) {
  switch (unit) {
    case Unit::none:
      return "";
    case Unit::count:
      return " (such as 512 or 4k)";
    case Unit::bytes:
      return " (such as 64KiB or 8GiB)";
    case Unit::seconds:
      return " (such as 30, 500ms or 10m)";
    case Unit::percent:
      return " (such as 25 or 25%)";
  }
  return "";
}

/// What is wrong with a number as a value of `allowed`; "" when nothing is.
std::string wrong_size(double number, const std::string& shown, Range allowed) {
  const auto outside = [number](Range range) { return number < range.min || number > range.max; };
  if (!outside(readable(allowed))) return "";
  return fmt::format("{} is out of range; must be {}", shown,
                     bounds(outside(allowed) ? allowed : readable(allowed)));
}

/// What is wrong with `text` as a value, or "" after writing it.
template <class T>
std::string read_number(const std::string& text, Range range, T& value) {
  constexpr bool whole = std::is_same_v<T, i64>;
  std::optional<T> number;
  if constexpr (whole) {
    number = parse_integer(text, range.unit);
  } else {
    number = parse_number(text, range.unit);
  }
  if (!number) {
    return fmt::format("'{}' is not a {}{}", one_line(text), whole ? "whole number" : "number",
                       examples(range.unit));
  }
  const std::string wrong =
      wrong_size(static_cast<double>(*number), fmt::format("{}", *number), range);
  if (wrong.empty()) value = *number;
  return wrong;
}

template <class T>
std::string read_numbers(const std::vector<std::string>& texts, Range range,
                         std::vector<T>& values) {
  std::vector<T> read;
  for (const std::string& text : texts) {
    const auto expanded = expand_range(text, range.unit);
    if (!expanded) return fmt::format("'{}' is not a range such as 512..8192*2 or 1..4+1", text);
    if (read.size() + expanded->size() > kMostValues) {
      return fmt::format("a list of more than {} values", kMostValues);
    }
    for (const std::string& one : *expanded) {
      T value{};
      if (std::string wrong = read_number(one, range, value); !wrong.empty()) return wrong;
      read.push_back(value);
    }
  }
  values = std::move(read);
  return "";
}

std::string_view kind(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  return "nothing";
}

/// Reads with one visitor and then shows the value to another.
class ReadThenShow final : public Fields {
 public:
  ReadThenShow(Fields& reader, Fields& shown) : reader_(reader), shown_(shown) {}
  void operator()(std::string_view key, i64& v, Range r, std::string_view doc) override {
    both(key, v, r, doc);
  }
  void operator()(std::string_view key, double& v, Range r, std::string_view doc) override {
    both(key, v, r, doc);
  }
  void operator()(std::string_view key, bool& v, std::string_view doc) override {
    both(key, v, doc);
  }
  void operator()(std::string_view key, std::string& v, std::string_view doc) override {
    both(key, v, doc);
  }
  void operator()(std::string_view key, std::vector<double>& v, Range r,
                  std::string_view doc) override {
    both(key, v, r, doc);
  }
  void operator()(std::string_view key, std::vector<i64>& v, Range r,
                  std::string_view doc) override {
    both(key, v, r, doc);
  }

 protected:
  void choice(std::string_view key, std::size_t& index, std::span<const std::string_view> names,
              std::string_view doc) override {
    (reader_.*Open::choice_of)(key, index, names, doc);
    (shown_.*Open::choice_of)(key, index, names, doc);
  }
  void group(std::string_view key, std::string_view doc, const Visit& visit) override {
    (reader_.*Open::group_of)(key, doc, visit);
    (shown_.*Open::group_of)(key, doc, visit);
  }
  void optional_group(std::string_view key, bool& present, std::string_view doc,
                      const Visit& visit) override {
    (reader_.*Open::optional_of)(key, present, doc, visit);
    (shown_.*Open::optional_of)(key, present, doc, visit);
  }

 private:
  /// A sibling's protected members are out of reach but for pointers taken through a child.
  struct Open : Fields {
    static constexpr auto choice_of = &Open::choice;
    static constexpr auto group_of = &Open::group;
    static constexpr auto optional_of = &Open::optional_group;
  };
  template <class... Args>
  void both(std::string_view key, Args&&... args) {
    reader_(key, args...);
    shown_(key, args...);
  }
  Fields& reader_;
  Fields& shown_;
};

}  // namespace

Range readable(Range range) {
  constexpr double kMostCount = 0x1p40, kMostBytes = 0x1p50;
  if (range.unit == Unit::count) range.max = std::min(range.max, kMostCount);
  if (range.unit == Unit::bytes) range.max = std::min(range.max, kMostBytes);
  return range;
}

YamlFields::YamlFields(const YAML::Node& node, std::string path, Context context)
    : path_(std::move(path)), context_(context) {
  node_.reset(node);
  if (!node.IsDefined() || node.IsNull()) {
    node_.reset(YAML::Node(YAML::NodeType::Map));
    return;
  }
  if (!node.IsMap()) {
    const std::string found =
        node.IsScalar() ? fmt::format("'{}'", node.Scalar()) : std::string(kind(node));
    context_.problems.add(fmt::format("{}: expected a mapping of keys, found {}",
                                      context_.source.place(node, path_), found));
    node_.reset(YAML::Node(YAML::NodeType::Map));
    return;
  }
  std::set<std::string> seen;
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) {
      context_.problems.add(
          fmt::format("{}: a key must be text", context_.source.place(pair.first, path_)));
    } else if (!seen.insert(pair.first.Scalar()).second) {
      problem(pair.first, pair.first.Scalar(), "this key appears twice");
    }
  }
}

YAML::Node YamlFields::claim(const std::string& key) {
  known_.push_back(key);
  claimed_.insert(key);
  for (const auto& pair : node_) {
    if (pair.first.IsScalar() && pair.first.Scalar() == key) return pair.second;
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

void YamlFields::finish() {
  for (const auto& pair : node_) {
    if (!pair.first.IsScalar()) continue;
    const std::string& key = pair.first.Scalar();
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const std::string hint = context_.problems.full() ? "" : suggestion(key, known_);
    problem(pair.first, key, "unknown key" + hint);
  }
}

void YamlFields::problem(const YAML::Node& at, std::string_view key, std::string_view what) {
  context_.problems.add(
      fmt::format("{}: {}", context_.source.place(at, join_path(path_, key)), what));
}

bool YamlFields::wanted(std::string_view key) { return !claimed_.contains(std::string(key)); }

std::optional<std::string> YamlFields::scalar(std::string_view key) {
  if (!wanted(key)) return std::nullopt;
  const YAML::Node node = claim(std::string(key));
  claimed_.erase(std::string(key));
  if (!node.IsDefined()) return std::nullopt;
  if (node.IsScalar() && (!context_.sweep || node.Scalar().find("..") == std::string::npos)) {
    return node.Scalar();
  }
  std::vector<std::string> items;
  if (context_.sweep && node.IsScalar()) {
    // A path may hold ".." too: only what reads as a range is one.
    const auto expanded = expand_range(node.Scalar(), Unit::count);
    items = expanded ? *expanded : std::vector<std::string>{node.Scalar()};
  } else if (context_.sweep && node.IsSequence() && node.size() > 0) {
    for (const YAML::Node& item : node) {
      if (!item.IsScalar()) {
        problem(item, key,
                fmt::format("expected single values in the sweep, found {}", kind(item)));
        return std::nullopt;
      }
      items.push_back(item.Scalar());
    }
  } else {
    problem(node, key, fmt::format("expected a single value, found {}", kind(node)));
    return std::nullopt;
  }
  if (items.size() == 1) return items[0];
  return items[context_.sweep->pick(join_path(path_, key), key, items)];
}

std::optional<std::vector<std::string>> YamlFields::list(std::string_view key) {
  if (!wanted(key)) return std::nullopt;
  const YAML::Node node = claim(std::string(key));
  claimed_.erase(std::string(key));
  if (!node.IsDefined()) return std::nullopt;
  if (node.IsScalar()) return std::vector<std::string>{node.Scalar()};
  if (!node.IsSequence()) {
    problem(node, key, fmt::format("expected a list, found {}", kind(node)));
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const YAML::Node& item : node) {
    if (!item.IsScalar()) {
      problem(item, key, fmt::format("expected single values in the list, found {}", kind(item)));
      return std::nullopt;
    }
    texts.push_back(item.Scalar());
  }
  return texts;
}

void YamlFields::operator()(std::string_view key, i64& value, Range range, std::string_view) {
  if (const auto text = scalar(key)) {
    const std::string wrong = read_number(*text, range, value);
    if (!wrong.empty()) problem(node_[std::string(key)], key, wrong);
  }
}

void YamlFields::operator()(std::string_view key, double& value, Range range, std::string_view) {
  if (const auto text = scalar(key)) {
    const std::string wrong = read_number(*text, range, value);
    if (!wrong.empty()) problem(node_[std::string(key)], key, wrong);
  }
}

void YamlFields::operator()(std::string_view key, bool& value, std::string_view) {
  if (const auto text = scalar(key)) {
    if (*text == "true" || *text == "false") {
      value = *text == "true";
    } else {
      problem(node_[std::string(key)], key, fmt::format("'{}' is neither true nor false", *text));
    }
  }
}

void YamlFields::operator()(std::string_view key, std::string& value, std::string_view) {
  if (const auto text = scalar(key)) value = *text;
}

void YamlFields::operator()(std::string_view key, std::vector<double>& values, Range range,
                            std::string_view) {
  if (const auto texts = list(key)) {
    const std::string wrong = read_numbers(*texts, range, values);
    if (!wrong.empty()) problem(node_[std::string(key)], key, wrong);
  }
}

void YamlFields::operator()(std::string_view key, std::vector<i64>& values, Range range,
                            std::string_view) {
  if (const auto texts = list(key)) {
    const std::string wrong = read_numbers(*texts, range, values);
    if (!wrong.empty()) problem(node_[std::string(key)], key, wrong);
  }
}

void YamlFields::choice(std::string_view key, std::size_t& index,
                        std::span<const std::string_view> names, std::string_view) {
  const auto text = scalar(key);
  if (!text) return;
  const auto found = std::find(names.begin(), names.end(), *text);
  if (found != names.end()) {
    index = static_cast<std::size_t>(found - names.begin());
  } else {
    const std::string near = nearest(*text, {names.begin(), names.end()});
    problem(node_[std::string(key)], key,
            fmt::format("'{}' is not one of {}{}", *text, fmt::join(names, ", "),
                        near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
  }
}

void YamlFields::group(std::string_view key, std::string_view, const Visit& visit) {
  if (!wanted(key)) return;
  const YAML::Node node = claim(std::string(key));
  claimed_.erase(std::string(key));
  YamlFields inner(node, join_path(path_, key), context_);
  visit(inner);
  inner.finish();
}

void YamlFields::optional_group(std::string_view key, bool& present, std::string_view doc,
                                const Visit& visit) {
  if (!wanted(key)) return;
  const YAML::Node node = claim(std::string(key));
  claimed_.erase(std::string(key));
  if (!node.IsDefined()) return;
  present = !(node.IsScalar() && node.Scalar() == "none");
  if (present) group(key, doc, visit);
}

std::string read_canonical(Fields& reader, const std::function<void(Fields&)>& visit) {
  return canonical([&](Fields& shown) {
    ReadThenShow both(reader, shown);
    visit(both);
  });
}

}  // namespace longreach::harness
