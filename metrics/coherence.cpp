// Coherence: whether a model prefers a passage in its real order to the same in another, after the
// sentence-order tests of Barzilay & Lapata 2008 (doi 10.1162/coli.2008.34.1.1).
//
// A passage is the context length of tokens, cut into equal segments. Its order is preferred to a
// shuffled one when
//   sum_t log p(x_t | x_0, x_<t)  is greater in it than  sum_t log p(x_s(t) | x_0, x_s(<t)).
// Both sums are over the same tokens: x_0, the token before the passage, leads every order, so that
// none has a first token that nothing predicts. Ties count half. The shuffled orders are drawn
// without repetition, the same for every backend; a coin would prefer half.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "metrics/contexts.h"
#include "metrics/estimate.h"
#include "metrics/streams.h"

namespace longreach::metrics {
namespace {

class Coherence final : public Metric {
 public:
  struct Params {
    i64 passages = 48, segments = 4, shuffles = 2, tokens = 0;
    void fields(Fields& f) {
      f("passages", passages, at_least(1, Unit::count), "evenly spread passages of the text");
      f("segments", segments, at_least(2, Unit::count), "equal parts that are shuffled");
      f("shuffles", shuffles, at_least(1, Unit::count), "shuffled orders of each passage");
      f("tokens", tokens, at_least(0, Unit::count),
        "most tokens of passages at one length, those of each passage counted once: long contexts "
        "get fewer, but at least one; 0: no limit");
    }
  };

  explicit Coherence(const Params& params) : params_(params) {
    double orders = 1;  // other than the real one, plus 1
    for (i64 i = 2; i <= std::min<i64>(params_.segments, 20); ++i) orders *= static_cast<double>(i);
    if (static_cast<double>(params_.shuffles) > orders - 1) {
      throw error(
          "coherence shuffles: {} segments have {:.0f} other orders, not {}; give fewer "
          "shuffles or more segments",
          params_.segments, orders - 1, params_.shuffles);
    }
  }

  i64 version() const override { return 1; }
  Work work(const Prospect& prospect) const override {
    const i64 length = prospect.context_length;
    const i64 passages =
        prospect.data == nullptr
            ? 0
            : spread_count(prospect.data->documents(datasets::Split::test), length, length,
                           contexts_within(params_.tokens, params_.passages, length));
    Work work;
    add_streams(work, static_cast<double>(passages * (1 + params_.shuffles)), length + 1, length);
    work.resampled = 2 * static_cast<double>(passages);
    return work;
  }

  Findings measure(const Session& session) const override {
    const Documents documents = held_out_documents(session, "coherence");
    const i64 context = session.context_length;
    if (context < params_.segments) {
      throw error("coherence: {} tokens cannot be cut into {} segments; give longer lengths",
                  context, params_.segments);
    }
    const std::vector<Block> passages =
        spread_blocks(documents, context, context,
                      contexts_within(params_.tokens, params_.passages, context), "coherence");
    const std::vector<double> nats = score(session, documents, passages);
    Findings findings;
    Units preferred{"passages", {}, {}}, margin{"passages", {}, {}};
    for (std::size_t i = 0; i < passages.size(); ++i) {
      const auto shuffles = static_cast<std::size_t>(params_.shuffles);
      const std::span<const double> own = std::span(nats).subspan(i * (shuffles + 1), shuffles + 1);
      double wins = 0, more = 0;
      for (std::size_t s = 1; s <= shuffles; ++s) {
        wins += preference(-own[0], -own[s], context);
        more += (own[s] - own[0]) / static_cast<double>(context);
      }
      preferred.add(wins, static_cast<double>(shuffles));
      margin.add(more, static_cast<double>(shuffles));
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = static_cast<i64>(i);
      sample.sample_sha = block_sha(documents, passages[i]);
      sample.target = block_name(passages[i]);
      sample.scores = {{"real_order", wins / static_cast<double>(shuffles)},
                       {"margin", more / static_cast<double>(shuffles)}};
    }
    Measurement& share = add(session, "real_order", "1", findings);
    share.chance = 0.5;
    const bool ties = std::ranges::any_of(preferred.amounts,
                                          [](double wins) { return wins != std::floor(wins); });
    if (params_.shuffles == 1 && !ties) {
      const double wins = std::accumulate(preferred.amounts.begin(), preferred.amounts.end(), 0.0);
      set_share(share, std::llround(wins), preferred.count(), session.statistics);
    } else {
      set_bounded_mean(share, preferred, session.statistics, session.rng);
    }
    Measurement& by = add(session, "margin", "nats/token", findings);
    by.chance = 0;
    set_mean(by, margin, session.statistics, session.rng);
    return findings;
  }

 private:
  /// -log p of each passage's orders, the real one first.
  std::vector<double> score(const Session& session, const Documents& documents,
                            std::span<const Block> passages) const {
    const i64 count = std::ssize(passages), at_once = streams_at_once(session.context_length + 1);
    std::vector<double> nats;
    // The orders of one batch at a time: all of those of a million tokens would fill gigabytes.
    for (i64 first = 0; first < count; first += at_once) {
      std::vector<std::vector<Token>> rows;
      for (i64 i = first; i < std::min(first + at_once, count); ++i) {
        for (const auto& order : orders(session.rng.fork("coherence").fork(i))) {
          rows.push_back(
              ordered(window_of(documents, passages[static_cast<std::size_t>(i)]), order));
        }
      }
      const std::vector<double> some = tail_nats(session.model, rows, session.context_length);
      nats.insert(nats.end(), some.begin(), some.end());
    }
    return nats;
  }

  /// The real one, then different others.
  std::vector<std::vector<i64>> orders(Rng rng) const {
    std::vector<i64> order(static_cast<std::size_t>(params_.segments));
    std::iota(order.begin(), order.end(), 0);
    std::vector<std::vector<i64>> drawn{order};
    while (std::ssize(drawn) <= params_.shuffles) {
      for (i64 i = params_.segments - 1; i > 0; --i) {
        std::swap(order[static_cast<std::size_t>(i)],
                  order[static_cast<std::size_t>(rng.below(i + 1))]);
      }
      if (std::ranges::find(drawn, order) == drawn.end()) drawn.push_back(order);
    }
    return drawn;
  }

  /// A passage with the token before it, its segments in that order.
  std::vector<Token> ordered(std::span<const Token> window, const std::vector<i64>& order) const {
    std::vector<Token> tokens{window.front()};
    const i64 length = std::ssize(window) - 1;
    for (const i64 segment : order) {
      const i64 begin = segment * length / params_.segments;
      const i64 end = (segment + 1) * length / params_.segments;
      tokens.insert(tokens.end(), window.begin() + 1 + begin, window.begin() + 1 + end);
    }
    return tokens;
  }

  Measurement& add(const Session& session, std::string_view what, std::string_view unit,
                   Findings& findings) const {
    Measurement& m = findings.measurements.emplace_back();
    m.metric = fmt::format("coherence/{}", what);
    m.unit = unit;
    m.higher_is_better = true;
    m.protocol = fmt::format("coherence/{}:ctx={}:segments={}:shuffles={}:score=all:ties=half",
                             version(), session.context_length, params_.segments, params_.shuffles);
    m.data_sha = set_sha(findings.samples);
    return m;
  }

  Params params_;
};

const Registered<MetricRegistry, Coherence> registered{
    "coherence", "Share of shuffled orders of a passage that its real order is preferred to"};

}  // namespace
}  // namespace longreach::metrics
