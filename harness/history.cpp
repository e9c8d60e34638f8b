// Curves of a training run, and their way through a checkpoint.
#include "harness/history.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "metrics/statistics.h"

namespace longreach::harness {
namespace {

/// Means of `count` neighbouring values each, the last group possibly shorter.
std::vector<double> averaged(const std::vector<double>& values, std::size_t count) {
  std::vector<double> out;
  for (std::size_t begin = 0; begin < values.size(); begin += count) {
    const std::size_t size = std::min(count, values.size() - begin);
    out.push_back(metrics::mean(std::span(values).subspan(begin, size)));
  }
  return out;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

std::string numbers_text(const std::vector<double>& numbers) {
  return fmt::format("{}", fmt::join(numbers, " "));
}

std::vector<double> numbers_of(const std::map<std::string, std::string>& notes, const char* key) {
  std::vector<double> out;
  const auto found = notes.find(key);
  if (found == notes.end()) return out;
  const char* at = found->second.data();
  const char* end = at + found->second.size();
  while (at < end) {
    double value = 0;
    const auto [next, failure] = std::from_chars(at, end, value);
    if (failure != std::errc()) break;
    out.push_back(value);
    at = next + 1;
  }
  return out;
}

void History::add(const model::StepReport& report, double flops) {
  loss_.push_back(report.loss);
  lr_.push_back(report.lr);
  gradient_norm_.push_back(report.gradient_norm);
  tokens_.push_back(static_cast<double>(report.tokens));
  seconds_.push_back(report.seconds);
  flops_ += flops;
  tape_bytes_ = std::max(tape_bytes_, static_cast<double>(report.tape_bytes));
  state_bytes_ = std::max(state_bytes_, static_cast<double>(report.state_bytes));
}

std::string History::spike(double loss, double limit) const {
  const std::size_t count = std::min(kSpikeWindow, loss_.size());
  if (limit <= 0 || count < kSpikeLeast) return "";
  const double usual = median({loss_.end() - static_cast<std::ptrdiff_t>(count), loss_.end()});
  if (loss <= usual + limit) return "";
  return fmt::format(
      "the loss of {:.3g} is more than {:.3g} above {:.3g}, the median of the last {} steps; a "
      "lower "
      "lr or a longer warm-up may do, or a higher `spike`",
      loss, limit, usual, count);
}

std::vector<Curve> History::curves(i64 points) const {
  const std::size_t most = static_cast<std::size_t>(points);
  const std::size_t group = std::max<std::size_t>(1, (loss_.size() + most - 1) / most);
  std::vector<double> throughput;
  for (std::size_t i = 0; i < loss_.size(); ++i) {
    const double tokens = tokens_[i] - (i > 0 ? tokens_[i - 1] : 0);
    const double seconds = seconds_[i] - (i > 0 ? seconds_[i - 1] : 0);
    throughput.push_back(seconds > 0 ? tokens / seconds : 0);
  }
  const std::vector<double> tokens = averaged(tokens_, group), loss = averaged(loss_, group);
  const auto curve = [](const char* name, const char* x_unit, const char* y_unit,
                        std::vector<double> x, std::vector<double> y) {
    return Curve{.cell_id = {},
                 .name = name,
                 .x_unit = x_unit,
                 .y_unit = y_unit,
                 .x = std::move(x),
                 .y = std::move(y)};
  };
  return {curve("training/loss", "tokens", "nats/token", tokens, loss),
          curve("training/loss_by_time", "s", "nats/token", averaged(seconds_, group), loss),
          curve("training/learning_rate", "tokens", "1", tokens, averaged(lr_, group)),
          curve("training/gradient_norm", "tokens", "1", tokens, averaged(gradient_norm_, group)),
          curve("training/throughput", "tokens", "tokens/s", tokens, averaged(throughput, group))};
}

std::map<std::string, std::string> History::notes() const {
  return {{"loss", numbers_text(loss_)},
          {"lr", numbers_text(lr_)},
          {"gradient_norm", numbers_text(gradient_norm_)},
          {"tokens", numbers_text(tokens_)},
          {"seconds", numbers_text(seconds_)},
          {"flops", numbers_text({flops_})},
          {"bytes", numbers_text({tape_bytes_, state_bytes_})}};
}

History History::from_notes(const std::map<std::string, std::string>& notes, i64 steps) {
  History history;
  const auto take = [&](const char* key, i64 count) {
    std::vector<double> values = numbers_of(notes, key);
    if (std::ssize(values) != count) {
      throw error("note '{}' holds {} numbers where {} are expected", key, values.size(), count);
    }
    return values;
  };
  history.loss_ = take("loss", steps);
  history.lr_ = take("lr", steps);
  history.gradient_norm_ = take("gradient_norm", steps);
  history.tokens_ = take("tokens", steps);
  history.seconds_ = take("seconds", steps);
  history.flops_ = take("flops", 1)[0];
  const std::vector<double> bytes = take("bytes", 2);
  history.tape_bytes_ = bytes[0];
  history.state_bytes_ = bytes[1];
  return history;
}

}  // namespace longreach::harness
