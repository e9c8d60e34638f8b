// Streams made by hand to show which blocks of keys a token sees.
#pragma once

#include <set>

#include "tests/attention/backends.h"

namespace longreach::attention {

/// One stream in which all keys are 0 and values are random, until something is planted.
inline Problem blank_keys(const Backend& backend, i64 tokens) {
  Problem problem(backend, 1, tokens, Rng(41));
  set_all(problem.k, 0);
  return problem;
}

/// Sets the keys of tokens [first, first + count) of the first key/value head.
inline void plant(Problem& problem, i64 first, i64 count, const std::vector<float>& key) {
  for (i64 t = first; t < first + count; ++t) {
    std::ranges::copy(key, problem.k.view<4>().row(0, t, 0).begin());
  }
}

/// Sets all queries of one head.
inline void ask(Problem& problem, i64 head, const std::vector<float>& query) {
  for (i64 t = 0; t < problem.tokens; ++t) {
    std::ranges::copy(query, problem.q.view<4>().row(0, t, head).begin());
  }
}

/// The blocks whose values of key/value head `kv` have any influence on the last token's output of
/// a head: changing those of another leaves its bits alone. `step` tokens a call, or the whole
/// stream at once.
inline std::set<i64> influential_blocks(const Backend& backend, const Problem& problem, i64 block,
                                        i64 head = 0, i64 step = 0, i64 kv = 0) {
  const auto last = [&](const Problem& of) {
    std::vector<i64> cuts;
    for (i64 left = of.tokens; left > 0; left -= cuts.back()) {
      cuts.push_back(step == 0 ? left : std::min(step, left));
    }
    const Tensor out = run(backend, of, cuts, false).out;
    const auto row = out.view<4>().row(0, of.tokens - 1, head);
    return std::vector<float>(row.begin(), row.end());
  };
  const std::vector<float> before = last(problem);
  std::set<i64> found;
  for (i64 first = 0; first < problem.tokens; first += block) {
    Problem changed = problem;
    for (i64 t = first; t < std::min(problem.tokens, first + block); ++t) {
      for (float& x : changed.v.view<4>().row(0, t, kv)) x += 100;
    }
    if (bits_differing(last(changed), before) > 0) found.insert(first / block);
  }
  return found;
}

}  // namespace longreach::attention
