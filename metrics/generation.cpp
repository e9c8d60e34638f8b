// What a model writes after held-out text, and how much it repeats itself: rep-n (Welleck et al.
// 2019, arXiv 1908.04319) and distinct-n (Li et al. 2016, arXiv 1510.03055). Of the runs of n
// tokens that a text has, rep-n is the share that came before in it and distinct-n the others:
//   rep-n = 1 - different runs / all runs,   distinct-n = different runs / all runs.
#include <set>
#include <span>

#include "core/error.h"
#include "metrics/blocks.h"
#include "metrics/contexts.h"
#include "metrics/estimate.h"
#include "metrics/excerpt.h"
#include "metrics/metric.h"
#include "model/generate.h"

namespace longreach::metrics {
namespace {

/// How many runs of `n` tokens a text has, and how many different ones.
struct Runs {
  Runs(std::span<const Token> text, i64 n) {
    std::set<std::vector<Token>> seen;
    for (; std::ssize(text) >= n; text = text.subspan(1), ++all)
      seen.emplace(text.begin(), text.begin() + n);
    different = std::ssize(seen);
  }
  i64 all = 0, different = 0;
};

class Generation final : public Metric {
 public:
  struct Params {
    i64 samples = 4, new_tokens = 64;
    model::Sampling sampling;
    std::vector<i64> rep_n{4}, distinct_n{2};
    void fields(Fields& f) {
      f("samples", samples, at_least(1, Unit::count),
        "evenly spread places of the text to go on from");
      f("new_tokens", new_tokens, at_least(4, Unit::count), "most tokens written at each");
      sampling.fields(f);
      f("rep_n", rep_n, between(1, 4, Unit::count), "lengths of runs whose repetitions count");
      f("distinct_n", distinct_n, between(1, 4, Unit::count),
        "lengths of runs of which the different ones count");
    }
  };

  explicit Generation(const Params& params) : params_(params) {}

  i64 version() const override { return 1; }
  Work work(const Prospect& prospect) const override {
    const auto samples = static_cast<double>(params_.samples);
    Work work;
    work.passes = {{.count = samples, .tokens = prospect.context_length},
                   {.count = samples,
                    .position = prospect.context_length,
                    .tokens = params_.new_tokens,
                    .logits = params_.new_tokens,
                    .chunk = 1}};
    work.resampled =
        samples * static_cast<double>(params_.rep_n.size() + params_.distinct_n.size());
    return work;
  }

  Findings measure(const Session& session) const override {
    const Documents documents = held_out_documents(session, "generation");
    // The same places at every length: what is to be written has its number of tokens before it.
    const auto context = [this](i64 read) { return read + params_.new_tokens - 1; };
    const std::vector<Block> blocks =
        with_context(spread_blocks(documents, context(longest_length(session)), params_.new_tokens,
                                   params_.samples, "generation"),
                     context(session.context_length));
    Findings findings;
    const Units none{"samples", {}, {}};
    std::vector<Units> repeated(params_.rep_n.size(), none),
        distinct(params_.distinct_n.size(), none);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const std::span<const Token> prompt =
          window_of(documents, blocks[i]).first(static_cast<std::size_t>(session.context_length));
      const std::vector<Token> text = write(session, prompt, static_cast<i64>(i));
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = static_cast<i64>(i);
      sample.sample_sha = block_sha(documents, blocks[i]);
      sample.target = session.tokenizer.decode(targets_of(documents, blocks[i]));
      sample.output = session.tokenizer.decode(text);
      sample.excerpt = excerpt(session.tokenizer, prompt);
      for (std::size_t k = 0; k < repeated.size(); ++k) {
        const Runs runs(text, params_.rep_n[k]);
        add_share(runs.all - runs.different, runs.all, fmt::format("rep_{}", params_.rep_n[k]),
                  repeated[k], sample);
      }
      for (std::size_t k = 0; k < distinct.size(); ++k) {
        const Runs runs(text, params_.distinct_n[k]);
        add_share(runs.different, runs.all, fmt::format("distinct_{}", params_.distinct_n[k]),
                  distinct[k], sample);
      }
    }
    for (std::size_t k = 0; k < repeated.size(); ++k) {
      add(session, fmt::format("rep_{}", params_.rep_n[k]), false, repeated[k], findings);
    }
    for (std::size_t k = 0; k < distinct.size(); ++k) {
      add(session, fmt::format("distinct_{}", params_.distinct_n[k]), true, distinct[k], findings);
    }
    return findings;
  }

 private:
  /// Up to an ending or the most tokens; drawn alike for every backend.
  std::vector<Token> write(const Session& session, std::span<const Token> prompt,
                           i64 number) const {
    model::Sampling sampling = params_.sampling;
    sampling.seed = static_cast<i64>(session.rng.fork("generation").fork(number).bits());
    model::Generator generator(session.model, prompt, params_.new_tokens, sampling,
                               session.tokenizer.endings());
    std::vector<Token> text;
    while (const std::optional<Token> token = generator.next()) text.push_back(*token);
    return text;
  }

  /// A text that ended too soon to have such runs counts in neither sum.
  static void add_share(i64 some, i64 all, const std::string& name, Units& units,
                        SampleRecord& sample) {
    if (all == 0) return;
    units.add(static_cast<double>(some), static_cast<double>(all));
    sample.scores.emplace_back(name, static_cast<double>(some) / static_cast<double>(all));
  }

  void add(const Session& session, std::string_view what, bool higher_is_better, const Units& units,
           Findings& findings) const {
    Measurement& m = findings.measurements.emplace_back();
    m.metric = fmt::format("generation/{}", what);
    m.unit = "1";
    m.higher_is_better = higher_is_better;
    m.protocol = fmt::format("generation/{}:ctx={}:new={}:temperature={}:top_p={}:unit=token",
                             version(), session.context_length, params_.new_tokens,
                             params_.sampling.temperature, params_.sampling.top_p);
    m.data_sha = set_sha(findings.samples);
    m.n = 0;
    if (units.count() > 0) set_bounded_mean(m, units, session.statistics, session.rng);
  }

  Params params_;
};

const Registered<MetricRegistry, Generation> registered{
    "generation", "Continuations of held-out text: repeated 4-grams (rep-4) and distinct bigrams"};

}  // namespace
}  // namespace longreach::metrics
