// Thematic relevance: whether a continuation is likelier after its own context than after others.
//
// Of each continuation y with its own context c and foreign contexts c_1..c_m,
//   relevance = (1/m) sum_i ( [log p(y | c, n) > log p(y | c_i, n)] + 1/2 [equal] ),
// the Mann-Whitney share, by which a model that reads no context scores 1/2. n are the `near`
// tokens right before y, which stay in every context: without them the join alone would decide.
// Foreign contexts are as long as the own one and come from other documents where there are such.
//
// Two continuations at every place: the one that truly follows, and the one that the model itself
// writes, always its most likely token. The latter starts ahead, having been written for its
// context; what tells is how much further it is ahead at a longer context.
#include <algorithm>
#include <array>
#include <numeric>

#include "core/error.h"
#include "metrics/contexts.h"
#include "metrics/estimate.h"
#include "metrics/streams.h"
#include "model/generate.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

/// Of a continuation: what share of the foreign contexts its own beats, and by how much on average.
struct Rank {
  double beaten = 0, margin = 0;
};

class Relevance final : public Metric {
 public:
  struct Params {
    i64 blocks = 24, targets = 64, near = 16, foreign = 4, tokens = 0;
    void fields(Fields& f) {
      f("blocks", blocks, at_least(1, Unit::count), "evenly spread places of the text");
      f("targets", targets, at_least(1, Unit::count), "tokens of a continuation");
      f("near", near, at_least(1, Unit::count),
        "tokens right before a continuation that stay in every context");
      f("foreign", foreign, at_least(1, Unit::count), "foreign contexts for each continuation");
      f("tokens", tokens, at_least(0, Unit::count),
        "most tokens of own context to read at one length: long contexts get fewer blocks, but at "
        "least one; 0: no limit");
    }
  };

  explicit Relevance(const Params& params) : params_(params) {}

  i64 version() const override { return 1; }
  Work work(const Prospect& prospect) const override {
    const i64 length = prospect.context_length, targets = params_.targets;
    const i64 before = std::max<i64>(1, length + 1 - targets);
    const auto blocks = static_cast<double>(same_target_count(
        prospect, targets, contexts_within(params_.tokens, params_.blocks, length)));
    const i64 contexts = 1 + params_.foreign;
    const i64 at_once = std::min(contexts, streams_at_once(length + 1));
    const double batches = blocks * static_cast<double>(contexts) / static_cast<double>(at_once);
    Work work;
    work.passes = {
        {.count = blocks, .tokens = before},
        {.count = blocks, .position = before, .tokens = targets, .logits = targets, .chunk = 1},
        {.count = batches, .streams = at_once, .tokens = before},
        {.count = 2 * batches,
         .streams = at_once,
         .position = before,
         .tokens = targets + 1,
         .logits = targets}};
    work.states = 2;
    work.copied = 2 * blocks * static_cast<double>(contexts);
    work.resampled = 4 * blocks;
    return work;
  }

  Findings measure(const Session& session) const override {
    const Documents documents = held_out_documents(session, "relevance");
    require_far_context(session, params_.near, params_.targets, "relevance");
    const std::vector<Block> blocks = same_target_blocks(
        session, documents, params_.targets,
        contexts_within(params_.tokens, params_.blocks, session.context_length), "relevance");
    Findings findings;
    std::array<Units, 2> beaten{{{"blocks", {}, {}}, {"blocks", {}, {}}}}, margin = beaten;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const Rng rng = session.rng.fork("relevance").fork(static_cast<i64>(i));
      const auto contexts = contexts_of(documents, blocks[i], rng);
      const std::span<const Token> truth = targets_of(documents, blocks[i]);
      const std::vector<Token> written = write(session.model, contexts.front());
      const std::array<Rank, 2> ranks = rank(session.model, contexts, {truth, written});
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = static_cast<i64>(i);
      sample.sample_sha = block_sha(documents, blocks[i]);
      sample.target = session.tokenizer.decode(truth);
      sample.output = session.tokenizer.decode(written);
      for (std::size_t k = 0; k < 2; ++k) {
        beaten[k].add(ranks[k].beaten);
        margin[k].add(ranks[k].margin);
        sample.scores.emplace_back(kNames[k], ranks[k].beaten);
        sample.scores.emplace_back(fmt::format("{}_margin", kNames[k]), ranks[k].margin);
      }
    }
    for (std::size_t k = 0; k < 2; ++k) {
      Measurement& share = add(session, kNames[k], "1", findings);
      share.chance = 0.5;
      set_bounded_mean(share, beaten[k], session.statistics, session.rng);
      Measurement& by = add(session, fmt::format("{}_margin", kNames[k]), "nats/token", findings);
      by.chance = 0;
      set_mean(by, margin[k], session.statistics, session.rng);
    }
    return findings;
  }

 private:
  static constexpr std::array<const char*, 2> kNames{"true_continuation", "own_continuation"};

  /// The own one first; all equally long.
  std::vector<std::vector<Token>> contexts_of(const Documents& documents, const Block& block,
                                              Rng rng) const {
    const ContextParts parts = context_parts(documents, block, params_.near);
    std::vector<std::vector<Token>> contexts{joined({parts.far, parts.near})};
    for (i64 i = 0; i < params_.foreign; ++i) {
      contexts.push_back(joined(
          {foreign_tokens(documents, block, std::ssize(parts.far), rng, "relevance"), parts.near}));
    }
    return contexts;
  }

  std::vector<Token> write(const model::Transformer& model, const std::vector<Token>& after) const {
    TokenRows prompt;
    prompt.add(after);
    return model::generate_greedy(model, prompt.view(), params_.targets).front();
  }

  /// Every context is read once for both continuations.
  std::array<Rank, 2> rank(const model::Transformer& model,
                           const std::vector<std::vector<Token>>& contexts,
                           const std::array<std::span<const Token>, 2>& continuations) const {
    const i64 length = std::ssize(contexts.front()), all = std::ssize(contexts);
    const i64 at_once = streams_at_once(length + params_.targets);
    std::array<std::vector<double>, 2> likelihoods;  // nats, [continuation][context]
    for (i64 first = 0; first < all; first += at_once) {
      const i64 count = std::min(at_once, all - first);
      TokenRows rows;
      for (i64 c = first; c < first + count; ++c) rows.add(contexts[static_cast<std::size_t>(c)]);
      model::StreamState read = model.initial_state(count, length + params_.targets);
      model::prefill(model, rows.view().slice(1, 0, length - 1), read);
      for (std::size_t k = 0; k < 2; ++k) {
        TokenRows endings;
        for (i64 c = 0; c < count; ++c) {
          endings.add(std::span(contexts.front()).last(1), continuations[k]);
        }
        model::StreamState state = read;
        for (const auto& stream :
             model::tail_log_probabilities(model, endings.view(), params_.targets, &state)) {
          likelihoods[k].push_back(std::accumulate(stream.begin(), stream.end(), 0.0));
        }
      }
    }
    return {rank_of(likelihoods[0]), rank_of(likelihoods[1])};
  }

  /// Of the first among them.
  Rank rank_of(const std::vector<double>& likelihoods) const {
    Rank rank;
    const auto others = static_cast<double>(likelihoods.size() - 1);
    for (std::size_t c = 1; c < likelihoods.size(); ++c) {
      rank.beaten += preference(likelihoods[0], likelihoods[c], params_.targets);
      rank.margin += (likelihoods[0] - likelihoods[c]) / static_cast<double>(params_.targets);
    }
    return {rank.beaten / others, rank.margin / others};
  }

  Measurement& add(const Session& session, std::string_view what, std::string_view unit,
                   Findings& findings) const {
    Measurement& m = findings.measurements.emplace_back();
    m.metric = fmt::format("relevance/{}", what);
    m.unit = unit;
    m.higher_is_better = true;
    m.protocol =
        fmt::format("relevance/{}:ctx={}:near={}:targets={}:foreign={}:ties=half", version(),
                    session.context_length, params_.near, params_.targets, params_.foreign);
    m.data_sha = set_sha(findings.samples);
    return m;
  }

  Params params_;
};

const Registered<MetricRegistry, Relevance> registered{
    "relevance",
    "Share of foreign contexts after which a continuation is less likely than its own"};

}  // namespace
}  // namespace longreach::metrics
