// Lists and ranges written where one value is expected: an entry is read once for each combination.
#include "harness/sweep.h"

#include <fmt/format.h>

namespace longreach::harness {

std::optional<std::vector<std::string>> expand_range(const std::string& text, Unit unit) {
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) return std::vector<std::string>{text};
  const std::string rest = text.substr(dots + 2);
  const std::size_t sign = rest.find_first_of("*+", 1);
  const auto first = parse_integer(text.substr(0, dots), unit);
  const auto last = parse_integer(rest.substr(0, sign), unit);
  const bool multiplies = sign != std::string::npos && rest[sign] == '*';
  const auto step = sign == std::string::npos ? std::optional<i64>(1)
                                              : parse_integer(rest.substr(sign + 1), unit);
  constexpr i64 kFurthest = i64{1} << 40;
  if (!first || !last || !step || *first > *last || *first < -kFurthest || *last > kFurthest ||
      *step < (multiplies ? 2 : 1) || (multiplies && *first < 1)) {
    return std::nullopt;
  }
  std::vector<std::string> values;
  for (i64 value = *first;; value = multiplies ? value * *step : value + *step) {
    if (values.size() == 1000) return std::nullopt;
    values.push_back(std::to_string(value));
    // Asked before the step is taken, whose result may be beyond any number.
    const bool ends = multiplies ? *step > *last / value : *step > *last - value;
    if (ends) return values;
  }
}

std::size_t Sweep::pick(const std::string& path, std::string_view key,
                        const std::vector<std::string>& items) {
  for (const Axis& axis : axes_) {
    if (axis.path == path) return axis.index;
  }
  axes_.push_back({path, std::string(key), items, 0});
  return 0;
}

bool Sweep::advance() {
  for (auto axis = axes_.rbegin(); axis != axes_.rend(); ++axis) {
    if (++axis->index < axis->items.size()) return true;
    axis->index = 0;
  }
  return false;
}

double Sweep::combinations() const {
  double product = 1;
  for (const Axis& axis : axes_) product *= static_cast<double>(axis.items.size());
  return product;
}

std::string Sweep::suffix() const {
  std::string text;
  for (const Axis& axis : axes_) {
    text += fmt::format(" {}{}{}", axis.key, axis.key.empty() ? "" : "=", axis.items[axis.index]);
  }
  return text;
}

}  // namespace longreach::harness
