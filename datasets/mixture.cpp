// The mixtures of mixture.h.
#include "datasets/mixture.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/sha256.h"
#include "datasets/draw.h"

namespace longreach::datasets {
namespace {

/// Scales the loss weights to a sum of 1.
void balance(Sample& sample) {
  if (sample.weights.empty()) {
    sample.weights.assign(sample.tokens.size(), 1.0F);
    sample.weights.front() = 0;
  }
  const double sum = std::accumulate(sample.weights.begin(), sample.weights.end(), 0.0);
  if (sum == 0) return;
  for (float& weight : sample.weights) {
    weight = static_cast<float>(static_cast<double>(weight) / sum);
  }
}

class Mixture final : public Dataset {
 public:
  Mixture(std::vector<MixturePart> parts, const Rng& rng) : parts_(std::move(parts)), rng_(rng) {
    check(!parts_.empty(), "a mixture has parts");
  }

  i64 version() const override { return kMixtureVersion; }

  Sample sample(Split split, i64 index, i64 length) const override {
    const MixturePart& part = part_of(split, index);
    Sample sample = part.data->sample(split, row_of(index), length);
    for (Question& question : sample.questions) {
      question.kind = question.kind.empty() ? part.name : part.name + " " + question.kind;
    }
    balance(sample);
    return sample;
  }

  i64 size(Split split, i64 length) const override {
    i64 rows = std::numeric_limits<i64>::max() / std::ssize(parts_);
    for (const MixturePart& part : parts_) rows = std::min(rows, part.data->size(split, length));
    return rows * std::ssize(parts_);
  }

  std::vector<std::span<const Token>> documents(Split split) const override {
    std::vector<std::span<const Token>> all;
    for (const MixturePart& part : parts_) {
      const auto documents = part.data->documents(split);
      all.insert(all.end(), documents.begin(), documents.end());
    }
    return all;
  }

  const Dataset& part(Split split, i64 index) const override {
    return part_of(split, index).data->part(split, row_of(index));
  }

  std::string sha() const override {
    std::vector<std::string> shas;
    for (const MixturePart& part : parts_) shas.push_back(part.data->sha());
    return mixture_sha(shas);
  }

  std::string description() const override {
    std::vector<std::string> each;
    for (const MixturePart& part : parts_) {
      const std::string text = part.data->description();
      each.push_back(text.empty() ? part.name : fmt::format("{} ({})", part.name, text));
    }
    return fmt::format("mixture of {}", fmt::join(each, ", "));
  }

 private:
  i64 row_of(i64 index) const { return index / std::ssize(parts_); }

  const MixturePart& part_of(Split split, i64 index) const {
    return parts_[part_at(split, row_of(index), index % std::ssize(parts_))];
  }

  /// Whose sample stands at that place of the row.
  std::size_t part_at(Split split, i64 row, i64 place) const {
    std::vector<std::size_t> order(parts_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    Rng draw = stream_of(rng_, split, row);
    shuffle(order, draw);
    return order[static_cast<std::size_t>(place)];
  }

  std::vector<MixturePart> parts_;
  Rng rng_;
};

}  // namespace

std::unique_ptr<Dataset> mixture(std::vector<MixturePart> parts, const Rng& rng) {
  return std::make_unique<Mixture>(std::move(parts), rng);
}

std::string mixture_sha(std::span<const std::string> shas) {
  const bool none = std::ranges::all_of(shas, [](const std::string& sha) { return sha.empty(); });
  return none ? "" : sha256(fmt::format("{}", fmt::join(shas, "\n")));
}

}  // namespace longreach::datasets
