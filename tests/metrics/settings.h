// Makes registered things from "key: value" settings, as a configuration file would.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "core/error.h"
#include "metrics/metric.h"

namespace longreach::metrics {

/// Sets the fields named, leaves the others at their defaults. Lists are numbers between spaces.
class Settings final : public Fields {
 public:
  explicit Settings(std::map<std::string, std::string> values) : values_(std::move(values)) {}

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

 protected:
  void choice(std::string_view key, std::size_t& index, std::span<const std::string_view> names,
              std::string_view) override {
    if (const std::string* text = find(key)) {
      index =
          static_cast<std::size_t>(std::find(names.begin(), names.end(), *text) - names.begin());
      check(index < names.size(), *text);
    }
  }
  void group(std::string_view, std::string_view, const Visit&) override {}
  void optional_group(std::string_view, bool&, std::string_view, const Visit&) override {}

 private:
  const std::string* find(std::string_view key) const {
    const auto found = values_.find(std::string(key));
    return found == values_.end() ? nullptr : &found->second;
  }
  template <class T>
  void list(std::string_view key, std::vector<T>& values) const {
    const std::string* text = find(key);
    if (text == nullptr) return;
    values.clear();
    std::istringstream in(*text);
    for (T value; in >> value;) values.push_back(value);
  }
  std::map<std::string, std::string> values_;
};

inline std::unique_ptr<Metric> make_metric(const std::string& name,
                                           std::map<std::string, std::string> values = {}) {
  Settings settings(std::move(values));
  return MetricRegistry::instance().find(name).make(settings);
}

}  // namespace longreach::metrics
