// Softmax over chosen blocks. Queries are not served one by one: each block of keys meets all rows
// of a run that see it, and the parts of a row's softmax are put together by their log-sum-exp
// (Milakov & Gimelshein 2018).
#include "attention/selected_blocks.h"

#include <algorithm>
#include <cmath>

namespace longreach::attention {
namespace {

i64 triangle(i64 n) { return n > 0 ? n * (n + 1) / 2 : 0; }

/// Consecutive rows [first, first + count) of a run, and the first key that all of them see.
struct Stretch {
  i64 first, count, key;
};

/// What the rows see without a choice: rows of tokens that leave nothing out see all keys; those
/// of one block that do, their window.
std::vector<Stretch> windows(const BlockRule& rule, const SelectedRun& run) {
  std::vector<Stretch> stretches;
  const i64 rows = run.rows();
  const i64 all = rule.first_choosing(run.position, rows);
  if (all > 0) stretches.push_back({0, all, 0});
  for (i64 first = all; first < rows;) {
    const i64 c = (run.position + first) / rule.block;
    const i64 end = std::min(rows, (c + 1) * rule.block - run.position);
    stretches.push_back({first, end - first, (c - rule.local) * rule.block});
    first = end;
  }
  return stretches;
}

/// The rows that choose, and the sinks that they all see: no rows where there are none.
Stretch sinks_of(const BlockRule& rule, const SelectedRun& run) {
  const i64 first = rule.first_choosing(run.position, run.rows());
  return {first, rule.sinks > 0 ? run.rows() - first : 0, 0};
}

struct Choice {
  i64 block, row;
  auto operator<=>(const Choice&) const = default;
};

/// Calls body(block, rows) for each block that rows of the run chose, in ascending order.
template <class Body>
void each_chosen(const BlockRule& rule, const SelectedRun& run, const Body& body) {
  std::vector<Choice> choices;
  const i64 first = rule.first_choosing(run.position, run.rows());
  for (i64 row = first; row < run.rows(); ++row) {
    for (i64 n = 0; n < rule.top; ++n) {
      choices.push_back({static_cast<i64>(run.chosen[row * rule.top + n]), row});
    }
  }
  std::ranges::sort(choices);
  std::vector<i64> rows;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    rows.push_back(choices[i].row);
    if (i + 1 < choices.size() && choices[i + 1].block == choices[i].block) continue;
    body(choices[i].block, rows);
    rows.clear();
  }
}

/// Queries at positions from `position` on, meeting keys [first, end).
kernels::Problem problem(View<const float, 3> queries, i64 position, const kernels::KeyRange& keys,
                         i64 first, i64 end) {
  const i64 skipped = first * queries.extent(2) * bytes_of(keys.element);
  return {.queries = queries,
          .sink_queries = {},
          .position = position,
          .recent = {static_cast<const char*>(keys.keys) + skipped,
                     static_cast<const char*>(keys.values) + skipped, keys.element, first,
                     end - first}};
}

kernels::Problem window_problem(const SelectedRun& run, const Stretch& at) {
  const i64 position = run.position + at.first;
  return problem(run.queries.slice(1, at.first, at.count), position, run.keys, at.key,
                 position + at.count);
}

kernels::Problem sink_problem(const BlockRule& rule, const SelectedRun& run, const Stretch& at) {
  return problem(run.queries.slice(1, at.first, at.count), run.position + at.first, run.keys, 0,
                 rule.sinks * rule.block);
}

/// Rows that chose a block see all of it, wherever they stand.
kernels::Problem chosen_problem(const BlockRule& rule, View<const float, 3> queries,
                                const kernels::KeyRange& keys, i64 block) {
  const i64 end = (block + 1) * rule.block;
  return problem(queries, end, keys, block * rule.block, end);
}

/// to [G, rows, D] = the given rows of x [G, R, D]; the last one again where there are fewer than
/// `padded`.
View<float, 3> gathered(View<const float, 3> x, const std::vector<i64>& rows, i64 padded,
                        Scratch& to) {
  const i64 d = x.extent(2);
  to.resize(static_cast<std::size_t>(x.extent(0) * padded * d));
  const View<float, 3> view(to.data(), {x.extent(0), padded, d});
  for (i64 g = 0; g < x.extent(0); ++g) {
    for (i64 i = 0; i < padded; ++i) {
      const i64 row = rows[static_cast<std::size_t>(std::min<i64>(i, std::ssize(rows) - 1))];
      std::ranges::copy(x.row(g, row), view.row(g, i).begin());
    }
  }
  return view;
}

/// Adds a part of a row's softmax to the others'.
void merge_row(std::span<const float> part, float part_lse, std::span<float> out, float& lse) {
  const float top = std::max(lse, part_lse);
  const float total = top + std::log(std::exp(lse - top) + std::exp(part_lse - top));
  const float kept = std::exp(lse - total), added = std::exp(part_lse - total);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = kept * out[i] + added * part[i];
  lse = total;
}

/// Scratch of one part: its outputs and log-sum-exps.
struct PartResult {
  Scratch numbers, sums;
  View<float, 3> out;
  View<float, 2> lse;
  PartResult(i64 heads, i64 rows, i64 d)
      : numbers(static_cast<std::size_t>(heads * rows * d)),
        sums(static_cast<std::size_t>(heads * rows)),
        out(numbers.data(), {heads, rows, d}),
        lse(sums.data(), {heads, rows}) {}
};

}  // namespace

void BlockRule::fields(Fields& f) {
  f("block", block, at_least(1, Unit::count), "tokens of a block");
  f("top", top, at_least(1, Unit::count), "blocks that a token chooses");
  f("local_blocks", local, at_least(0, Unit::count), "blocks before a token's own it sees");
  f("sink_blocks", sinks, at_least(0, Unit::count), "first blocks that stay visible");
}

i64 BlockRule::pairs_before(i64 tokens) const {
  // A token of block c sees min(c, most) whole blocks and its own up to itself.
  const i64 most = local + sinks + top, blocks = tokens / block, rest = tokens % block;
  const i64 rising = std::min(blocks, most + 1);
  const i64 whole = triangle(rising - 1) + (blocks - rising) * most;
  return block * (block * whole) + blocks * triangle(block) +
         rest * block * std::min(blocks, most) + triangle(rest);
}

i64 BlockRule::scored_before(i64 tokens) const {
  const i64 blocks = tokens / block, rest = tokens % block;
  const i64 whole = triangle(candidates(blocks - 1)) - triangle(top);
  return block * std::max<i64>(0, whole) + (chooses(blocks) ? rest * candidates(blocks) : 0);
}

void choose_blocks(const BlockRule& rule, i64 c, const float* scores, float* chosen) {
  // The best so far, from the highest down. A later block has to be better, not as good; one that
  // is not a number never is.
  std::vector<i64> best;
  best.reserve(static_cast<std::size_t>(rule.top + 1));
  for (i64 i = 0; i < rule.candidates(c); ++i) {
    const bool full = std::ssize(best) == rule.top;
    if (full && !(scores[i] > scores[best.back()])) continue;
    if (full) best.pop_back();
    std::size_t at = best.size();
    while (at > 0 && scores[i] > scores[best[at - 1]]) --at;
    best.insert(best.begin() + static_cast<std::ptrdiff_t>(at), i);
  }
  std::ranges::sort(best);
  for (const i64 i : best) *chosen++ = static_cast<float>(rule.sinks + i);
}

i64 attend_selected(const BlockRule& rule, const SelectedRun& run, View<float, 3> out,
                    View<float, 2> lse) {
  const i64 heads = run.queries.extent(0), d = run.queries.extent(2);
  i64 pairs = 0;
  for (const Stretch& at : windows(rule, run)) {
    pairs += kernels::forward(window_problem(run, at), out.slice(1, at.first, at.count),
                              lse.slice(1, at.first, at.count));
  }
  if (const Stretch at = sinks_of(rule, run); at.count > 0) {
    PartResult part(heads, at.count, d);
    pairs += kernels::forward(sink_problem(rule, run, at), part.out, part.lse);
    for (i64 g = 0; g < heads; ++g) {
      for (i64 i = 0; i < at.count; ++i) {
        merge_row(part.out.row(g, i), part.lse(g, i), out.row(g, at.first + i),
                  lse(g, at.first + i));
      }
    }
  }
  // Few rows go another way through the kernel. How many chose a block depends on later tokens, the
  // rows of a run do not: these decide, so that no bit depends on what comes after.
  const i64 least = run.rows() > kernels::kFewRows ? kernels::kFewRows + 1 : 1;
  Scratch queries;
  each_chosen(rule, run, [&](i64 block, const std::vector<i64>& rows) {
    const i64 count = std::ssize(rows), padded = std::max(least, count);
    PartResult part(heads, padded, d);
    const View<float, 3> q = gathered(run.queries, rows, padded, queries);
    pairs += kernels::forward(chosen_problem(rule, q, run.keys, block), part.out, part.lse) /
             padded * count;
    for (i64 g = 0; g < heads; ++g) {
      for (i64 i = 0; i < count; ++i) {
        const i64 row = rows[static_cast<std::size_t>(i)];
        merge_row(part.out.row(g, i), part.lse(g, i), out.row(g, row), lse(g, row));
      }
    }
  });
  return pairs;
}

void undo_selected(const BlockRule& rule, const SelectedRun& run, View<const float, 3> out,
                   View<const float, 2> lse, View<const float, 3> d_out, View<float, 3> d_queries,
                   float* d_keys, float* d_values) {
  // With the outputs and log-sum-exps of all parts together, each part's backward pass is its own
  // share of the whole softmax's.
  const i64 heads = run.queries.extent(0), d = run.queries.extent(2);
  const auto grad = [&](View<float, 3> queries, i64 first_key) {
    return kernels::ProblemGrad{.queries = queries,
                                .sink_queries = {},
                                .recent_keys = d_keys + first_key * d,
                                .recent_values = d_values + first_key * d};
  };
  const auto undo_stretch = [&](const kernels::Problem& of, const Stretch& at) {
    const auto part = [&](auto x) { return x.slice(1, at.first, at.count); };
    kernels::backward(of, part(out), part(lse), part(d_out), grad(part(d_queries), at.key));
  };
  for (const Stretch& at : windows(rule, run)) undo_stretch(window_problem(run, at), at);
  if (const Stretch at = sinks_of(rule, run); at.count > 0) {
    undo_stretch(sink_problem(rule, run, at), at);
  }
  Scratch queries, outputs, cotangents;
  each_chosen(rule, run, [&](i64 block, const std::vector<i64>& rows) {
    const i64 count = std::ssize(rows);
    PartResult part(heads, count, d);  // gradients of the gathered queries, and their lse
    std::ranges::fill(part.numbers, 0.0f);
    for (i64 g = 0; g < heads; ++g) {
      for (i64 i = 0; i < count; ++i) part.lse(g, i) = lse(g, rows[static_cast<std::size_t>(i)]);
    }
    kernels::backward(
        chosen_problem(rule, gathered(run.queries, rows, count, queries), run.keys, block),
        gathered(out, rows, count, outputs), part.lse, gathered(d_out, rows, count, cotangents),
        grad(part.out, block * rule.block));
    for (i64 g = 0; g < heads; ++g) {
      for (i64 i = 0; i < count; ++i) {
        const std::span<float> to = d_queries.row(g, rows[static_cast<std::size_t>(i)]);
        const std::span<const float> from = part.out.row(g, i);
        for (std::size_t n = 0; n < to.size(); ++n) to[n] += from[n];
      }
    }
  });
}

}  // namespace longreach::attention
