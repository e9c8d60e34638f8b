// What a training run showed, step by step.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/record.h"
#include "model/trainer.h"

namespace longreach::harness {

/// Steps whose median the loss of the next is held against, and how many there must be.
inline constexpr std::size_t kSpikeWindow = 100, kSpikeLeast = 20;

/// Numbers as text that brings them back to the bit, and back; none when there is no such note.
std::string numbers_text(const std::vector<double>& numbers);
std::vector<double> numbers_of(const std::map<std::string, std::string>& notes, const char* key);

class History {
 public:
  /// `flops` are those of the step, forward and backward.
  void add(const model::StepReport&, double flops);
  std::size_t steps() const { return loss_.size(); }
  const std::vector<double>& loss() const { return loss_; }
  double tokens() const { return tokens_.empty() ? 0 : tokens_.back(); }
  double seconds() const { return seconds_.empty() ? 0 : seconds_.back(); }
  double flops() const { return flops_; }
  double tape_bytes() const { return tape_bytes_; }    ///< of the step with most
  double state_bytes() const { return state_bytes_; }  ///< of the step with most

  /// Why a next step of that loss is a spike: more than `limit` nats above the median of the last
  /// kSpikeWindow steps, of which there are kSpikeLeast. "" when it is not, or `limit` is 0.
  std::string spike(double loss, double limit) const;

  /// Curves of at most `points` points, each the mean of neighbouring steps: training/loss,
  /// training/learning_rate, training/gradient_norm and training/throughput by tokens, and
  /// training/loss_by_time by seconds.
  std::vector<Curve> curves(i64 points) const;

  /// As text to keep with a checkpoint, and back to the bit. Throws Error when `notes` are not
  /// those of `steps` steps.
  std::map<std::string, std::string> notes() const;
  static History from_notes(const std::map<std::string, std::string>& notes, i64 steps);

 private:
  std::vector<double> loss_, lr_, gradient_norm_, tokens_, seconds_;
  double flops_ = 0, tape_bytes_ = 0, state_bytes_ = 0;
};

}  // namespace longreach::harness
