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

}  // namespace

std::vector<Check> verify(const BackendFactory& make, const VerifyOptions& options) {
  Ledger ledger;
  const i64 rounds = options.quick ? 1 : options.seeds;
  const std::size_t sizes = options.quick ? 2 : std::size(kDimensions);
  for (i64 round = 0; round < rounds; ++round) {
    const std::uint64_t seed = options.seed + static_cast<std::uint64_t>(round);
    for (std::size_t i = 0; i < sizes; ++i) {
      const auto& [shape, batch, tokens] = kDimensions[i];
      const std::string where =
          fmt::format("heads {}/{} x {}, batch {}, {} tokens, seed {}", shape.query_heads,
                      shape.kv_heads, shape.head_dim, batch, tokens, seed);
      guarded(where, ledger, [&] {
        const std::unique_ptr<Backend> backend = make(shape);
        const Rng rng = Rng(seed).fork("verify").fork(static_cast<i64>(i));
        const Problem problem(*backend, batch, tokens, rng.fork("problem"));
        check_all({*backend, problem, rng, where}, ledger);
      });
    }
  }
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
