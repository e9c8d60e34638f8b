#include "core/random.h"

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace longreach {
namespace {

/// Finalizer of SplitMix64 (Steele et al. 2014, variant 13 of Stafford): a bijection whose output
/// bits each depend on every input bit.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

}  // namespace

Rng::Rng(std::uint64_t seed) : key_(mix(seed + kGolden)) {}

Rng Rng::fork(std::string_view purpose) const {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : purpose) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return Rng(key_ ^ mix(hash));
}

Rng Rng::fork(i64 index) const {
  return Rng(key_ + mix(static_cast<std::uint64_t>(index) * kGolden + 1));
}

std::uint64_t Rng::bits() { return mix(key_ + mix(++counter_ * kGolden)); }

double Rng::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

double Rng::normal() {
  // Box–Muller; one value a call keeps the stream position a simple function of the calls.
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

i64 Rng::below(i64 n) {
  check(n > 0, "Rng::below needs n > 0");
  const std::uint64_t range = static_cast<std::uint64_t>(n);
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % range;
  std::uint64_t value = bits();
  while (value >= limit) value = bits();
  return static_cast<i64>(value % range);
}

}  // namespace longreach
