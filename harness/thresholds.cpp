// How much worse is a regression.
#include "harness/thresholds.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/units.h"

namespace longreach::harness {
namespace {

Threshold parse(const std::string& text, const std::string& written) {
  const bool relative = text.ends_with('%');
  const std::optional<double> number =
      parse_number(relative ? text.substr(0, text.size() - 1) : text, Unit::none);
  if (!number || !std::isfinite(*number) || *number < 0) {
    throw error("--threshold {}: '{}' is neither an amount such as 0.01 nor a share such as 2%",
                written, text);
  }
  return {relative ? *number / 100 : *number, relative, text};
}

}  // namespace

Thresholds::Thresholds(const std::vector<std::string>& texts) {
  for (const std::string& written : texts) {
    const std::size_t sign = written.rfind('=');
    const bool named = sign != std::string::npos;
    const Threshold one = parse(named ? written.substr(sign + 1) : written, written);
    if (named ? !of_metric_.emplace(written.substr(0, sign), one).second : all_.has_value()) {
      throw error("--threshold {}: {} has one already", written,
                  named ? written.substr(0, sign) : "what has no name");
    }
    if (!named) all_ = one;
  }
}

Threshold Thresholds::of(const std::string& metric, bool timing) const {
  if (const auto found = of_metric_.find(metric); found != of_metric_.end()) {
    if (timing && !found->second.relative) {
      throw error("--threshold {}={}: a timing is compared as a ratio; give a share such as 5%",
                  metric, found->second.text);
    }
    return found->second;
  }
  if (timing && !(all_ && all_->relative)) return {0.1, true, "10%"};
  return all_.value_or(Threshold{});
}

std::vector<std::string> Thresholds::metrics() const {
  std::vector<std::string> names;
  for (const auto& [metric, one] : of_metric_) names.push_back(metric);
  return names;
}

bool exceeds(double effect, bool ratio, double base_value, const Threshold& threshold) {
  if (ratio) return std::max(effect, 1 / effect) - 1 > threshold.amount;
  return std::abs(effect) > threshold.amount * (threshold.relative ? std::abs(base_value) : 1);
}

}  // namespace longreach::harness
