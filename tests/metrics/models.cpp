// The models of models.h.
#include "tests/metrics/models.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "attention/backend.h"
#include "core/error.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using model::Architecture;
using model::Transformer;

/// Values arrive as scaled one-hot tokens; the state is the tokens so far.
class OracleBackend final : public attention::Backend {
 public:
  OracleBackend(i64 head_dim, Predict predict, i64 window, i64 declared_bytes_off)
      : shape_{1, 1, head_dim},
        predict_(std::move(predict)),
        window_(window),
        declared_bytes_off_(declared_bytes_off) {}

  const attention::Shape& shape() const override { return shape_; }
  attention::State initial_state(i64 batch, i64 capacity) const override {
    return {0, {{"tokens", Tensor({batch, capacity})}}, {}};
  }
  i64 state_bytes(i64 capacity) const override {
    return capacity * static_cast<i64>(sizeof(float)) + declared_bytes_off_;
  }
  void forward(std::span<const float>, const attention::Chunk& in, attention::State& state,
               View<float, 4> out, attention::Tape*) const override {
    const View<float, 2> tokens = state["tokens"].view<2>();
    check(state.position + in.tokens() <= tokens.extent(1), "the oracle outgrew its capacity");
    std::vector<Token> seen;
    for (i64 b = 0; b < in.batch(); ++b) {
      for (i64 t = 0; t < in.tokens(); ++t) {
        const auto value = in.v.row(b, t, 0);
        const i64 end = state.position + t + 1;
        tokens(b, end - 1) =
            static_cast<float>(std::max_element(value.begin(), value.end()) - value.begin());
        const i64 first = window_ > 0 ? std::max<i64>(0, end - window_) : 0;
        seen.assign(tokens.row(b).begin() + first, tokens.row(b).begin() + end);
        const Token next = predict_(seen);
        const auto row = out.row(b, t, 0);
        std::fill(row.begin(), row.end(), 0.0F);
        if (next >= 0) row[static_cast<std::size_t>(next)] = 1;
      }
    }
    state.position += in.tokens();
  }
  void backward(std::span<const float>, const attention::Chunk&, const attention::Tape&,
                View<const float, 4>, attention::State&, const attention::ChunkGrad&,
                std::span<float>) const override {
    check(false, "the oracle does not learn");
  }
  attention::Cost cost(i64, i64) const override { return {}; }
  std::vector<double> reference(std::span<const double>,
                                const attention::ReferenceStream& in) const override {
    return in.v;
  }

 private:
  attention::Shape shape_;
  Predict predict_;
  i64 window_, declared_bytes_off_;
};

/// All weights 0 but the norms' (1).
void blank(Transformer& model) {
  for (const model::Parameter& p : model.parameters()) {
    const float value = p.name.find("norm") == std::string::npos ? 0.0F : 1.0F;
    std::fill_n(model.weights().begin() + p.offset, p.size, value);
  }
}

/// The [rows, columns] matrix of that name.
View<float, 2> matrix(Transformer& model, const std::string& name) {
  for (const model::Parameter& p : model.parameters()) {
    if (p.name == name) return {model.weights().data() + p.offset, {p.shape[0], p.shape[1]}};
  }
  FAIL("no parameter '" << name << "'");
  return {};
}

i64 even(i64 n) { return n + n % 2; }

/// One layer whose residual stream is [token, prediction], one-hot each: attention reads the first
/// half and writes the second, scaled by kPrediction.
constexpr double kPrediction = 8;

Transformer blank_oracle(i64 vocabulary, const Predict& predict, i64 window, i64 off) {
  Architecture a;
  a.vocabulary = vocabulary;
  a.layers = 1;
  a.heads = 1;
  a.head_dim = even(vocabulary);
  a.width = 2 * a.head_dim;
  a.hidden = 16;
  Transformer model(a, {std::make_shared<OracleBackend>(a.head_dim, predict, window, off)}, Rng(1));
  blank(model);
  const View<float, 2> embedding = matrix(model, "embedding");
  for (i64 t = 0; t < vocabulary; ++t) embedding(t, t) = 1;
  return model;
}

/// Root mean square that the final norm divides by, of a stream with that sum of squares.
double rms(const Transformer& model, double squares) {
  const Architecture& a = model.architecture();
  return std::sqrt(squares / static_cast<double>(a.width) + a.norm_epsilon);
}

}  // namespace

Transformer oracle_model(i64 vocabulary, Predict predict, double logit, i64 window,
                         i64 declared_bytes_off) {
  Transformer model = blank_oracle(vocabulary, predict, window, declared_bytes_off);
  const i64 half = even(vocabulary);
  for (i64 t = 0; t < vocabulary; ++t) {
    matrix(model, "layers.0.attention.value")(t, t) = 1;
    matrix(model, "layers.0.attention.output")(half + t, t) = static_cast<float>(kPrediction);
    matrix(model, "output")(t, half + t) =
        static_cast<float>(logit * rms(model, 1 + kPrediction * kPrediction) / kPrediction);
  }
  return model;
}

Transformer uniform_model(i64 vocabulary) {
  return blank_oracle(
      vocabulary, [](std::span<const Token>) { return -1; }, 0, 0);
}

Transformer table_model(const std::vector<std::vector<double>>& logits) {
  Transformer model = uniform_model(static_cast<i64>(logits.size()));
  const View<float, 2> output = matrix(model, "output");
  for (std::size_t last = 0; last < logits.size(); ++last) {
    for (std::size_t next = 0; next < logits.size(); ++next) {
      output(next, last) = static_cast<float>(logits[last][next] * rms(model, 1));
    }
  }
  return model;
}

Transformer full_model(i64 vocabulary) {
  Architecture a;
  a.vocabulary = vocabulary;
  a.layers = 2;
  a.width = 32;
  a.heads = 4;
  a.kv_heads = 2;
  const std::shared_ptr<const attention::Backend> full =
      tests::make<attention::AttentionRegistry>("full", {}, a.resolved().attention_shape());
  return Transformer(a, {full, full}, Rng(1));
}

Token copy_from_context(std::span<const Token> seen) {
  const i64 n = std::ssize(seen);
  for (i64 run = std::min<i64>(8, n - 1); run >= 3; --run) {
    const auto suffix = seen.last(static_cast<std::size_t>(run));
    for (i64 begin = n - run - 1; begin >= 0; --begin) {
      if (std::equal(suffix.begin(), suffix.end(), seen.begin() + begin)) {
        return seen[static_cast<std::size_t>(begin + run)];
      }
    }
  }
  return -1;
}

Session session(const Transformer& model, const datasets::Tokenizer& tokenizer, i64 context_length,
                std::span<const i64> lengths) {
  return {model, tokenizer, nullptr, context_length, lengths, Rng(7), {0.95, 200}, 0};
}

const Measurement& find(const Findings& findings, const std::string& metric,
                        const std::string& subtask, std::optional<double> depth) {
  const Measurement* found = nullptr;
  for (const Measurement& m : findings.measurements) {
    if (m.metric != metric || m.subtask != subtask || m.depth != depth) continue;
    INFO(metric << " " << subtask);
    REQUIRE(found == nullptr);
    found = &m;
  }
  INFO("no measurement " << metric << " " << subtask);
  REQUIRE(found != nullptr);
  return *found;
}

double score(const SampleRecord& sample, const std::string& name) {
  for (const auto& [key, value] : sample.scores) {
    if (key == name) return value;
  }
  FAIL("no score " << name);
  return 0;
}

bool inside_interval(const Measurement& m) {
  return m.ci_low && m.ci_high && *m.ci_low <= *m.value && *m.value <= *m.ci_high;
}

std::string text(const Findings& findings) {
  std::string out;
  const auto number = [&out](std::optional<double> value) {
    out += value ? fmt::format("{:a} ", *value) : "- ";
  };
  for (const Measurement& m : findings.measurements) {
    out += fmt::format("{} {} {} {} {} {} {}: ", m.metric, m.unit, m.subtask, m.protocol,
                       m.ci_method, m.data_sha, m.n.value_or(-1));
    for (const auto& value : {m.value, m.standard_error, m.ci_low, m.ci_high, m.chance, m.depth,
                              m.distance, m.segments_crossed}) {
      number(value);
    }
    out += '\n';
  }
  for (const SampleRecord& s : findings.samples) {
    out += fmt::format("{} {} {} {} {} ", s.index, s.sample_sha, s.cluster, s.target, s.output);
    for (const auto& [name, value] : s.scores) out += fmt::format("{}={:a} ", name, value);
    out += '\n';
  }
  for (const Curve& c : findings.curves) {
    out += c.name + ": ";
    for (std::size_t i = 0; i < c.x.size(); ++i) out += fmt::format("{:a}:{:a} ", c.x[i], c.y[i]);
    out += '\n';
  }
  return out;
}

}  // namespace longreach::metrics
