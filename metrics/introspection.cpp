// Introspection: what each head of each layer does where targets are predicted, and, as the check
// that it causes anything, what the loss on them becomes when a part is taken away.
#include <algorithm>
#include <map>

#include "core/error.h"
#include "metrics/blocks.h"
#include "metrics/estimate.h"
#include "metrics/metric.h"
#include "metrics/probed_model.h"
#include "metrics/statistics.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

using attention::KnockOut;
using attention::Observation;

/// One independent unit: tokens, and the runs of them that are predicted.
struct Passage {
  std::vector<Token> tokens;
  std::vector<datasets::Span> targets;  ///< in order, none from token 0 on
  SampleRecord record;
};

/// Mean -ln p of a passage's targets. `at_targets` is told true before the tokens that predict
/// some are read, and false after; equal passages are read in equal chunks, whatever the model.
double loss_on(
    const model::Transformer& model, const Passage& passage,
    const std::function<void(bool)>& at_targets = [](bool) {}) {
  const View<const Token, 2> all(passage.tokens.data(), {1, std::ssize(passage.tokens)});
  const i64 vocabulary = model.architecture().vocabulary;
  model::StreamState state = model.initial_state(1, all.extent(1));
  double nats = 0;
  i64 read = 0, count = 0;
  for (const datasets::Span& span : passage.targets) {
    const i64 first = span.begin - 1;
    check(read <= first, "targets in order, each with something before it");
    model::prefill(model, all.slice(1, read, first - read), state);
    Floats buffer(static_cast<std::size_t>(span.length * vocabulary));
    const View<float, 3> logits(buffer.data(), {1, span.length, vocabulary});
    at_targets(true);
    model.forward(all.slice(1, first, span.length), state, logits, nullptr);
    at_targets(false);
    for (i64 i = 0; i < span.length; ++i) {
      nats -= model::log_probability(logits.row(0, i), all(0, span.begin + i));
    }
    count += span.length;
    read = first + span.length;
  }
  return nats / static_cast<double>(count);
}

/// What the layers' backends observe at the targets of one passage: by layer, means over queries.
class Watch {
 public:
  explicit Watch(std::size_t layers) : layers_(layers) {}

  void look(const Given& given) {
    if (!at_targets_) return;
    std::vector<Observation> all = given.backend.inspect(given.weights, given.chunk, given.before);
    const auto queries = static_cast<double>(given.chunk.tokens());
    if (given.layer == 0) queries_ += queries;
    for (Observation& one : all) {
      for (double& value : one.values) value *= queries;
    }
    std::vector<Observation>& sums = layers_[given.layer];
    if (sums.empty()) {
      sums = std::move(all);
      return;
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      for (std::size_t head = 0; head < sums[i].values.size(); ++head) {
        sums[i].values[head] += all.at(i).values.at(head);
      }
    }
  }
  void at_targets(bool are) { at_targets_ = are; }

  /// And forgets the passage.
  std::vector<std::vector<Observation>> take() {
    for (std::vector<Observation>& layer : layers_) {
      for (Observation& one : layer) {
        for (double& value : one.values) value /= queries_;
      }
    }
    queries_ = 0;
    return std::exchange(layers_, std::vector<std::vector<Observation>>(layers_.size()));
  }

 private:
  std::vector<std::vector<Observation>> layers_;
  double queries_ = 0;
  bool at_targets_ = false;
};

/// One number of every passage: a row.
struct Row {
  std::string name, unit, subtask;
  Units values;
};

/// Rows by what they are of: over all heads of all layers that tell, and of each head.
class Rows {
 public:
  explicit Rows(std::string_view units) : units_(units) {}

  void add(const std::vector<std::vector<Observation>>& layers) {
    std::map<std::string, std::pair<double, double>> pooled;  // sum and count
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      for (const Observation& one : layers[layer]) {
        auto& [sum, count] = pooled[one.name];
        for (std::size_t head = 0; head < one.values.size(); ++head) {
          sum += one.values[head];
          ++count;
          add(heads_, one,
              fmt::format("layer={}:{}={}", layer, one.of_kv_heads ? "kv_head" : "head", head),
              one.values[head]);
        }
      }
    }
    for (const std::vector<Observation>& layer : layers) {
      for (const Observation& one : layer) {
        const auto found = pooled.find(one.name);
        if (found == pooled.end()) continue;  // an earlier layer told of it too
        add(pooled_, one, "", found->second.first / found->second.second);
        pooled.erase(found);
      }
    }
  }
  const std::vector<Row>& pooled() const { return pooled_; }
  const std::vector<Row>& heads() const { return heads_; }

 private:
  void add(std::vector<Row>& rows, const Observation& one, const std::string& subtask,
           double value) const {
    auto row = std::ranges::find_if(
        rows, [&](const Row& r) { return r.name == one.name && r.subtask == subtask; });
    if (row == rows.end()) {
      row = rows.insert(rows.end(), {one.name, one.unit, subtask, {units_, {}, {}}});
    }
    row->values.add(value);
  }

  std::string_view units_;
  std::vector<Row> pooled_, heads_;
};

/// The model without a part, by the part's name; layers that have none such stay as they are.
std::map<std::string, model::Transformer> knocked_out(const model::Transformer& model) {
  std::map<std::string, std::map<std::size_t, KnockOut>> parts;
  for (std::size_t layer = 0; layer < model.backends().size(); ++layer) {
    const auto weights = backend_weights(model, layer);
    for (KnockOut& out : model.backends()[layer]->knock_outs(weights)) {
      parts[out.part][layer] = std::move(out);
    }
  }
  std::map<std::string, model::Transformer> models;
  for (const auto& [part, layers] : parts) {
    Backends backends = model.backends();
    for (const auto& [layer, out] : layers) {
      if (out.backend) backends[layer] = out.backend;
    }
    model::Transformer without = under(model, std::move(backends));
    for (const auto& [layer, out] : layers) {
      const std::span<float> weights = backend_weights(without, layer);
      if (out.weights.empty()) continue;
      check(out.weights.size() == weights.size(), "a knock-out's weights are the layer's");
      std::ranges::copy(out.weights, weights.begin());
    }
    models.emplace(part, std::move(without));
  }
  return models;
}

class Introspection final : public Metric {
 public:
  struct Params {
    i64 blocks = 24, targets = 64, samples = 24;
    bool knock_outs = true;
    void fields(Fields& f) {
      f("blocks", blocks, at_least(1, Unit::count), "blocks of held-out text");
      f("targets", targets, at_least(1, Unit::count),
        "tokens predicted in a block of text, with the whole context before the last of them: "
        "where "
        "heads are looked at");
      f("samples", samples, at_least(1, Unit::count),
        "samples of data without text, whose answers are the targets");
      f("knock_outs", knock_outs,
        "also the loss on the targets with parts taken away: memory, local, sinks");
    }
  };

  explicit Introspection(const Params& params) : params_(params) {}

  i64 version() const override { return 1; }
  Work work(const Prospect& prospect) const override {
    constexpr double kParts = 3;  // memory, local, sinks at most
    const i64 length = prospect.context_length;
    const bool text = held_out_tokens(prospect) > 0;
    const auto passages = static_cast<double>(
        text ? same_target_count(prospect, params_.targets, params_.blocks) : params_.samples);
    Work work;
    // What heads do is worked out plainly, which takes about as long as a pass.
    work.passes = {{.count = passages * (2 + (params_.knock_outs ? kParts : 0)),
                    .tokens = length,
                    .logits = text ? std::min(params_.targets, length) : 1}};
    work.models = 2 + (params_.knock_outs ? static_cast<i64>(kParts) : 0);
    work.resampled = 20 * passages;
    return work;
  }

  Findings measure(const Session& session) const override {
    if (session.data == nullptr) {
      throw Error(
          "introspection: name the data: text, or a task whose samples ask something, as data: "
          "{passkey: {}}");
    }
    const bool text = !session.data->documents(datasets::Split::test).empty();
    std::vector<Passage> passages = text ? blocks_of(session) : samples_of(session);
    const std::string_view units = text ? "blocks" : "samples";
    Rows rows(units);
    const std::vector<double> losses = watch(session.model, passages, rows);
    std::map<std::string, model::Transformer> without;
    if (params_.knock_outs) without = knocked_out(session.model);
    if (rows.heads().empty() && without.empty()) {
      throw Error(
          "introspection: no layer's backend tells what its heads do, or has a part to take away; "
          "full, sliding_window and infini do");
    }
    std::map<std::string, std::vector<double>> differences;
    for (const auto& [part, model] : without) {
      std::vector<double>& by = differences[part];
      for (std::size_t i = 0; i < passages.size(); ++i) {
        by.push_back(loss_on(model, passages[i]) - losses[i]);
      }
    }
    return findings(session, passages, units, losses, rows, differences);
  }

 private:
  std::vector<Passage> blocks_of(const Session& session) const {
    const Documents documents = session.data->documents(datasets::Split::test);
    const i64 context = session.context_length;
    if (context < params_.targets) {
      throw error("introspection targets: {} do not fit a context of {} tokens; give fewer",
                  params_.targets, context);
    }
    std::vector<Passage> passages;
    for (const Block& block :
         same_target_blocks(session, documents, params_.targets, params_.blocks, "introspection")) {
      Passage& passage = passages.emplace_back();
      const auto window = window_of(documents, block);
      passage.tokens.assign(window.begin(), window.end());
      passage.targets = {{std::ssize(window) - block.targets, block.targets}};
      passage.record.sample_sha = block_sha(documents, block);
      passage.record.target = block_name(block);
    }
    return passages;
  }

  std::vector<Passage> samples_of(const Session& session) const {
    const i64 count = std::min(params_.samples,
                               session.data->size(datasets::Split::test, session.context_length));
    std::vector<Passage> passages;
    for (i64 i = 0; i < count; ++i) {
      datasets::Sample sample =
          session.data->sample(datasets::Split::test, i, session.context_length);
      Passage& passage = passages.emplace_back();
      for (const datasets::Question& question : sample.questions) {
        passage.targets.push_back(question.answer);
      }
      const datasets::Span last = sample.last().answer;
      passage.record.sample_sha = sample.sha();
      passage.record.target =
          session.tokenizer.decode(std::span(sample.tokens)
                                       .subspan(static_cast<std::size_t>(last.begin),
                                                static_cast<std::size_t>(last.length)));
      if (sample.questions.size() == 1) passage.record.depth = sample.depth;
      passage.tokens = std::move(sample.tokens);
    }
    if (passages.empty()) {
      throw error("introspection: the data has no held-out sample of {} tokens",
                  session.context_length);
    }
    return passages;
  }

  /// The passages' losses; adds what is seen on the way to `rows`.
  static std::vector<double> watch(const model::Transformer& model,
                                   std::span<const Passage> passages, Rows& rows) {
    Watch watch(model.backends().size());
    const model::Transformer shown =
        probed(model, [&watch](const Given& given) { watch.look(given); });
    std::vector<double> losses;
    for (const Passage& passage : passages) {
      losses.push_back(loss_on(shown, passage, [&](bool are) { watch.at_targets(are); }));
      rows.add(watch.take());
    }
    return losses;
  }

  /// Pooled rows come before those of heads, and every one of them has its score in the samples.
  Findings findings(const Session& session, std::span<Passage> passages, std::string_view units,
                    const std::vector<double>& losses, const Rows& rows,
                    const std::map<std::string, std::vector<double>>& differences) const {
    Findings findings;
    for (std::size_t i = 0; i < passages.size(); ++i) {
      SampleRecord& record = findings.samples.emplace_back(std::move(passages[i].record));
      record.index = static_cast<i64>(i);
      record.scores.emplace_back("loss", losses[i]);
      for (const auto& [part, by] : differences) record.scores.emplace_back(part + "_off", by[i]);
      for (const Row& row : rows.pooled()) {
        record.scores.emplace_back(row.name, row.values.amounts[i]);
      }
    }
    const std::string sha = set_sha(findings.samples);
    const std::string protocol =
        fmt::format("introspection/{}:ctx={}:targets={}", version(), session.context_length,
                    units == "blocks" ? std::to_string(params_.targets) : "answers");
    const auto add = [&](const Row& row) -> Measurement& {
      Measurement& m = findings.measurements.emplace_back();
      m.metric = "introspection/" + row.name;
      m.unit = row.unit;
      m.subtask = row.subtask;
      m.protocol = protocol;
      m.data_sha = sha;
      set_mean(m, row.values, session.statistics, session.rng);
      return m;
    };
    const auto row_of = [&](std::string name, const std::vector<double>& values) {
      Row row{std::move(name), "nats/token", "", {units, {}, {}}};
      for (const double value : values) row.values.add(value);
      return row;
    };
    add(row_of("loss", losses)).higher_is_better = false;
    std::vector<double> p;
    const std::size_t first = findings.measurements.size();
    for (const auto& [part, by] : differences) {
      add(row_of(part + "_off", by));
      if (by.size() < 2) continue;
      p.push_back(sign_flip_p(by, session.statistics.bootstrap, session.rng.fork(part)));
    }
    const std::vector<double> adjusted = holm(p);
    for (std::size_t i = 0; i < p.size(); ++i) {  // passages are paired: all have a p, or none
      Measurement& m = findings.measurements[first + i];
      m.p_value = p[i];
      m.p_adjusted = adjusted[i];
      m.ci_method += fmt::format("; sign flips, Holm over {} parts", p.size());
    }
    for (const Row& row : rows.pooled()) add(row);
    for (const Row& row : rows.heads()) add(row);
    return findings;
  }

  Params params_;
};

const Registered<MetricRegistry, Introspection> registered{
    "introspection",
    "What heads attend to, what memories hold and give, and the loss with parts taken away"};

}  // namespace
}  // namespace longreach::metrics
