// Checks of the conformance gate on what forward() returns and reports.
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

std::string describe(const Activity& a) {
  return fmt::format("{} tokens, {} keys scored, {} memory reads, {} compressions", a.tokens,
                     a.keys_scored, a.memory_reads, a.compressions);
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
                           relative_error(a.weights, std::span<const float>(b.weights), floor)});
  for (std::size_t i = 0; i < b.state.tensors.size(); ++i) {
    worst = std::max(worst, relative_error(a.state.tensors[i].tensor.flat(),
                                           b.state.tensors[i].tensor.flat(), floor));
  }
  return worst;
}

}  // namespace

void Ledger::note(std::string_view name, double error, double tolerance,
                  const std::string& detail) {
  if (!std::isfinite(error)) error = 1e300;
  auto found = std::ranges::find(checks_, name, &Check::name);
  if (found == checks_.end()) {
    checks_.push_back({std::string(name), true, -1, tolerance, ""});
    found = checks_.end() - 1;
  }
  if (error <= found->error) return;
  found->error = error;
  found->tolerance = tolerance;
  found->passed = error <= tolerance;
  found->detail = detail;
}

void Ledger::add(const Ledger& other) {
  for (const Check& check : other.checks_) {
    note(check.name, check.error, check.tolerance, check.detail);
  }
}

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
  // The same splitting as of a problem's own tensors serves for its results.
  Problem results = c.problem;
  results.d_out = together.out;
  results.d_state = together.state;
  Problem pulled = c.problem;
  pulled.q = gradients.q;
  pulled.k = gradients.k;
  pulled.v = gradients.v;
  pulled.d_state = gradients.state;
  for (i64 b = 0; b < c.problem.batch; ++b) {
    const Problem one = c.problem.stream(b);
    const Pass alone = run(c.backend, one, whole, true);
    const Gradients alone_gradients = undo(c.backend, one, alone, one.d_state);
    const Problem expected = results.stream(b), expected_gradients = pulled.stream(b);
    i64 differing = bits_differing(alone.out.flat(), expected.d_out.flat());
    differing += bits_differing(alone_gradients.q.flat(), expected_gradients.q.flat());
    differing += bits_differing(alone_gradients.k.flat(), expected_gradients.k.flat());
    differing += bits_differing(alone_gradients.v.flat(), expected_gradients.v.flat());
    for (std::size_t i = 0; i < alone.state.tensors.size(); ++i) {
      differing += bits_differing(widened(alone.state.tensors[i].tensor),
                                  widened(expected.d_state.tensors[i].tensor));
      differing += bits_differing(alone_gradients.state.tensors[i].tensor.flat(),
                                  expected_gradients.d_state.tensors[i].tensor.flat());
    }
    ledger.note("batch", static_cast<double>(differing), 0,
                fmt::format("{}, stream {}", c.where, b));
  }
}

void check_repeatable(const Case& c, Ledger& ledger) {
  const i64 whole[] = {c.problem.tokens};
  const Pass first = run(c.backend, c.problem, whole, true);
  const Pass second = run(c.backend, c.problem, whole, true);
  const Pass untaped = run(c.backend, c.problem, whole, false);
  ledger.note("repeatable",
              static_cast<double>(bits_differing(first.out.flat(), second.out.flat())), 0, c.where);
  ledger.note("tape", relative_error(untaped.out.flat(), std::as_const(first.out).flat()),
              kOutputTolerance, c.where);
}

void check_accounts(const Case& c, Ledger& ledger) {
  const Problem& p = c.problem;
  for (const i64 capacity : {p.tokens, 3 * p.tokens + 1}) {
    State state = c.backend.initial_state(p.batch, capacity);
    const i64 declared = c.backend.state_bytes(capacity) * p.batch;
    const i64 empty = state.bytes();
    Rng rng = c.rng.fork("accounts");
    const std::vector<i64> cuts = random_cuts(p.tokens, rng);
    i64 position = 0;
    for (const i64 count : cuts) {
      state = run(c.backend, p, std::move(state), std::array{count}, false).state;
      position += count;
      const Activity stated = c.backend.cost(0, position).activity;
      ledger.note("activity", state.activity == stated ? 0 : 1, 0,
                  fmt::format("{}: counted {} after {} tokens, cost() says {}", c.where,
                              describe(state.activity), position, describe(stated)));
    }
    const double error = static_cast<double>(
        std::max(std::abs(empty - declared), std::abs(state.bytes() - declared)));
    ledger.note("state bytes", error, 0,
                fmt::format("{}, capacity {}: declared {} bytes, held {} empty and {} after",
                            c.where, capacity, declared, empty, state.bytes()));
  }
  Rng rng = c.rng.fork("cost");
  const i64 begin = rng.below(100), a = 1 + rng.below(100), b = 1 + rng.below(100);
  const Cost whole = c.backend.cost(begin, a + b);
  const Cost first = c.backend.cost(begin, a), second = c.backend.cost(begin + a, b);
  Activity sum = first.activity;
  sum += second.activity;
  const auto off = [](double x, double y) { return std::abs(x - y) / std::max(1.0, std::abs(y)); };
  const double error = std::max({off(first.flops + second.flops, whole.flops),
                                 off(first.bytes_moved + second.bytes_moved, whole.bytes_moved),
                                 sum == whole.activity ? 0.0 : 1.0});
  ledger.note("additive cost", error, 1e-9,
              fmt::format("{}: cost({}, {} + {})", c.where, begin, a, b));
}

void check_long_stream(const Backend& backend, i64 tokens, const Rng& rng, Ledger& ledger) {
  const Problem problem(backend, 1, tokens, rng.fork("long"));
  std::vector<i64> cuts;
  Rng cut_rng = rng.fork("long cuts");
  for (i64 left = tokens; left > 0; left -= cuts.back()) {
    cuts.push_back(std::min(left, 1 + cut_rng.below(2048)));
  }
  const Pass pass = run(backend, problem, cuts, false);
  const ReferenceProblem reference(problem);
  const std::vector<double> expected = backend.reference(reference.weights, reference.streams[0]);
  const std::string where = fmt::format("{} tokens in {} calls", tokens, cuts.size());
  const i64 row = pass.out.size() / tokens, tail = std::min<i64>(tokens, 64) * row;
  const auto last = [tail](auto values) {
    return std::span(values).last(static_cast<std::size_t>(tail));
  };
  ledger.note("long stream",
              std::ranges::all_of(pass.out.flat(), [](float x) { return std::isfinite(x); })
                  ? relative_error(last(pass.out.flat()), last(std::span<const double>(expected)))
                  : 1e300,
              output_tolerance(backend), where + ", its last 64 outputs");
}

}  // namespace longreach::attention
