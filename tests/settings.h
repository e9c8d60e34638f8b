// Fields from "key" -> "text" pairs, as a configuration file would give them, for tests below the
// layer that reads YAML.
#pragma once

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/fields.h"

namespace longreach::tests {

using Settings = std::map<std::string, std::string>;

/// Sets the fields named and leaves the others at their defaults. Nested keys are joined by dots,
/// `none` switches a group off, lists are numbers between spaces.
class SettingsReader final : public Fields {
 public:
  explicit SettingsReader(Settings settings) : settings_(std::move(settings)) {}

  void operator()(std::string_view key, i64& value, Range, std::string_view) override {
    if (const std::string* text = find(key)) value = std::stoll(*text);
  }
  void operator()(std::string_view key, double& value, Range, std::string_view) override {
    if (const std::string* text = find(key)) value = std::stod(*text);
  }
  void operator()(std::string_view key, bool& value, std::string_view) override {
    if (const std::string* text = find(key)) value = *text == "true";
  }
  void operator()(std::string_view key, std::string& value, std::string_view) override {
    if (const std::string* text = find(key)) value = *text;
  }
  void operator()(std::string_view key, std::vector<double>& values, Range,
                  std::string_view) override {
    list(key, values);
  }
  void operator()(std::string_view key, std::vector<i64>& values, Range,
                  std::string_view) override {
    list(key, values);
  }

  /// Throws Error when no field asked for one of the keys.
  void finish() const {
    for (const auto& [key, text] : settings_) {
      if (!used_.contains(key)) throw error("no field '{}'", key);
    }
  }

 protected:
  void choice(std::string_view key, std::size_t& index, std::span<const std::string_view> names,
              std::string_view) override {
    const std::string* text = find(key);
    if (text == nullptr) return;
    for (index = 0; index < names.size() && names[index] != *text; ++index) {
    }
    if (index == names.size()) throw error("'{}' is no {}", *text, key);
  }
  void group(std::string_view key, std::string_view, const Visit& visit) override {
    const std::string outer = prefix_;
    prefix_ += std::string(key) + ".";
    visit(*this);
    prefix_ = outer;
  }
  void optional_group(std::string_view key, bool& present, std::string_view doc,
                      const Visit& visit) override {
    if (const std::string* text = find(key)) present = *text != "none";
    for (const auto& [name, text] : settings_) {
      if (name.starts_with(prefix_ + std::string(key) + ".")) present = true;
    }
    if (present) group(key, doc, visit);
  }

 private:
  const std::string* find(std::string_view key) {
    const auto found = settings_.find(prefix_ + std::string(key));
    if (found == settings_.end()) return nullptr;
    used_.insert(found->first);
    return &found->second;
  }
  template <class T>
  void list(std::string_view key, std::vector<T>& values) {
    const std::string* text = find(key);
    if (text == nullptr) return;
    values.clear();
    std::istringstream in(*text);
    for (T value; in >> value;) values.push_back(value);
  }

  Settings settings_;
  std::set<std::string> used_;
  std::string prefix_;
};

/// Registry::make() with settings; every key must be a field's.
template <class Registry, class... Args>
auto make(const std::string& type, Settings settings, Args&&... args) {
  SettingsReader reader(std::move(settings));
  auto made = Registry::instance().find(type).make(reader, std::forward<Args>(args)...);
  reader.finish();
  return made;
}

}  // namespace longreach::tests
