// Checks of the conformance gate on what a backend reports of itself: bytes, work and cost.
#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

#include "attention/verify_checks.h"

namespace longreach::attention {
namespace {

void check_additive_cost(const Case& c, Ledger& ledger) {
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

}  // namespace

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
  check_additive_cost(c, ledger);
}

void check_capacity(const Case& c, Ledger& ledger) {
  const i64 whole[] = {c.problem.tokens};
  const Pass exact = run(c.backend, c.problem, whole, false);
  const Pass roomy =
      run(c.backend, c.problem, c.backend.initial_state(c.problem.batch, 3 * c.problem.tokens + 1),
          whole, false);
  ledger.note("capacity", relative_error(roomy.out.flat(), exact.out.flat()), 1e-5, c.where);
}

}  // namespace longreach::attention
