// Pointwise mutual information of an answer y and a span s of its context c, in nats:
//
//   pmi(y; s | c) = log p(y | c) - log p(y | c without s)
//
// Of text, y are a block's targets and s all that lies further back than `near` tokens before the
// first of them: removed, the context begins later. Of a task, y is a question's answer and s its
// evidence: every token of it is replaced by one of the sample's own filler, a run of it as long
// that starts as soon after the evidence as there is filler (or is the last there is), so that
// nothing else changes its place. Means over independent units: blocks or samples.
#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "metrics/contexts.h"
#include "metrics/estimate.h"
#include "metrics/streams.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

using datasets::Question;
using datasets::Sample;
using datasets::Span;

/// The sample up to the end of the answer, its evidence replaced by filler; empty when it has none.
std::vector<Token> without_evidence(const Sample& sample, const Question& question) {
  std::vector<i64> filler;  // places
  for (const Span& span : sample.filler) {
    for (i64 t = span.begin; t < span.end(); ++t) filler.push_back(t);
  }
  std::vector<Token> tokens(sample.tokens.begin(), sample.tokens.begin() + question.answer.end());
  if (filler.empty()) return {};
  for (const Span& span : question.evidence) {
    const i64 most = std::max<i64>(0, std::ssize(filler) - span.length);
    const i64 after = std::ranges::lower_bound(filler, span.end()) - filler.begin();
    const i64 first = std::min(after, most);
    for (i64 i = 0; i < span.length; ++i) {
      const auto from = filler[static_cast<std::size_t>((first + i) % std::ssize(filler))];
      tokens[static_cast<std::size_t>(span.begin + i)] =
          sample.tokens[static_cast<std::size_t>(from)];
    }
  }
  return tokens;
}

/// Amounts of one block or sample.
struct Information {
  double nats = 0, tokens = 0, answers = 0;
};

class MutualInformation final : public Metric {
 public:
  struct Params {
    i64 blocks = 48, targets = 64, near = 64;
    i64 samples = 24, questions = 4, tokens = 0;
    void fields(Fields& f) {
      f("blocks", blocks, at_least(1, Unit::count), "blocks of targets, for text");
      f("targets", targets, at_least(1, Unit::count), "tokens predicted in a block, for text");
      f("near", near, at_least(1, Unit::count),
        "tokens right before the targets that stay when all before them is removed, for text");
      f("samples", samples, at_least(1, Unit::count), "samples of a task whose evidence is taken");
      f("questions", questions, at_least(0, Unit::count),
        "most questions of a sample, evenly spread; 0: all");
      f("tokens", tokens, at_least(0, Unit::count),
        "most tokens of whole contexts to read at one length: long contexts get fewer blocks or "
        "samples, but at least one; 0: no limit");
    }
  };

  explicit MutualInformation(const Params& params) : params_(params) {}

  i64 version() const override { return 1; }
  Work work(const Prospect& prospect) const override {
    const i64 length = prospect.context_length;
    Work work;
    if (held_out_tokens(prospect) > 0) {
      const auto blocks = static_cast<double>(same_target_count(
          prospect, params_.targets, contexts_within(params_.tokens, params_.blocks, length)));
      add_streams(work, blocks, length + 1, params_.targets);
      add_streams(work, blocks, params_.near + params_.targets, params_.targets);
      work.resampled = 2 * blocks;
      return work;
    }
    const AskedOf asked = asked_of(prospect);
    const auto samples =
        static_cast<double>(contexts_within(params_.tokens, params_.samples, length));
    const double each = params_.questions == 0
                            ? asked.questions
                            : std::min(asked.questions, static_cast<double>(params_.questions));
    const auto read = static_cast<i64>(asked.end * static_cast<double>(length));
    work.passes = {{.count = 2 * samples * each,
                    .tokens = read,
                    .logits = std::min(read, 1 + static_cast<i64>(asked.answer))}};
    work.resampled = 2 * samples;
    return work;
  }

  Findings measure(const Session& session) const override {
    if (session.data == nullptr) {
      throw Error(
          "mutual_information: name the data: text, or a task whose questions tell their evidence "
          "(passkey, recall)");
    }
    const Documents documents = session.data->documents(datasets::Split::test);
    return documents.empty() ? measure_questions(session) : measure_text(session, documents);
  }

 private:
  Findings measure_text(const Session& session, const Documents& documents) const {
    require_far_context(session, params_.near, params_.targets, "mutual_information");
    const std::vector<Block> blocks =
        same_target_blocks(session, documents, params_.targets,
                           contexts_within(params_.tokens, params_.blocks, session.context_length),
                           "mutual_information");
    const auto at_once = static_cast<std::size_t>(streams_at_once(session.context_length + 1));
    std::vector<double> with, without;
    // The contexts of one batch at a time: all of those of a million tokens would fill gigabytes.
    while (with.size() < blocks.size()) {
      std::vector<std::vector<Token>> whole, near;
      for (std::size_t i = with.size(); i < std::min(blocks.size(), with.size() + at_once); ++i) {
        const ContextParts parts = context_parts(documents, blocks[i], params_.near);
        whole.push_back(joined({parts.far, parts.near, parts.targets}));
        near.push_back(joined({parts.near, parts.targets}));
      }
      std::ranges::copy(tail_nats(session.model, whole, params_.targets), std::back_inserter(with));
      std::ranges::copy(tail_nats(session.model, near, params_.targets),
                        std::back_inserter(without));
    }
    Findings findings;
    std::vector<Information> all;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      SampleRecord& sample = findings.samples.emplace_back();
      sample.index = static_cast<i64>(i);
      sample.sample_sha = block_sha(documents, blocks[i]);
      sample.target = block_name(blocks[i]);
      all.push_back({without[i] - with[i], static_cast<double>(params_.targets), 1});
    }
    add_rows(session, all, "blocks",
             fmt::format("text:near={}:targets={}", params_.near, params_.targets), findings);
    return findings;
  }

  Findings measure_questions(const Session& session) const {
    Findings findings;
    std::vector<Information> all;
    const i64 length = session.context_length;
    // At least one, so that data without any says why.
    const i64 count =
        std::max<i64>(1, std::min(contexts_within(params_.tokens, params_.samples, length),
                                  session.data->size(datasets::Split::test, length)));
    for (i64 i = 0; i < count; ++i) {
      const Sample sample = session.data->sample(datasets::Split::test, i, length);
      SampleRecord record;
      record.index = i;
      record.sample_sha = sample.sha();
      if (sample.questions.size() == 1) record.depth = sample.depth;
      all.push_back(of_sample(session, sample, record));
      findings.samples.push_back(std::move(record));
    }
    add_rows(session, all, "samples", fmt::format("evidence:questions={}", params_.questions),
             findings);
    return findings;
  }

  Information of_sample(const Session& session, const Sample& sample, SampleRecord& record) const {
    std::vector<const Question*> asked;
    for (const Question& question : sample.questions) {
      if (!question.evidence.empty()) asked.push_back(&question);
    }
    if (asked.empty()) {
      throw Error(
          "mutual_information: the data has neither held-out text nor questions with evidence; "
          "use text, passkey or recall");
    }
    const i64 all = std::ssize(asked);
    const i64 count = params_.questions == 0 ? all : std::min(all, params_.questions);
    Information information;
    double distance = 0;
    for (i64 q = 0; q < count; ++q) {
      const Question& question = *asked[static_cast<std::size_t>((2 * q + 1) * all / (2 * count))];
      const i64 length = question.answer.length;
      const std::vector<std::vector<Token>> rows{
          {sample.tokens.begin(), sample.tokens.begin() + question.answer.end()},
          without_evidence(sample, question)};
      if (rows[1].empty()) {
        throw error(
            "mutual_information: {} tokens leave no filler to put in the evidence's place; give "
            "longer lengths",
            session.context_length);
      }
      const std::vector<double> nats = tail_nats(session.model, rows, length);
      information.nats += nats[1] - nats[0];
      information.tokens += static_cast<double>(length);
      information.answers += 1;
      distance += static_cast<double>(question.answer.begin - question.evidence.front().begin);
      if (!record.target.empty()) record.target += ' ';
      record.target +=
          session.tokenizer.decode(std::span(rows[0]).last(static_cast<std::size_t>(length)));
    }
    record.distance = distance / static_cast<double>(count);
    if (session.segment > 0) {
      record.segments_crossed = *record.distance / static_cast<double>(session.segment);
    }
    return information;
  }

  /// One Information a sample, in their order.
  void add_rows(const Session& session, const std::vector<Information>& all, std::string_view units,
                const std::string& of, Findings& findings) const {
    Units per_token{units, {}, {}}, per_answer{units, {}, {}};
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Information& one = all[i];
      per_token.add(one.nats, one.tokens);
      per_answer.add(one.nats, one.answers);
      findings.samples[i].scores = {{"per_token", one.nats / one.tokens},
                                    {"per_answer", one.nats / one.answers}};
    }
    const auto add = [&](std::string_view what, std::string_view unit, const Units& amounts) {
      Measurement& m = findings.measurements.emplace_back();
      m.metric = fmt::format("mutual_information/{}", what);
      m.unit = unit;
      m.higher_is_better = true;
      m.chance = 0;
      m.protocol = fmt::format("pmi/{}:ctx={}:span={}", version(), session.context_length, of);
      m.data_sha = set_sha(findings.samples);
      set_mean(m, amounts, session.statistics, session.rng);
    };
    add("per_token", "nats/token", per_token);
    add("per_answer", "nats", per_answer);
  }

  Params params_;
};

const Registered<MetricRegistry, MutualInformation> registered{
    "mutual_information",
    "What a span of context says of the answer: far text, or a question's evidence"};

}  // namespace
}  // namespace longreach::metrics
