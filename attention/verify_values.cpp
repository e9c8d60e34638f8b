// Checks of the conformance gate on what forward() and backward() return, run against run.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "attention/verify_checks.h"
#include "core/half.h"

namespace longreach::attention {
namespace {

constexpr double kOutputTolerance = 1e-5;
constexpr double kGradientTolerance = 1e-4;

/// A rounded key or value moves an output by about its own rounding error; eight times that is
/// room for sums of many and for scores.
double output_tolerance(const Backend& backend) {
  return std::max(kOutputTolerance, 8 * backend.state_rounding());
}

/// The worst relative error over all tensors of two states.
double state_error(const State& a, const State& b) {
  double worst = a.tensors.size() == b.tensors.size() ? 0 : 1e300;
  for (std::size_t i = 0; worst < 1e300 && i < a.tensors.size(); ++i) {
    worst = std::max(worst, relative_error(widened(a.tensors[i].tensor),
                                           std::span<const float>(widened(b.tensors[i].tensor))));
  }
  return worst;
}

/// The worst relative error over all gradients; a gradient that is zero in theory is held against
/// a hundredth of the largest one.
double gradient_error(const Gradients& a, const Gradients& b) {
  const double floor =
      0.01 * std::max({largest(b.q.flat()), largest(b.k.flat()), largest(b.v.flat())});
  double worst = std::max({relative_error(a.q.flat(), b.q.flat(), floor),
                           relative_error(a.k.flat(), b.k.flat(), floor),
                           relative_error(a.v.flat(), b.v.flat(), floor),
                           relative_error(a.projected.flat(), b.projected.flat(), floor),
                           relative_error(a.weights, std::span<const float>(b.weights), floor)});
  for (std::size_t i = 0; i < b.state.tensors.size(); ++i) {
    worst = std::max(worst, relative_error(a.state.tensors[i].tensor.flat(),
                                           b.state.tensors[i].tensor.flat(), floor));
  }
  return worst;
}

}  // namespace

void check_output(const Case& c, Ledger& ledger) {
  const i64 whole[] = {c.problem.tokens};
  const Pass pass = run(c.backend, c.problem, whole, false);
  const ReferenceProblem reference(c.problem);
  const i64 row = pass.out.size() / c.problem.batch;
  for (i64 b = 0; b < c.problem.batch; ++b) {
    const std::size_t stream = static_cast<std::size_t>(b);
    const std::vector<double> expected =
        c.backend.reference(reference.weights, reference.streams[stream]);
    const auto out =
        pass.out.flat().subspan(static_cast<std::size_t>(b * row), static_cast<std::size_t>(row));
    ledger.note("output", relative_error(out, std::span<const double>(expected)),
                output_tolerance(c.backend), fmt::format("{}, stream {}", c.where, b));
  }
}

void check_cuts(const Case& c, Ledger& ledger) {
  const i64 whole[] = {c.problem.tokens};
  const Pass expected = run(c.backend, c.problem, whole, true);
  const Gradients expected_gradients = undo(c.backend, c.problem, expected, c.problem.d_state);
  Rng rng = c.rng.fork("cuts");
  std::vector<std::vector<i64>> all_cuts;
  all_cuts.emplace_back(static_cast<std::size_t>(c.problem.tokens), 1);
  for (int i = 0; i < 2; ++i) all_cuts.push_back(random_cuts(c.problem.tokens, rng));
  for (const std::vector<i64>& cuts : all_cuts) {
    const std::string where = fmt::format("{}, cuts {}", c.where, describe_cuts(cuts));
    const Pass pass = run(c.backend, c.problem, cuts, true);
    ledger.note("chunked output",
                relative_error(pass.out.flat(), std::as_const(expected.out).flat()),
                kOutputTolerance, where);
    ledger.note("chunked state", state_error(pass.state, expected.state), kOutputTolerance, where);
    // Without a tape, as in decoding, a backend may well take another path.
    const Pass untaped = run(c.backend, c.problem, cuts, false);
    ledger.note("chunked output",
                relative_error(untaped.out.flat(), std::as_const(expected.out).flat()),
                kOutputTolerance, where + ", no tapes");
    ledger.note("chunked state", state_error(untaped.state, expected.state), kOutputTolerance,
                where + ", no tapes");
    ledger.note(
        "chunked gradient",
        gradient_error(undo(c.backend, c.problem, pass, c.problem.d_state), expected_gradients),
        kGradientTolerance, where);
  }
}

void check_causality(const Case& c, Ledger& ledger) {
  const i64 whole[] = {c.problem.tokens};
  const Pass before = run(c.backend, c.problem, whole, false);
  Rng rng = c.rng.fork("causality");
  std::vector<i64> changed{c.problem.tokens - 1};
  for (int i = 0; i < 2; ++i) changed.push_back(rng.below(c.problem.tokens));
  for (const i64 j : changed) {
    Problem other = c.problem;
    for (Tensor* tensor : {&other.q, &other.k, &other.v}) {
      const View<float, 4> view = tensor->view<4>();
      for (i64 b = 0; b < other.batch; ++b) {
        for (i64 h = 0; h < view.extent(2); ++h) {
          for (float& x : view.row(b, j, h)) x = 3 * x + 1;
        }
      }
    }
    for (i64 b = 0; b < other.batch; ++b) {
      for (float& x : other.projected.view<3>().row(b, j)) x = 3 * x + 1;
    }
    const Pass after = run(c.backend, other, whole, false);
    i64 differing = 0;
    for (i64 b = 0; b < other.batch; ++b) {
      for (i64 t = 0; t < j; ++t) {
        for (i64 h = 0; h < before.out.shape()[2]; ++h) {
          differing +=
              bits_differing(before.out.view<4>().row(b, t, h), after.out.view<4>().row(b, t, h));
        }
      }
    }
    ledger.note("causality", static_cast<double>(differing), 0,
                fmt::format("{}, token {} changed", c.where, j));
  }
}

void check_batch(const Case& c, Ledger& ledger) {
  const i64 whole[] = {c.problem.tokens};
  const Pass together = run(c.backend, c.problem, whole, true);
  const Gradients gradients = undo(c.backend, c.problem, together, c.problem.d_state);
  for (i64 b = 0; b < c.problem.batch; ++b) {
    const Problem one = c.problem.stream(b);
    const Pass alone = run(c.backend, one, whole, true);
    const Gradients own = undo(c.backend, one, alone, one.d_state);
    const auto differing = [&](const Tensor& all, const Tensor& single) {
      return bits_differing(stream_rows(all, c.problem.batch, b), single);
    };
    i64 count = differing(together.out, alone.out) + differing(gradients.q, own.q) +
                differing(gradients.k, own.k) + differing(gradients.v, own.v) +
                differing(gradients.projected, own.projected);
    for (std::size_t i = 0; i < alone.state.tensors.size(); ++i) {
      count += differing(together.state.tensors[i].tensor, alone.state.tensors[i].tensor) +
               differing(gradients.state.tensors[i].tensor, own.state.tensors[i].tensor);
    }
    ledger.note("batch", static_cast<double>(count), 0, fmt::format("{}, stream {}", c.where, b));
  }
}

void check_repeatable(const Case& c, Ledger& ledger) {
  const i64 whole[] = {c.problem.tokens};
  const Pass first = run(c.backend, c.problem, whole, true);
  const Gradients gradients = undo(c.backend, c.problem, first, c.problem.d_state);
  // Serving another stream in between must leave nothing behind in the backend.
  const Problem other(c.backend, 1, c.problem.tokens + 3, c.rng.fork("other"));
  const i64 other_whole[] = {other.tokens};
  undo(c.backend, other, run(c.backend, other, other_whole, true), other.d_state);
  const Pass second = run(c.backend, c.problem, whole, true);
  const Gradients again = undo(c.backend, c.problem, second, c.problem.d_state);
  i64 count = bits_differing(first.out, second.out) + bits_differing(gradients.q, again.q) +
              bits_differing(gradients.k, again.k) + bits_differing(gradients.v, again.v) +
              bits_differing(gradients.projected, again.projected) +
              bits_differing(gradients.weights, again.weights);
  count += bits_differing(first.state, second.state) + bits_differing(gradients.state, again.state);
  if (c.backend.appends() && c.problem.tokens > 1) {
    const i64 half[] = {c.problem.tokens / 2}, rest[] = {c.problem.tokens - half[0]};
    const State middle = run(c.backend, c.problem, half, false).state;
    const Pass once = run(c.backend, c.problem, middle, rest, false);
    State back = once.state;
    back.position = middle.position;
    const Pass twice = run(c.backend, c.problem, back, rest, false);
    count += bits_differing(once.out, twice.out) + bits_differing(once.state, twice.state);
  }
  ledger.note("repeatable", static_cast<double>(count), 0, c.where);

  const Pass untaped = run(c.backend, c.problem, whole, false);
  ledger.note("tape", relative_error(untaped.out.flat(), std::as_const(first.out).flat()),
              kOutputTolerance, c.where);
}

void check_long_stream(const Backend& backend, i64 tokens, const Rng& rng, Ledger& ledger) {
  const Problem problem(backend, 1, tokens, rng.fork("long"));
  std::vector<i64> cuts;
  Rng cut_rng = rng.fork("long cuts");
  const i64 single = std::min<i64>(tokens, 64);  // decoded over the whole past
  for (i64 left = tokens - single; left > 0; left -= cuts.back()) {
    cuts.push_back(std::min(left, 1 + cut_rng.below(2048)));
  }
  cuts.insert(cuts.end(), static_cast<std::size_t>(single), 1);
  const Pass pass = run(backend, problem, cuts, false);
  const ReferenceProblem reference(problem);
  const std::vector<double> expected = backend.reference(reference.weights, reference.streams[0]);
  const std::string where = fmt::format("{} tokens in {} calls", tokens, cuts.size());
  const i64 tail = single * (pass.out.size() / tokens);
  const auto last = [tail](auto values) {
    return std::span(values).last(static_cast<std::size_t>(tail));
  };
  ledger.note("long stream",
              std::ranges::all_of(pass.out.flat(), [](float x) { return std::isfinite(x); })
                  ? relative_error(last(pass.out.flat()), last(std::span<const double>(expected)))
                  : 1e300,
              output_tolerance(backend), fmt::format("{}, its last {} outputs", where, single));
}

}  // namespace longreach::attention
