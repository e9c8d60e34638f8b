// Reads parameter structs from YAML: the visitor that refuses what it does not know.
#pragma once

#include <functional>
#include <string>
#include <vector>
#include <yaml-cpp/yaml.h>

#include "core/fields.h"
#include "harness/sweep.h"
#include "harness/yaml_source.h"

namespace longreach::harness {

/// Reads one mapping. Wrong values are added to the problems and leave the field as it was.
/// Numbers are read as text by the field's unit ("4k", "1e-3"), quoted or not. A key that was
/// claimed is not read again. A single value stands for a list of one.
class YamlFields final : public Fields {
 public:
  struct Context {
    const Source& source;
    Problems& problems;
    Sweep* sweep = nullptr;  ///< nullptr: a list where one value is expected is an error
  };

  /// `node` may be null (no keys). `path` is for messages: "backends[1].infini".
  YamlFields(const YAML::Node& node, std::string path, Context context);

  /// Takes a key for reading by hand; an undefined node when absent.
  YAML::Node claim(const std::string& key);
  /// Adds a problem for each key that nothing asked for.
  void finish();

  void operator()(std::string_view key, i64& value, Range, std::string_view doc) override;
  void operator()(std::string_view key, double& value, Range, std::string_view doc) override;
  void operator()(std::string_view key, bool& value, std::string_view doc) override;
  void operator()(std::string_view key, std::string& value, std::string_view doc) override;
  void operator()(std::string_view key, std::vector<double>& values, Range,
                  std::string_view doc) override;
  void operator()(std::string_view key, std::vector<i64>& values, Range,
                  std::string_view doc) override;
  using Fields::operator();

 protected:
  void choice(std::string_view key, std::size_t& index, std::span<const std::string_view> names,
              std::string_view doc) override;
  void group(std::string_view key, std::string_view doc, const Visit&) override;
  void optional_group(std::string_view key, bool& present, std::string_view doc,
                      const Visit&) override;

 private:
  bool wanted(std::string_view key);
  std::optional<std::string> scalar(std::string_view key);
  std::optional<std::vector<std::string>> list(std::string_view key);
  void problem(const YAML::Node& at, std::string_view key, std::string_view what);

  YAML::Node node_;
  std::string path_;
  Context context_;
  std::set<std::string> claimed_;  ///< by hand
  std::vector<std::string> known_;
};

/// Reads a struct with `reader` and returns its canonical text (core/fields.h), defaults filled in.
std::string read_canonical(Fields& reader, const std::function<void(Fields&)>& visit);

/// The values that are read: those of the range, and of counts and bytes no more than arithmetic
/// on several of them can bear.
Range readable(Range);

}  // namespace longreach::harness
