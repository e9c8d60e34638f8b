// Makes registered backends from text, and runs them, for the tests of this folder.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attention/backend.h"
#include "attention/verify_run.h"

namespace longreach::attention {

using TextFields = std::vector<std::pair<std::string, std::string>>;

/// Sets fields from "key" -> "text", nested keys joined by dots; `none` switches a group off.
class TextReader final : public Fields {
 public:
  explicit TextReader(const TextFields& fields) : values_(fields.begin(), fields.end()) {}

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
  void operator()(std::string_view, std::vector<double>&, Range, std::string_view) override {}
  void operator()(std::string_view, std::vector<i64>&, Range, std::string_view) override {}

  /// Keys that no field asked for.
  std::vector<std::string> unused() const {
    std::vector<std::string> keys;
    for (const auto& [key, text] : values_) {
      if (!used_.contains(key)) keys.push_back(key);
    }
    return keys;
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
    for (const auto& [name, text] : values_) {
      if (name.starts_with(prefix_ + std::string(key) + ".")) present = true;
    }
    if (present) group(key, doc, visit);
  }

 private:
  const std::string* find(std::string_view key) {
    const auto found = values_.find(prefix_ + std::string(key));
    if (found == values_.end()) return nullptr;
    used_.insert(found->first);
    return &found->second;
  }
  std::map<std::string, std::string> values_;
  std::set<std::string> used_;
  std::string prefix_;
};

inline std::unique_ptr<Backend> make_backend(const std::string& type, const TextFields& fields,
                                             const Shape& shape) {
  TextReader reader(fields);
  auto backend = AttentionRegistry::instance().find(type).make(reader, shape);
  if (!reader.unused().empty()) throw error("{} has no field '{}'", type, reader.unused()[0]);
  return backend;
}

/// Outputs of a whole problem in one call.
inline Tensor outputs(const Backend& backend, const Problem& problem) {
  const i64 whole[] = {problem.tokens};
  return run(backend, problem, whole, false).out;
}

/// All gradients of a whole problem for the loss sum(d_out * out): nothing depends on the final
/// state.
inline Gradients gradients(const Backend& backend, const Problem& problem) {
  const i64 whole[] = {problem.tokens};
  const Pass pass = run(backend, problem, whole, true);
  return undo(backend, problem, pass, problem.d_state.zero_like());
}

/// The floats of stream b of a batch-first tensor.
inline std::span<const float> stream_of(const Tensor& tensor, i64 b) {
  const std::size_t stride = static_cast<std::size_t>(tensor.size() / tensor.shape()[0]);
  return tensor.flat().subspan(static_cast<std::size_t>(b) * stride, stride);
}

inline void set_all(Tensor& tensor, float value) {
  for (float& x : tensor.flat()) x = value;
}

}  // namespace longreach::attention
