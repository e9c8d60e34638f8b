// Numbers as people write them: 4k, 8GiB, 10m, 1e-3.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/tensor.h"

namespace longreach {

enum class Unit {
  none,     ///< a plain number
  count,    ///< 4k = 4096, 1M = 1048576
  bytes,    ///< 8GiB, 64KiB, 512 (bytes); 1kB = 1000
  seconds,  ///< 10m = 600, 500ms, 2h
  percent,  ///< "25%" or 25
};

/// The number `text` stands for in `unit`, or nothing when it is no such number.
std::optional<double> parse_number(std::string_view text, Unit unit);

/// The whole number, or nothing when `text` is no number, has a fraction or does not fit 64 bits.
std::optional<i64> parse_integer(std::string_view text, Unit unit);

/// "1.5 GiB", "640 B".
std::string format_bytes(double bytes);
/// "1h02m", "3m20s", "4.2s", "120ms".
std::string format_seconds(double seconds);
/// 4096 -> "4k", 1000 -> "1000", 1048576 -> "1M".
std::string format_count(i64 count);

}  // namespace longreach
