// Small experiments as YAML, with parts to replace.
#pragma once

#include <string>

#include "harness/config.h"

namespace longreach::tests {

struct Parts {
  std::string models =
      "[{name: reader, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: {path: "
      "configs/data/harbour.txt, held_out: 0.4}}, steps: 4, length: 64, batch_tokens: 128}}]";
  std::string backends =
      "[{name: full, full: {}, baseline: true}, {name: window, "
      "sliding_window: {window: 16}}]";
  std::string lengths = "[64, 128]";
  std::string tasks = "[{perplexity: {stride: 32, tokens: 64}}, memory]";
  std::string more;  ///< further lines

  std::string yaml() const {
    return "version: 1\nname: t\nmodels: " + models + "\nbackends: " + backends +
           "\nlengths: " + lengths + "\ntasks: " + tasks + "\n" + more;
  }
};

/// Relative paths are found from the source folder.
inline harness::Experiment read(const Parts& parts, harness::Overrides overrides = {}) {
  overrides.folder = LONGREACH_SOURCE_DIR;
  return harness::read_experiment_text(parts.yaml(), "t.yaml", overrides);
}

}  // namespace longreach::tests
