// Checks of the conformance gate on backward(), against central differences.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <optional>

#include "attention/verify_checks.h"
#include "core/half.h"

namespace longreach::attention {
namespace {

constexpr double kGradientTolerance = 1e-4;
constexpr double kStateGradientTolerance = 1e-2;

/// Compares the gradient of one group of values with differences of a loss: single coordinates,
/// relative to the largest gradient, and random directions, relative to the gradient's norm (the
/// spread of a directional derivative), which together see every coordinate.
///
/// A mechanism that chooses, such as the keys it reads, jumps where the choice changes, and a
/// difference across a jump is none of the derivative. What disagrees is therefore taken again with
/// smaller steps, along fewer coordinates, or on one side only, where few jumps lie within; a wrong
/// gradient stays wrong.
///
/// `move(direction, amount)` adds amount * direction to the values, `loss()` evaluates.
struct Differences {
  /// The size of a step, the share of the tolerance that an agreement there is held to, and whether
  /// only points on the side of `size` are taken, as serves next to a jump.
  struct Step {
    double size, share = 1;
    bool one_sided = false;
  };
  std::function<void(std::span<const double> direction, double amount)> move;
  std::function<double()> loss;
  std::vector<Step> steps;
  /// Makes a direction one that the values can be moved along by `step` without rounding.
  std::function<void(std::span<double> direction, double step)> settle = [](std::span<double>,
                                                                            double) {};

  /// Fourth order: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h; one-sided of second order:
  /// (4 f(h) - f(2h) - 3 f(0)) / 2h.
  double along(std::span<const double> direction, const Step& by) const {
    const double step = by.size;
    const auto at = [&](double amount) {
      move(direction, amount);
      const double value = loss();
      move(direction, -amount);
      return value;
    };
    if (by.one_sided) return (4 * at(step) - at(2 * step) - 3 * at(0)) / (2 * step);
    return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
  }
};

/// One comparison: an error relative to what it is held against, and its numbers.
struct Sample {
  double error, found, expected;
  bool repeats = true;  ///< the same difference came out the same again
};

/// The first sample that agrees, of those by one step after the other; else the first of all. That
/// it is, too, when the same difference comes out otherwise the second time: a call went wrong.
Sample agreeing(const Differences& differences, double tolerance, Rng& rng,
                const std::function<Sample(const Differences::Step&)>& sample_at) {
  std::optional<Sample> first;
  const Rng before = rng;
  for (const Differences::Step& step : differences.steps) {
    rng = before;  // the same direction each time
    const Sample sample = sample_at(step);
    if (sample.error <= step.share * tolerance) return sample;
    if (first) continue;
    first = sample;
    rng = before;
    first->repeats = sample_at(step).expected == sample.expected;
    if (!first->repeats) break;
  }
  return *first;
}

void compare(std::span<const float> gradient, const Differences& differences, double floor, Rng rng,
             const GradientSamples& samples, std::string_view name, double tolerance,
             const std::string& where, Ledger& ledger) {
  const i64 size = static_cast<i64>(gradient.size());
  if (size == 0) return;
  double norm = 0;
  for (const float g : gradient) norm += static_cast<double>(g) * g;
  norm = std::max(std::sqrt(norm), floor * std::sqrt(static_cast<double>(size)));
  const double scale = std::max(largest(gradient), floor);
  std::vector<double> direction(gradient.size(), 0.0);
  for (int n = 0; n < samples.coordinates; ++n) {
    const std::size_t i = static_cast<std::size_t>(rng.below(size));
    const Sample sample = agreeing(differences, tolerance, rng, [&](const Differences::Step& step) {
      direction[i] = 1;
      differences.settle(direction, step.size);
      const double slope = differences.along(direction, step) / direction[i];
      direction[i] = 0;
      const double off = std::abs(gradient[i] - slope) / std::max(scale, std::abs(slope));
      return Sample{off, gradient[i], slope};
    });
    ledger.note(
        name, sample.error, tolerance,
        fmt::format("{}, element {}: {} against {}", where, i, sample.found, sample.expected));
  }
  // Along a random direction over elements [begin, end); where that disagrees, along one over each
  // half. A jump is crossed by the movement of many; a wrong element disagrees to the last.
  const std::function<Sample(i64, i64)> over = [&](i64 begin, i64 end) {
    double own = 0;
    for (i64 i = begin; i < end; ++i) own += static_cast<double>(gradient[i]) * gradient[i];
    const double against = end - begin == size ? norm : std::max(std::sqrt(own), scale);
    const Sample sample = agreeing(differences, tolerance, rng, [&](const Differences::Step& step) {
      std::ranges::fill(direction, 0.0);
      for (i64 i = begin; i < end; ++i) direction[i] = rng.normal();
      differences.settle(direction, step.size);
      double product = 0;
      for (i64 i = begin; i < end; ++i) product += direction[i] * static_cast<double>(gradient[i]);
      const double slope = differences.along(direction, step);
      return Sample{std::abs(product - slope) / against, product, slope};
    });
    if (sample.error <= tolerance || !sample.repeats || end - begin == 1) return sample;
    const i64 middle = (begin + end) / 2;
    const Sample lower = over(begin, middle);
    return lower.error > tolerance ? lower : over(middle, end);
  };
  for (int n = 0; n < samples.directions; ++n) {
    const Sample sample = over(0, size);
    ledger.note(
        name, sample.error, tolerance,
        fmt::format("{}, random direction: {} against {}", where, sample.found, sample.expected));
  }
}

void add(std::vector<double>& values, std::span<const double> direction, double amount) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += amount * direction[i];
}

bool is_statistic(const Backend& backend, const std::string& tensor) {
  const std::vector<std::string> names = backend.statistics();
  return std::ranges::find(names, tensor) != names.end();
}

double state_loss(const Case& c, const State& start, i64 tokens) {
  const i64 position = start.position;
  const i64 rest[] = {tokens};
  const Pass pass = run(c.backend, c.problem, start, rest, false);
  double sum = 0;
  const auto add_products = [&sum](std::span<const float> a, std::span<const float> b) {
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  };
  for (i64 b = 0; b < c.problem.batch; ++b) {
    for (i64 t = position; t < position + tokens; ++t) {
      for (i64 h = 0; h < pass.out.shape()[2]; ++h) {
        add_products(pass.out.view<4>().row(b, t, h), c.problem.d_out.view<4>().row(b, t, h));
      }
    }
  }
  for (std::size_t i = 0; i < pass.state.tensors.size(); ++i) {
    if (is_statistic(c.backend, pass.state.tensors[i].name)) continue;
    add_products(widened(pass.state.tensors[i].tensor), c.problem.d_state.tensors[i].tensor.flat());
  }
  return sum;
}

}  // namespace

void check_gradient(const Case& c, Ledger& ledger) {
  const i64 whole[] = {c.problem.tokens};
  const Pass pass = run(c.backend, c.problem, whole, true);
  // reference() has no final state, so nothing depends on it here.
  const Gradients gradients = undo(c.backend, c.problem, pass, c.problem.d_state.zero_like());
  // A gradient that is zero in theory (one token: its query changes nothing) is held against a
  // hundredth of the largest one. Where keys and values are rounded, the reference's gradients are
  // those at the exact ones: off by their rounding error in terms of the large gradients, not of
  // the small, which are held against a tenth.
  const double rounding = c.backend.state_rounding();
  const double floor = (rounding > 0 ? 0.1 : 0.01) *
                       std::max({largest(gradients.q.flat()), largest(gradients.k.flat()),
                                 largest(gradients.v.flat())});
  const double tolerance = std::max(kGradientTolerance, 32 * rounding);
  ReferenceProblem reference(c.problem);
  // Small, since ELU's second derivative jumps at 0; float64 leaves six digits all the same, and
  // at the last still enough for sums of hundreds of terms.
  const std::vector<Differences::Step> steps{{1e-5}, {1e-7}, {1e-9}};
  for (i64 b = 0; b < c.problem.batch; ++b) {
    const std::size_t stream = static_cast<std::size_t>(b);
    const auto loss = [&, stream] { return reference.loss(c.backend, stream); };
    struct Part {
      const char* name;
      const Tensor& gradient;
      std::vector<double>& values;
    };
    ReferenceStream& streams = reference.streams[stream];
    for (const Part& part : {Part{"q", gradients.q, streams.q}, Part{"k", gradients.k, streams.k},
                             Part{"v", gradients.v, streams.v},
                             Part{"projected", gradients.projected, streams.projected}}) {
      const std::size_t size = part.values.size();
      const Differences differences{
          [&](std::span<const double> d, double amount) { add(part.values, d, amount); }, loss,
          steps};
      compare(part.gradient.flat().subspan(stream * size, size), differences, floor,
              c.rng.fork(part.name).fork(b), c.samples, "gradient", tolerance,
              fmt::format("{}, d_{} of stream {}", c.where, part.name, b), ledger);
    }
  }
  const Differences differences{
      [&](std::span<const double> d, double amount) { add(reference.weights, d, amount); },
      [&] {
        double sum = 0;
        for (std::size_t b = 0; b < reference.streams.size(); ++b) {
          sum += reference.loss(c.backend, b);
        }
        return sum;
      },
      steps};
  compare(gradients.weights, differences, floor, c.rng.fork("weights"), c.samples, "gradient",
          tolerance, fmt::format("{}, d_weights", c.where), ledger);
}

void check_state_gradient(const Case& c, Ledger& ledger) {
  if (c.problem.tokens < 2) return;
  const i64 prefix[] = {(c.problem.tokens + 1) / 2};
  const i64 rest[] = {c.problem.tokens - prefix[0]};
  State start = run(c.backend, c.problem, prefix, false).state;
  const Pass pass = run(c.backend, c.problem, start, rest, true);
  const Gradients gradients = undo(c.backend, c.problem, pass, c.problem.d_state);
  // Cotangents are unit normals, so a gradient that matters is not far from 1.
  double floor = 0.01;
  for (const NamedTensor& named : gradients.state.tensors) {
    floor = std::max(floor, 0.01 * largest(named.tensor.flat()));
  }
  for (std::size_t i = 0; i < start.tensors.size(); ++i) {
    if (start.tensors[i].tensor.element() != Element::f32) continue;
    if (is_statistic(c.backend, start.tensors[i].name)) {
      const bool kept = bits_differing(gradients.state.tensors[i].tensor.flat(),
                                       c.problem.d_state.tensors[i].tensor.flat()) == 0;
      ledger.note(
          "state gradient", kept ? 0 : 1, kStateGradientTolerance,
          fmt::format("{}, d_state.{} must leave as it arrives", c.where, start.tensors[i].name));
      continue;
    }
    const std::vector<float> original(start.tensors[i].tensor.flat().begin(),
                                      start.tensors[i].tensor.flat().end());
    const Differences differences{
        // From the original each time: adding and taking away again would leave float32 dust.
        [&](std::span<const double> d, double amount) {
          const auto values = start.tensors[i].tensor.flat();
          const bool back = !std::ranges::equal(values, original);
          for (std::size_t n = 0; n < values.size(); ++n) {
            values[n] = back ? original[n] : static_cast<float>(original[n] + amount * d[n]);
          }
        },
        [&] { return state_loss(c, start, rest[0]); },
        // Large enough to stand out of float32 rounding, small enough for the stencil's h^4.
        {{0.01}, {1e-3}, {1e-4}, {1e-3, 1, true}, {-1e-3, 1, true}},
        [&](std::span<double> d, double step) {
          for (std::size_t n = 0; n < d.size(); ++n) {
            const float moved = static_cast<float>(original[n] + step * d[n]);
            d[n] = (static_cast<double>(moved) - static_cast<double>(original[n])) / step;
          }
        }};
    compare(
        gradients.state.tensors[i].tensor.flat(), differences, floor,
        c.rng.fork(start.tensors[i].name), c.samples, "state gradient", kStateGradientTolerance,
        fmt::format("{}, d_state.{} after {} tokens", c.where, start.tensors[i].name, prefix[0]),
        ledger);
  }
}

void check_accumulation(const Case& c, Ledger& ledger) {
  const i64 whole[] = {c.problem.tokens};
  const Pass pass = run(c.backend, c.problem, whole, true);
  const float held = 1;
  const Gradients from_zero = undo(c.backend, c.problem, pass, c.problem.d_state);
  Gradients added = undo(c.backend, c.problem, pass, c.problem.d_state, held);
  double worst = 0;
  const auto compare_parts = [&](std::span<float> a, std::span<const float> b) {
    for (float& x : a) x -= held;
    worst = std::max(worst, relative_error(a, b, held));
  };
  compare_parts(added.q.flat(), from_zero.q.flat());
  compare_parts(added.k.flat(), from_zero.k.flat());
  compare_parts(added.v.flat(), from_zero.v.flat());
  compare_parts(added.projected.flat(), from_zero.projected.flat());
  compare_parts(added.weights, from_zero.weights);
  ledger.note("accumulation", worst, 1e-5, c.where);
}

}  // namespace longreach::attention
