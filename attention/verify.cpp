// The conformance gate: runs every check over shapes, lengths and seeds.
#include "attention/verify.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "attention/verify_checks.h"
#include "attention/verify_dimensions.h"

namespace longreach::attention {
namespace {

/// Grouped, single and equal heads; one token; fewer tokens than a window of 5; lengths that no
/// small segment divides; every second one repeated. The first two are the quick ones.
constexpr Dimensions kDimensions[] = {
    {{4, 2, 8}, 2, 23},      {{4, 1, 16}, 3, 13, true}, {{3, 3, 8}, 2, 17},
    {{2, 1, 8}, 2, 1, true}, {{4, 2, 16}, 1, 4},        {{1, 1, 2}, 1, 11, true},
};

using CheckFunction = void (*)(const Case&, Ledger&);

constexpr CheckFunction kAllChecks[] = {
    check_output,         check_gradient, check_cuts,         check_causality,
    check_state_gradient, check_batch,    check_accumulation, check_repeatable,
    check_layout,         check_capacity, check_accounts,
};

/// Of hundreds of tokens or wide heads. Differences of forward() would drown in float32 there.
constexpr CheckFunction kCheapChecks[] = {
    check_output,     check_gradient, check_cuts,     check_causality, check_batch,
    check_repeatable, check_layout,   check_capacity, check_accounts,
};

/// Differences of a gradient are taken along single coordinates only where a reference is cheap.
constexpr GradientSamples kThorough{.coordinates = 12, .directions = 2};
constexpr GradientSamples kFew{.coordinates = 0, .directions = 1};

/// The random numbers of one round over one backend.
class Round {
 public:
  Round(const BackendFactory& make, const VerifyOptions& options, i64 number, Ledger& ledger)
      : make_(make),
        truncated_(options.truncated),
        seed_(options.seed + static_cast<std::uint64_t>(number)),
        ledger_(ledger) {}

  Rng draw(std::string_view purpose) const { return Rng(seed_).fork("shapes").fork(purpose); }

  /// Every check on a case. Of what fails the smallest failing case is reported.
  void run(const Dimensions& at, std::span<const CheckFunction> checks,
           const GradientSamples& samples) const {
    for (const CheckFunction function : checks) {
      if (truncated_ && (function == check_gradient || function == check_state_gradient)) continue;
      const Ledger found = one(at, function, samples);
      for (const Check& check : found.checks()) {
        const Check* known = ledger_.find(check.name);
        const bool fails_first = !check.passed && (known == nullptr || known->passed);
        ledger_.add(fails_first ? smallest(at, function, samples, check) : check);
      }
    }
  }

 private:
  /// One check on one case: the same numbers whenever seed and dimensions are the same. A backend
  /// that throws has failed; the gate goes on.
  Ledger one(const Dimensions& at, CheckFunction function, const GradientSamples& samples) const {
    Ledger ledger;
    const std::string where = fmt::format("{}, seed {}", describe(at), seed_);
    try {
      const std::unique_ptr<Backend> backend = make_(at.shape);
      const Rng rng = Rng(seed_).fork("verify").fork(describe(at));
      const Problem problem(*backend, at.batch, at.tokens, rng.fork("problem"), at.repeated);
      function({*backend, problem, rng, where, samples}, ledger);
      ledger.note("runs", 0, 0, where);
    } catch (const std::exception& thrown) {
      ledger.note("runs", 1, 0, fmt::format("{}: {}", where, thrown.what()));
    }
    return ledger;
  }

  /// What a failed check says of the smallest case that still fails it. A failure that does not
  /// come back, such as a race's, stays as it was seen.
  Check smallest(const Dimensions& failing, CheckFunction function, const GradientSamples& samples,
                 Check failed) const {
    shrink(failing, [&](const Dimensions& at) {
      const Ledger ledger = one(at, function, samples);
      const Check* check = ledger.find(failed.name);
      if (check == nullptr || check->passed) return false;
      failed = *check;
      return true;
    });
    return failed;
  }

  const BackendFactory& make_;
  bool truncated_;
  std::uint64_t seed_;
  Ledger& ledger_;
};

void run_drawn(const Round& round, bool quick) {
  round.run(draw_small(round.draw("small")), kAllChecks, kThorough);
  if (quick) return;
  round.run(draw_small(round.draw("second small")), kAllChecks, kThorough);
  round.run(draw_wide(round.draw("wide")), kCheapChecks, kFew);
  round.run(draw_long(round.draw("long")), kCheapChecks, kFew);
}

}  // namespace

void Ledger::note(std::string_view name, double error, double tolerance,
                  const std::string& detail) {
  if (!std::isfinite(error)) error = 1e300;
  const Check* known = find(name);
  if (known != nullptr && error <= known->error) return;
  const Check check{std::string(name), error <= tolerance, error, tolerance, detail};
  if (known == nullptr) {
    checks_.push_back(check);
  } else {
    checks_[static_cast<std::size_t>(known - checks_.data())] = check;
  }
}

void Ledger::add(const Check& check) {
  const Check* known = find(check.name);
  if (known == nullptr) {
    checks_.push_back(check);
  } else if (known->passed && (!check.passed || check.error > known->error)) {
    checks_[static_cast<std::size_t>(known - checks_.data())] = check;
  }
}

const Check* Ledger::find(std::string_view name) const {
  const auto found = std::ranges::find(checks_, name, &Check::name);
  return found == checks_.end() ? nullptr : &*found;
}

std::vector<Check> verify(const BackendFactory& make, const VerifyOptions& options) {
  Ledger ledger;
  const i64 rounds = options.quick ? 1 : options.seeds;
  const std::size_t sizes = options.quick ? 2 : std::size(kDimensions);
  for (i64 number = 0; number < rounds; ++number) {
    const Round round(make, options, number, ledger);
    for (const Dimensions& dimensions : std::span(kDimensions).first(sizes)) {
      round.run(dimensions, kAllChecks, kThorough);
    }
    run_drawn(round, options.quick);
  }
  if (!options.quick && options.long_stream > 0) {
    try {
      const std::unique_ptr<Backend> backend = make({1, 1, 8});
      check_long_stream(*backend, options.long_stream, Rng(options.seed), ledger);
    } catch (const std::exception& thrown) {
      ledger.note("runs", 1, 0,
                  fmt::format("heads 1/1 x 8, {} tokens, seed {}: {}", options.long_stream,
                              options.seed, thrown.what()));
    }
  }
  return ledger.checks();
}

bool VariantVerdict::passed() const {
  return std::ranges::all_of(checks, [](const Check& check) { return check.passed; });
}

std::vector<Check> verify(const Variant& variant, VerifyOptions options) {
  if (!variant.long_stream) options.long_stream = 0;
  options.truncated = options.truncated || variant.truncated;
  return verify(variant.make, options);
}

std::vector<VariantVerdict> verify_registered(std::string_view type, const VerifyOptions& options) {
  std::vector<VariantVerdict> verdicts;
  for (const Variant& variant : variants(type)) {
    verdicts.push_back({variant.parameters, verify(variant, options)});
  }
  return verdicts;
}

}  // namespace longreach::attention
