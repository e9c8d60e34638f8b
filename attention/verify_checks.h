// The single checks of the conformance gate; attention/verify.h says what each one demands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "attention/verify.h"
#include "attention/verify_run.h"

namespace longreach::attention {

/// Keeps the worst case of each check.
class Ledger {
 public:
  /// `error` may be NaN or infinite: it then fails.
  void note(std::string_view name, double error, double tolerance, const std::string& detail);
  /// Keeps the worst, but of failures the first.
  void add(const Check& check);
  /// nullptr when nothing of that name was noted.
  const Check* find(std::string_view name) const;
  /// In order of first appearance.
  const std::vector<Check>& checks() const { return checks_; }

 private:
  std::vector<Check> checks_;
};

/// How many differences check_gradient takes for each of q, k, v and the weights.
struct GradientSamples {
  int coordinates, directions;
};

/// One backend and one problem.
struct Case {
  const Backend& backend;
  const Problem& problem;
  Rng rng;            ///< for cuts and sampled coordinates
  std::string where;  ///< "heads 4/2 x 8, batch 2, 13 tokens, seed 1"
  GradientSamples samples;
};

void check_output(const Case&, Ledger&);
void check_cuts(const Case&, Ledger&);
void check_causality(const Case&, Ledger&);
void check_batch(const Case&, Ledger&);
void check_repeatable(const Case&, Ledger&);  ///< repeatable, tape

void check_layout(const Case&, Ledger&);
void check_capacity(const Case&, Ledger&);
void check_accounts(const Case&, Ledger&);  ///< state bytes, activity, additive cost

void check_gradient(const Case&, Ledger&);
void check_state_gradient(const Case&, Ledger&);
void check_accumulation(const Case&, Ledger&);

/// One stream of `tokens` tokens, one head of size 8; the last ones come one by one.
void check_long_stream(const Backend&, i64 tokens, const Rng&, Ledger&);

}  // namespace longreach::attention
