// `zip: {window: [256, 512], sinks: [4, 8]}`: sweeps whose values go together, one by one.
#pragma once

#include <optional>
#include <string>
#include <vector>
#include <yaml-cpp/yaml.h>

#include "harness/sweep.h"
#include "harness/yaml_source.h"

namespace longreach::harness {

/// The zips of one entry of a list: a key `zip` in any of its mappings, whose keys are those of
/// that mapping, or lead further in with dots ("arch.width"), and whose lists have the same length.
/// Each zip is one axis of a sweep.
class Zips {
 public:
  /// Takes the zips out of the entry, which is changed. What is wrong with them becomes problems.
  /// `source` must outlive them.
  Zips(const YAML::Node& entry, const std::string& path, const Source& source, Problems&);

  /// Puts the values of the combination that is to be read now into the entry.
  void apply(Sweep&) const;

  /// Where the values so put came from.
  const Source& source() const { return moved_ ? *moved_ : source_; }

 private:
  struct Link {
    YAML::Node map;   ///< where the key belongs
    std::string key;  ///< the last of the dotted ones
    std::vector<YAML::Node> values;
  };
  struct Zip {
    std::string path;
    std::vector<Link> links;
    std::vector<std::string> labels;  ///< "window=256 sinks=4", one for each value
  };

  void find(YAML::Node node, const std::string& path, Problems&);
  void read(YAML::Node map, const YAML::Node& lists, const std::string& path, Problems&);
  bool link(Zip&, YAML::Node map, const std::string& keys, const YAML::Node& list,
            const std::string& path, Problems&);

  const Source& source_;
  std::optional<Source> moved_;  ///< with the places of what is put into the entry
  std::vector<Zip> zips_;
};

}  // namespace longreach::harness
