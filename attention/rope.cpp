// Rotary position embedding: angle tables in float64, rotation in float32.
#include "attention/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "attention/kernels/rowwise.h"
#include "core/error.h"
#include "core/linalg.h"

namespace longreach::attention {
namespace {

/// Positions whose angles are formed from one exact sine and cosine by the addition theorems.
constexpr i64 kBlock = 64;

template <class T>
void turn_pair(T cosine, T sine, T a, T b, T& out_a, T& out_b) {
  out_a = a * cosine - b * sine;
  out_b = a * sine + b * cosine;
}

/// Pairs that turn more than 32 times within the trained length are kept, those that turn less than
/// once are divided; the ramp between them is linear in the pair's index, as the authors' code has
/// it.
void scale_as_yarn(const ScaledRopeParams& params, double d, std::vector<double>& frequencies) {
  if (params.theta == 1) return;
  const auto pair_turning = [&](double times) {
    const double tokens = static_cast<double>(params.original_length);
    return d * std::log(tokens / (times * 2 * std::numbers::pi)) / (2 * std::log(params.theta));
  };
  const double first = std::max(0.0, std::floor(pair_turning(32)));
  const double last = std::min(d - 1, std::ceil(pair_turning(1)));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double place = (static_cast<double>(i) - first) / std::max(last - first, 0.001);
    const double divided = std::clamp(place, 0.0, 1.0);
    frequencies[i] *= 1 - divided + divided / params.factor;
  }
}

/// The share of a frequency that is kept grows linearly with how often the pair turns within the
/// trained length, from the low factor to the high one.
void scale_as_llama3(const ScaledRopeParams& params, std::vector<double>& frequencies) {
  const double low = params.low_frequency_factor, high = params.high_frequency_factor;
  const double tokens = static_cast<double>(params.original_length);
  for (double& frequency : frequencies) {
    const double turns = tokens * frequency / (2 * std::numbers::pi);
    const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    frequency *= kept + (1 - kept) / params.factor;
  }
}

/// Radians a token of each pair, [D/2].
std::vector<double> frequencies(const ScaledRopeParams& params, i64 head_dim) {
  const double d = static_cast<double>(head_dim);
  double base = params.theta;
  // The last pair turns by base^(-(D - 2) / D): this base divides it by the factor.
  if (params.scaling == Scaling::ntk && head_dim > 2) base *= std::pow(params.factor, d / (d - 2));
  std::vector<double> out;
  for (i64 i = 0; i < head_dim / 2; ++i) {
    out.push_back(std::pow(base, -2.0 * static_cast<double>(i) / d));
  }
  if (params.scaling == Scaling::linear) {
    for (double& frequency : out) frequency /= params.factor;
  }
  if (params.scaling == Scaling::yarn) scale_as_yarn(params, d, out);
  if (params.scaling == Scaling::llama3) scale_as_llama3(params, out);
  return out;
}

}  // namespace

void RopeParams::fields(Fields& f) {
  f("theta", theta, at_least(1), "base of the rotation frequencies");
  f("pairing", pairing, "which elements rotate together");
}

void ScaledRopeParams::fields(Fields& f) {
  RopeParams::fields(f);
  f("scaling", scaling, "how rotation is slowed for contexts longer than trained");
  f("factor", factor, at_least(1), "how many times longer (all scalings but none)");
  f("original_length", original_length, at_least(0, Unit::count),
    "tokens trained on; yarn and llama3 must be given it");
  f("low_frequency_factor", low_frequency_factor, at_least(0),
    "llama3: pairs that turn less often within the original length are divided by the factor");
  f("high_frequency_factor", high_frequency_factor, at_least(0),
    "llama3: pairs that turn more often within the original length are kept");
}

Rope::Rope(const std::optional<RopeParams>& params, i64 head_dim)
    : Rope(params ? std::optional(ScaledRopeParams{*params}) : std::nullopt, head_dim) {}

Rope::Rope(const std::optional<ScaledRopeParams>& params, i64 head_dim)
    : params_(params), head_dim_(head_dim) {
  if (!params) return;
  const bool llama3 = params->scaling == Scaling::llama3;
  if ((params->scaling == Scaling::yarn || llama3) && params->original_length == 0) {
    throw error(
        "rope.scaling: {} needs rope.original_length, the tokens of the contexts that the model "
        "was trained on, such as {}",
        llama3 ? "llama3" : "yarn", llama3 ? 8192 : 512);
  }
  if (llama3 && !(params->low_frequency_factor < params->high_frequency_factor)) {
    throw error("rope.low_frequency_factor: {} is not below rope.high_frequency_factor, {}",
                params->low_frequency_factor, params->high_frequency_factor);
  }
  frequencies_ = frequencies(*params, head_dim);
  if (params->scaling == Scaling::yarn) magnitude_ = 0.1 * std::log(params->factor) + 1;
  for (i64 step = 0; step < kBlock; ++step) {
    for (const double frequency : frequencies_) {
      step_cosine_.push_back(std::cos(static_cast<double>(step) * frequency));
      step_sine_.push_back(std::sin(static_cast<double>(step) * frequency));
    }
  }
}

Rope::Angles Rope::angles(i64 first, i64 count, double magnitude) const {
  Angles table;
  if (!params_) return table;
  const i64 half = head_dim_ / 2;
  table.cosine.resize(static_cast<std::size_t>(count * half));
  table.sine.resize(table.cosine.size());
  const i64 blocks = (count + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(static) if (worth_threads(static_cast <double>(count * half)))
  for (i64 block = 0; block < blocks; ++block) {
    const i64 begin = block * kBlock, steps = std::min(kBlock, count - begin);
    std::vector<double> cosine(frequencies_.size()), sine(frequencies_.size());
    for (i64 i = 0; i < half; ++i) {
      const double angle = static_cast<double>(first + begin) * frequencies_[i];
      cosine[i] = magnitude * std::cos(angle);
      sine[i] = magnitude * std::sin(angle);
    }
    for (i64 step = 0; step < steps; ++step) {
      float* cosines = &table.cosine[(begin + step) * half];
      float* sines = &table.sine[(begin + step) * half];
#pragma omp simd
      for (i64 i = 0; i < half; ++i) {
        double c = 0, s = 0;
        turn_pair(step_cosine_[step * half + i], step_sine_[step * half + i], cosine[i], sine[i], c,
                  s);
        cosines[i] = static_cast<float>(c);
        sines[i] = static_cast<float>(s);
      }
    }
  }
  return table;
}

void Rope::turn(const Angles& angles, i64 first, View<const float, 2> in, View<float, 2> out,
                Turn way) const {
  if (params_) {
    const i64 at = first * head_dim_ / 2;
    kernels::rotate(params_->pairing, angles.cosine.data() + at, angles.sine.data() + at,
                    way == Turn::forward ? 1.0f : -1.0f, in, out);
  } else if (in.data() != out.data()) {
    kernels::copy_rows(in, out);
  }
}

void Rope::turn_with_features(const Angles& angles, i64 first, View<const float, 2> in,
                              View<float, 2> out, float* features) const {
  if (!params_) {
    kernels::copy_rows(in, out);
    return kernels::features_of(in, features);
  }
  const i64 at = first * head_dim_ / 2;
  kernels::rotate_with_features(params_->pairing, angles.cosine.data() + at,
                                angles.sine.data() + at, 1.0f, in, out, features);
}

void Rope::features_of_turned(const Angles& angles, i64 first, View<const float, 2> turned,
                              float* features) const {
  if (!params_) return kernels::features_of(turned, features);
  const i64 at = first * head_dim_ / 2;
  kernels::features_of_rotated(params_->pairing, angles.cosine.data() + at, angles.sine.data() + at,
                               -1.0f, turned, features);
}

void Rope::turn64(i64 position, const double* in, double* out) const {
  if (!params_) {
    std::copy_n(in, head_dim_, out);
    return;
  }
  const i64 half = head_dim_ / 2;
  for (i64 i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * frequencies_[i];
    const i64 a = params_->pairing == Pairing::half ? i : 2 * i;
    const i64 b = params_->pairing == Pairing::half ? i + half : 2 * i + 1;
    turn_pair(magnitude_ * std::cos(angle), magnitude_ * std::sin(angle), in[a], in[b], out[a],
              out[b]);
  }
}

}  // namespace longreach::attention
