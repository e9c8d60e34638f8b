// A parameter struct is declared once: one `void fields(Fields&)` member serves every use of it.
#pragma once

#include <array>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tensor.h"
#include "core/units.h"

namespace longreach {

/// What values a number may take (both ends included), and how people write it.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  Unit unit = Unit::none;
};
inline Range at_least(double min, Unit unit = Unit::none) {
  return {min, std::numeric_limits<double>::infinity(), unit};
}
inline Range between(double min, double max, Unit unit = Unit::none) { return {min, max, unit}; }

class Fields;
template <class T>
concept HasFields = requires(T value, Fields& fields) {
  value.fields(fields);
};

/// The names of an enum's values, in order from 0: specialise beside the enum.
template <class E>
struct EnumNames;  // static constexpr std::array<std::string_view, N> names;

/// Visits every field of a parameter struct, in order. The visitors: read YAML and refuse unknown
/// keys (harness/config), list keys with defaults and ranges (describe), and write the canonical
/// form that names a cell (canonical).
class Fields {
 public:
  virtual ~Fields() = default;
  virtual void operator()(std::string_view key, i64& value, Range, std::string_view doc) = 0;
  virtual void operator()(std::string_view key, double& value, Range, std::string_view doc) = 0;
  virtual void operator()(std::string_view key, bool& value, std::string_view doc) = 0;
  virtual void operator()(std::string_view key, std::string& value, std::string_view doc) = 0;
  virtual void operator()(std::string_view key, std::vector<double>& values, Range,
                          std::string_view doc) = 0;
  virtual void operator()(std::string_view key, std::vector<i64>& values, Range,
                          std::string_view doc) = 0;

  /// An enum, written as one of its names.
  template <class E>
  requires std::is_enum_v<E>
  void operator()(std::string_view key, E& value, std::string_view doc) {
    std::size_t index = static_cast<std::size_t>(value);
    choice(key, index, EnumNames<E>::names, doc);
    value = static_cast<E>(index);
  }
  /// A nested struct, written as a mapping.
  template <HasFields T>
  void operator()(std::string_view key, T& value, std::string_view doc) {
    group(key, doc, [&value](Fields& inner) { value.fields(inner); });
  }
  /// A nested struct that may be switched off with `none`.
  template <HasFields T>
  void operator()(std::string_view key, std::optional<T>& value, std::string_view doc) {
    bool present = value.has_value();
    T inner = value.value_or(T{});
    optional_group(key, present, doc, [&inner](Fields& fields) { inner.fields(fields); });
    value = present ? std::optional<T>(inner) : std::nullopt;
  }

 protected:
  using Visit = std::function<void(Fields&)>;
  virtual void choice(std::string_view key, std::size_t& index,
                      std::span<const std::string_view> names, std::string_view doc) = 0;
  virtual void group(std::string_view key, std::string_view doc, const Visit&) = 0;
  /// May set `present`; visits the inner fields when present (and always to describe them).
  virtual void optional_group(std::string_view key, bool& present, std::string_view doc,
                              const Visit&) = 0;
};

/// One line of `describe`.
struct FieldDescription {
  std::string key;      ///< "rope.theta"
  std::string value;    ///< the default, as YAML
  std::string allowed;  ///< ">= 1", "one of linear, delta", "a path", ...
  std::string doc;
};

/// Every field of a struct, defaults included, nested keys joined by dots.
std::vector<FieldDescription> describe(const std::function<void(Fields&)>& visit);

/// The canonical text of a struct's values, "key: value, ..." in declaration order, one line.
/// Equal values give equal text on every machine; it names cells and is valid YAML flow mapping
/// content.
std::string canonical(const std::function<void(Fields&)>& visit);

template <HasFields T>
std::vector<FieldDescription> describe(T value) {
  return describe([&value](Fields& fields) { value.fields(fields); });
}
template <HasFields T>
std::string canonical(T value) {
  return canonical([&value](Fields& fields) { value.fields(fields); });
}

}  // namespace longreach
