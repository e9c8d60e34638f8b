// Makes registered datasets from "key: value" settings, as a configuration file would.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "datasets/dataset.h"

namespace longreach::datasets {

/// Sets the fields named, leaves the others at their defaults; lists and groups are not needed
/// here.
class Settings final : public Fields {
 public:
  explicit Settings(std::map<std::string, std::string> values) : values_(std::move(values)) {}

  void operator()(std::string_view key, i64& value, Range, std::string_view) override {
    if (const std::string* text = find(key)) value = std::stoll(*text);
  }
  void operator()(std::string_view key, double& value, Range, std::string_view) override {
    if (const std::string* text = find(key)) value = std::stod(*text);
  }
  void operator()(std::string_view key, std::string& value, std::string_view) override {
    if (const std::string* text = find(key)) value = *text;
  }
  void operator()(std::string_view, bool&, std::string_view) override {}
  void operator()(std::string_view, std::vector<double>&, Range, std::string_view) override {}
  void operator()(std::string_view, std::vector<i64>&, Range, std::string_view) override {}

 protected:
  void choice(std::string_view, std::size_t&, std::span<const std::string_view>,
              std::string_view) override {}
  void group(std::string_view, std::string_view, const Visit&) override {}
  void optional_group(std::string_view, bool&, std::string_view, const Visit&) override {}

 private:
  const std::string* find(std::string_view key) const {
    const auto found = values_.find(std::string(key));
    return found == values_.end() ? nullptr : &found->second;
  }
  std::map<std::string, std::string> values_;
};

inline std::unique_ptr<Dataset> make_dataset(const std::string& type,
                                             std::map<std::string, std::string> values,
                                             const Tokenizer& tokenizer, const Rng& rng) {
  Settings settings(std::move(values));
  return DatasetRegistry::instance().find(type).make(settings, tokenizer, rng);
}

}  // namespace longreach::datasets
