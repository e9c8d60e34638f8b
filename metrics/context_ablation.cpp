// What of a long context a model's predictions rest on (O'Connor & Andreas 2021, arXiv 2106.08367):
//
//   A(f, k) = [L(f) - L(full)] / [L(none) - L(full)]
//
// L is the loss on the same targets in every term. Before them stand, in each,
//   full      all tokens of the context length
//   drop      the last k tokens only
//   shuffle   the last k tokens, and before those the others in segments in random order
//   foreign   the last k tokens, and before those as many of another document
//   none      the last token only, so that targets see little but each other.
// So A = 0 means that what f took away helped nothing, A(drop) is the share of the context's help
// that only comes from further back than k tokens, and A > A(drop) that what f put there misleads.
// A/shuffle_of_drop and A/foreign_of_drop are [L(f) - L(full)] / [L(drop) - L(full)], the paper's
// ratio: the same as a share of the far context's own help.
#include <algorithm>
#include <array>

#include "core/error.h"
#include "metrics/contexts.h"
#include "metrics/estimate.h"
#include "metrics/streams.h"

namespace longreach::metrics {
namespace {

/// Nats a token; what context must help at least for shares of it to mean something.
constexpr double kLeastHelp = 1e-3;

/// Of one block's targets, in nats.
struct Losses {
  double full = 0, drop = 0, shuffle = 0, foreign = 0, none = 0;
};

class ContextAblation final : public Metric {
 public:
  struct Params {
    i64 blocks = 48, targets = 64, near = 64, segment = 32, tokens = 0;
    void fields(Fields& f) {
      f("blocks", blocks, at_least(1, Unit::count), "blocks of targets");
      f("targets", targets, at_least(1, Unit::count), "tokens predicted in a block");
      f("near", near, at_least(1, Unit::count),
        "tokens right before the targets that every ablation leaves in place (k)");
      f("segment", segment, at_least(1, Unit::count),
        "tokens that stay together when the far context is shuffled");
      f("tokens", tokens, at_least(0, Unit::count),
        "most tokens of own context to read at one length: long contexts get fewer blocks, but at "
        "least one; 0: no limit");
    }
  };

  explicit ContextAblation(const Params& params) : params_(params) {}

  i64 version() const override { return 1; }
  Work work(const Prospect& prospect) const override {
    const auto blocks = static_cast<double>(same_target_count(
        prospect, params_.targets,
        contexts_within(params_.tokens, params_.blocks, prospect.context_length)));
    Work work;
    for (int whole = 0; whole < 3; ++whole) {  // full, shuffle, foreign
      add_streams(work, blocks, prospect.context_length + 1, params_.targets);
    }
    add_streams(work, blocks, params_.near + params_.targets, params_.targets);
    add_streams(work, blocks, 1 + params_.targets, params_.targets);
    work.resampled = 10 * blocks;
    return work;
  }

  Findings measure(const Session& session) const override {
    const Documents documents = held_out_documents(session, "context_ablation");
    const i64 smallest = params_.targets + params_.near + 2 * params_.segment - 1;
    if (session.context_length < smallest) {
      throw error(
          "context_ablation: a context of {} tokens has no two segments of {} further back than "
          "{} tokens before {} targets; give lengths of {} or more, or a smaller near, segment or "
          "targets",
          session.context_length, params_.segment, params_.near, params_.targets, smallest);
    }
    const std::vector<Block> blocks =
        same_target_blocks(session, documents, params_.targets,
                           contexts_within(params_.tokens, params_.blocks, session.context_length),
                           "context_ablation");
    std::vector<Losses> losses;
    // The contexts of one batch at a time: all of those of a million tokens would fill gigabytes.
    while (losses.size() < blocks.size()) {
      const std::vector<Losses> some = score(session, documents, blocks, losses.size());
      losses.insert(losses.end(), some.begin(), some.end());
    }
    Findings findings;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = static_cast<i64>(i);
      sample.sample_sha = block_sha(documents, blocks[i]);
      sample.target = block_name(blocks[i]);
      const auto tokens = static_cast<double>(params_.targets);
      const Losses& l = losses[i];
      sample.scores = {{"help", (l.none - l.full) / tokens},
                       {"drop_loss", (l.drop - l.full) / tokens},
                       {"shuffle_loss", (l.shuffle - l.full) / tokens},
                       {"foreign_loss", (l.foreign - l.full) / tokens}};
    }
    add_shares(session, findings);
    add_losses(session, findings);
    return findings;
  }

 private:
  /// The far context cut into segments from its end on, those in another order than they were.
  std::vector<Token> shuffled(std::span<const Token> far, Rng rng) const {
    std::vector<std::span<const Token>> segments;
    const auto size = static_cast<std::size_t>(params_.segment);
    for (std::size_t left = far.size(); left > 0; left -= segments.back().size()) {
      const std::size_t count = std::min(size, left);
      segments.push_back(far.subspan(left - count, count));
    }
    // Listed from the last to the first: that order itself is one of the shuffled ones.
    std::vector<std::size_t> order(segments.size());
    const auto in_place = [&order] {
      for (std::size_t i = 0; i < order.size(); ++i) {
        if (order[i] != order.size() - 1 - i) return false;
      }
      return true;
    };
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    do {
      for (std::size_t i = order.size() - 1; i > 0; --i) {
        std::swap(order[i], order[static_cast<std::size_t>(rng.below(static_cast<i64>(i) + 1))]);
      }
    } while (in_place());
    std::vector<Token> tokens;
    for (const std::size_t i : order) {
      tokens.insert(tokens.end(), segments[i].begin(), segments[i].end());
    }
    return tokens;
  }

  /// Of one batch of blocks, from number `first` on.
  std::vector<Losses> score(const Session& session, const Documents& documents,
                            const std::vector<Block>& blocks, std::size_t first) const {
    const auto at_once = static_cast<std::size_t>(streams_at_once(session.context_length + 1));
    const std::size_t end = std::min(blocks.size(), first + at_once);
    std::vector<std::vector<Token>> whole, near, none;
    for (std::size_t i = first; i < end; ++i) {
      const ContextParts parts = context_parts(documents, blocks[i], params_.near);
      const Rng rng = session.rng.fork("ablation").fork(static_cast<i64>(i));
      Rng place = rng.fork("foreign");
      whole.push_back(joined({parts.far, parts.near, parts.targets}));
      whole.push_back(
          joined({shuffled(parts.far, rng.fork("shuffle")), parts.near, parts.targets}));
      whole.push_back(joined(
          {foreign_tokens(documents, blocks[i], std::ssize(parts.far), place, "context_ablation"),
           parts.near, parts.targets}));
      near.push_back(joined({parts.near, parts.targets}));
      none.push_back(joined({parts.near.last(1), parts.targets}));
    }
    const auto nats = [&](const std::vector<std::vector<Token>>& rows) {
      return tail_nats(session.model, rows, params_.targets);
    };
    const std::vector<double> wholes = nats(whole), drops = nats(near), nones = nats(none);
    std::vector<Losses> losses;
    for (std::size_t i = 0; i < drops.size(); ++i) {
      losses.push_back({wholes[3 * i], drops[i], wholes[3 * i + 1], wholes[3 * i + 2], nones[i]});
    }
    return losses;
  }

  Measurement& add(const Session& session, std::string what, std::string_view unit,
                   Findings& findings) const {
    Measurement& m = findings.measurements.emplace_back();
    m.metric = fmt::format("ablation/{}", what);
    m.unit = unit;
    m.protocol = fmt::format(
        "ablation/{}:ctx={}:near={}:segment={}:targets={}:score=tail:unit=token", version(),
        session.context_length, params_.near, params_.segment, params_.targets);
    m.data_sha = set_sha(findings.samples);
    return m;
  }

  /// Scores by their number in a sample: 0 is "help".
  static std::vector<double> scores(const Findings& findings, std::size_t number) {
    std::vector<double> values;
    for (const SampleRecord& sample : findings.samples) {
      values.push_back(sample.scores[number].second);
    }
    return values;
  }

  void add_shares(const Session& session, Findings& findings) const {
    constexpr std::array<std::string_view, 4> kNames{"", "drop", "shuffle", "foreign"};
    const auto share = [&](std::size_t of, std::size_t base, std::string name) {
      const Units units{"blocks", scores(findings, of), scores(findings, base)};
      set_ratio(add(session, std::move(name), "1", findings), units, kLeastHelp, session.statistics,
                session.rng);
    };
    for (std::size_t f = 1; f < kNames.size(); ++f) share(f, 0, std::string(kNames[f]));
    for (std::size_t f = 2; f < kNames.size(); ++f)
      share(f, 1, fmt::format("{}_of_drop", kNames[f]));
  }

  void add_losses(const Session& session, Findings& findings) const {
    for (std::size_t s = 0; s < findings.samples.front().scores.size(); ++s) {
      const std::string name = findings.samples.front().scores[s].first;
      Measurement& m = add(session, name, "nats/token", findings);
      if (s == 0) m.higher_is_better = true;
      m.chance = 0;
      Units units{"blocks", {}, {}};
      for (const double value : scores(findings, s)) units.add(value);
      set_mean(m, units, session.statistics, session.rng);
    }
  }

  Params params_;
};

const Registered<MetricRegistry, ContextAblation> registered{
    "context_ablation",
    "Share of the context's help lost when far context is dropped, shuffled or foreign"};

}  // namespace
}  // namespace longreach::metrics
