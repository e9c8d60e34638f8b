// `run --from`: what a manifest says of how to make its results again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/config.h"
#include "harness/plan.h"
#include "harness/shard.h"

namespace longreach::harness {

struct Recipe {
  std::string file;  ///< the manifest
  std::string configuration, written, folder;
  Selection selection;
  Shard shard;
  i64 threads = 0;
  struct Plugin {
    std::string path, sha;
  };
  std::vector<Plugin> plugins;
  std::map<std::string, std::string> inputs;      ///< of input_hashes()
  std::map<std::string, std::string> provenance;  ///< of provenance_of()
};

/// Reads a manifest. Throws Error, one line, for what is missing, none of ours, damaged, from a
/// newer version or from before manifests were recipes.
Recipe read_recipe(const std::string& path);

/// The paths to load: `given`, and what the manifest has besides. One that lies elsewhere now can
/// be given; its hash counts. Throws Error for one that is gone or changed.
std::vector<std::string> plugins_of(const Recipe&, std::vector<std::string> given);

/// The experiment, of which `overrides` may change the output. Throws Error, a line each, for data,
/// imports and tokenizers that have changed since.
Experiment experiment_of(const Recipe&, const Overrides& overrides);

/// What of build, machine and circumstances is other than then: a line each, "build.compiler: gcc
/// 13.1.0, was gcc 12.2.0".
std::vector<std::string> differences(const Recipe&);

}  // namespace longreach::harness
