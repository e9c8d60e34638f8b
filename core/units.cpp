#include "core/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <span>

namespace longreach {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};

constexpr std::array<Suffix, 6> kCounts{{{"k", 1024},
                                         {"K", 1024},
                                         {"M", 1024.0 * 1024},
                                         {"G", 1024.0 * 1024 * 1024},
                                         {"Ki", 1024},
                                         {"Mi", 1024.0 * 1024}}};
constexpr std::array<Suffix, 10> kBytes{{{"B", 1},
                                         {"KiB", 0x1p10},
                                         {"MiB", 0x1p20},
                                         {"GiB", 0x1p30},
                                         {"TiB", 0x1p40},
                                         {"kB", 1e3},
                                         {"KB", 1e3},
                                         {"MB", 1e6},
                                         {"GB", 1e9},
                                         {"TB", 1e12}}};
constexpr std::array<Suffix, 6> kSeconds{
    {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"m", 60}, {"h", 3600}, {"d", 86400}}};
constexpr std::array<Suffix, 1> kPercent{{{"%", 1}}};

std::span<const Suffix> suffixes(Unit unit) {
  switch (unit) {
    case Unit::none:
      return {};
    case Unit::count:
      return kCounts;
    case Unit::bytes:
      return kBytes;
    case Unit::seconds:
      return kSeconds;
    case Unit::percent:
      return kPercent;
  }
  return {};
}

}  // namespace

std::optional<double> parse_number(std::string_view text, Unit unit) {
  double value = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || !std::isfinite(value)) return std::nullopt;
  std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  if (rest.empty()) return value;
  for (const Suffix& suffix : suffixes(unit)) {
    if (rest == suffix.text) return value * suffix.factor;
  }
  return std::nullopt;
}

std::optional<i64> parse_integer(std::string_view text, Unit unit) {
  // Digits alone are read exactly; a double would round beyond 2^53.
  i64 exact = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), exact);
  if (failure == std::errc{} && end == text.data() + text.size()) return exact;
  const std::optional<double> value = parse_number(text, unit);
  if (!value || *value != std::floor(*value) || std::abs(*value) > 0x1p62) return std::nullopt;
  return static_cast<i64>(*value);
}

std::string format_bytes(double bytes) {
  constexpr std::array<const char*, 5> names{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t i = 0;
  for (; bytes >= 1024 && i + 1 < names.size(); ++i) bytes /= 1024;
  return i == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.4g} {}", bytes, names[i]);
}

std::string format_seconds(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f}ms", seconds * 1e3);
  if (seconds < 60) return fmt::format("{:.1f}s", seconds);
  const i64 whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
}

std::string format_count(i64 count) {
  if (count >= 1 << 20 && count % (1 << 20) == 0) return fmt::format("{}M", count >> 20);
  if (count >= 1 << 20 && count % (1 << 20) == 0) return fmt::format("{}M", count >> 20);
  if (count >= 1024 && count % 1024 == 0) return fmt::format("{}k", count >> 10);
  return fmt::format("{}", count);
}

}  // namespace longreach
