// A dataset of samples that a test lists.
#pragma once

#include <utility>
#include <vector>

#include "core/error.h"
#include "datasets/dataset.h"

namespace longreach::metrics {

class Listed final : public datasets::Dataset {
 public:
  explicit Listed(std::vector<datasets::Sample> samples) : samples_(std::move(samples)) {}
  i64 version() const override { return 1; }
  datasets::Sample sample(datasets::Split split, i64 index, i64) const override {
    check(split == datasets::Split::test, "held-out samples are asked");
    return samples_.at(static_cast<std::size_t>(index));
  }
  i64 size(datasets::Split, i64) const override { return std::ssize(samples_); }

 private:
  std::vector<datasets::Sample> samples_;
};

}  // namespace longreach::metrics
