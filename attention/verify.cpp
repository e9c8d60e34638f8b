// The conformance gate: runs every check over shapes, lengths and seeds.
#include "attention/verify.h"

#include <algorithm>
#include <fmt/format.h>

#include "attention/verify_checks.h"

namespace longreach::attention {
namespace {

struct Dimensions {
  Shape shape;
  i64 batch, tokens;
};

/// Grouped, single and equal heads; one token; fewer tokens than a window of 5; lengths that no
/// small segment divides. The first two are the quick ones.
constexpr Dimensions kDimensions[] = {
    {{4, 2, 8}, 2, 23}, {{4, 1, 16}, 3, 13}, {{3, 3, 8}, 2, 17},
    {{2, 1, 8}, 2, 1},  {{4, 2, 16}, 1, 4},  {{1, 1, 2}, 1, 11},
};

/// A random shape, small enough for differences of every gradient.
Dimensions drawn(Rng rng) {
  const i64 kv_heads = 1 + rng.below(3), group = 1 + rng.below(3);
  return {
      {kv_heads * group, kv_heads, 2 * (1 + rng.below(10))}, 1 + rng.below(3), 1 + rng.below(40)};
}

/// One that crosses the borders of register tiles and packed panels; for the checks that cost one
/// reference.
Dimensions drawn_large(Rng rng) {
  const i64 group = 1 + rng.below(2);
  return {{group, 1, rng.below(2) == 0 ? 64 : 2 * (1 + rng.below(40))}, 1, 100 + rng.below(500)};
}

/// The same a little smaller, in every way that can be tried.
std::vector<Dimensions> smaller(const Dimensions& from) {
  std::vector<Dimensions> out;
  const auto add = [&](auto change) {
    Dimensions to = from;
    change(to);
    const bool differs = to.shape.query_heads != from.shape.query_heads ||
                         to.shape.head_dim != from.shape.head_dim || to.batch != from.batch ||
                         to.tokens != from.tokens;
    if (differs) out.push_back(to);
  };
  const i64 group = from.shape.group();
  add([](Dimensions& d) { d.tokens = std::max<i64>(1, d.tokens / 2); });
  add([](Dimensions& d) { d.batch = 1; });
  add([&](Dimensions& d) { d.shape.query_heads = group, d.shape.kv_heads = 1; });
  add([](Dimensions& d) { d.shape.query_heads = d.shape.kv_heads; });
  add([](Dimensions& d) { d.shape.head_dim = 2; });
  add([](Dimensions& d) { d.shape.head_dim = std::max<i64>(2, d.shape.head_dim / 4 * 2); });
  add([](Dimensions& d) { d.tokens = std::max<i64>(1, d.tokens - 1); });
  return out;
}

void check_cheaply(const Case& c, Ledger& ledger) {
  check_output(c, ledger);
  check_cuts(c, ledger);
  check_causality(c, ledger);
  check_repeatable(c, ledger);
}

void check_all(const Case& c, Ledger& ledger) {
  check_output(c, ledger);
  check_gradient(c, ledger);
  check_cuts(c, ledger);
  check_causality(c, ledger);
  check_state_gradient(c, ledger);
  check_batch(c, ledger);
  check_accumulation(c, ledger);
  check_repeatable(c, ledger);
  check_accounts(c, ledger);
}

/// A backend that throws has failed; the gate goes on.
template <class Body>
void guarded(const std::string& where, Ledger& ledger, Body&& body) {
  try {
    body();
    ledger.note("runs", 0, 0, where);
  } catch (const std::exception& thrown) {
    ledger.note("runs", 1, 0, fmt::format("{}: {}", where, thrown.what()));
  }
}

using Checks = void (*)(const Case&, Ledger&);

/// One backend factory and the random numbers of one round.
struct Round {
  const BackendFactory& make;
  std::uint64_t seed;

  Ledger run(const Dimensions& at, i64 stream, Checks checks) const {
    Ledger ledger;
    const auto& [shape, batch, tokens] = at;
    const std::string where =
        fmt::format("heads {}/{} x {}, batch {}, {} tokens, seed {}", shape.query_heads,
                    shape.kv_heads, shape.head_dim, batch, tokens, seed);
    guarded(where, ledger, [&] {
      const std::unique_ptr<Backend> backend = make(shape);
      const Rng rng = Rng(seed).fork("verify").fork(stream);
      const Problem problem(*backend, batch, tokens, rng.fork("problem"));
      checks({*backend, problem, rng, where}, ledger);
    });
    return ledger;
  }

  /// Runs a drawn case; what fails is shrunk while it goes on failing, so that the report names the
  /// smallest case found.
  Ledger run_shrinking(Dimensions at, i64 stream, Checks checks) const {
    Ledger found = run(at, stream, checks);
    const auto failure = std::ranges::find(found.checks(), false, &Check::passed);
    if (failure == found.checks().end()) return found;
    const std::string name = failure->name;
    const auto fails = [&](const Ledger& ledger) {
      const auto same = std::ranges::find(ledger.checks(), name, &Check::name);
      return same != ledger.checks().end() && !same->passed;
    };
    for (bool shrunk = true; shrunk;) {
      shrunk = false;
      for (const Dimensions& candidate : smaller(at)) {
        Ledger ledger = run(candidate, stream, checks);
        if (!fails(ledger)) continue;
        at = candidate;
        found = std::move(ledger);
        shrunk = true;
        break;
      }
    }
    return found;
  }
};

}  // namespace

std::vector<Check> verify(const BackendFactory& make, const VerifyOptions& options) {
  Ledger ledger;
  const i64 rounds = options.quick ? 1 : options.seeds;
  const std::size_t sizes = options.quick ? 2 : std::size(kDimensions);
  const auto each_round = [&](const auto& body) {
    for (i64 number = 0; number < rounds; ++number) {
      body(Round{make, options.seed + static_cast<std::uint64_t>(number)});
    }
  };
  // Drawn shapes first: of equal failures the ledger keeps the first, and these are shrunk.
  each_round([&](const Round& round) {
    const Rng draw = Rng(round.seed).fork("shapes");
    const i64 own = static_cast<i64>(std::size(kDimensions));
    ledger.add(round.run_shrinking(drawn(draw.fork("small")), own, check_all));
    if (options.quick) return;
    ledger.add(round.run_shrinking(drawn_large(draw.fork("large")), own + 1, check_cheaply));
  });
  each_round([&](const Round& round) {
    for (std::size_t i = 0; i < sizes; ++i) {
      ledger.add(round.run(kDimensions[i], static_cast<i64>(i), check_all));
    }
  });
  if (!options.quick && options.long_stream > 0) {
    guarded(fmt::format("heads 1/1 x 8, {} tokens, seed {}", options.long_stream, options.seed),
            ledger, [&] {
              const std::unique_ptr<Backend> backend = make({1, 1, 8});
              check_long_stream(*backend, options.long_stream, Rng(options.seed), ledger);
            });
  }
  return ledger.checks();
}

bool VariantVerdict::passed() const {
  return std::ranges::all_of(checks, [](const Check& check) { return check.passed; });
}

std::vector<VariantVerdict> verify_registered(std::string_view type, const VerifyOptions& options) {
  std::vector<VariantVerdict> verdicts;
  for (const Variant& variant : variants(type)) {
    VerifyOptions own = options;
    if (!variant.long_stream) own.long_stream = 0;
    verdicts.push_back({variant.parameters, verify(variant.make, own)});
  }
  return verdicts;
}

}  // namespace longreach::attention
