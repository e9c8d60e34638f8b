// The transformer's definition in float64, one token at a time, from the parameters by name: what
// the model's forward and backward are held against.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "model/trainer.h"

namespace longreach::model {

using Doubles = std::vector<double>;

class NaiveTransformer {
 public:
  explicit NaiveTransformer(const Transformer& model)
      : a_(model.architecture()),
        backends_(model.backends()),
        parameters_(model.parameters()),
        weights(model.weights().begin(), model.weights().end()) {}

  /// Logits [T][vocabulary] of one stream from its start; `repeats` as attention::Chunk's.
  std::vector<Doubles> logits(const std::vector<Token>& tokens, const Doubles& repeats = {}) const {
    std::vector<Doubles> x;
    for (const Token token : tokens) x.push_back(row("embedding", token, a_.width));
    for (i64 layer = 0; layer < a_.layers; ++layer) {
      const std::string prefix = "layers." + std::to_string(layer) + ".";
      attend(prefix, *backends_[static_cast<std::size_t>(layer)], repeats, x);
      for (Doubles& token : x) add(token, mlp(prefix + "mlp.", norm(prefix + "mlp_norm", token)));
    }
    std::vector<Doubles> out;
    for (const Doubles& token : x) {
      out.push_back(product(a_.tied ? "embedding" : "output", norm("norm", token)));
    }
    return out;
  }

  /// Weighted mean cross-entropy of a batch, as model/trainer.h defines it.
  double loss(const Batch& batch) const {
    double sum = 0, total = 0;
    for (i64 b = 0; b < batch.batch; ++b) {
      const auto first = batch.inputs.begin() + b * batch.tokens;
      Doubles repeats;
      if (!batch.repeats.empty()) {
        const auto own = batch.repeats.begin() + b * batch.tokens;
        repeats.assign(own, own + batch.tokens);
      }
      const std::vector<Doubles> out = logits({first, first + batch.tokens}, repeats);
      for (i64 t = 0; t < batch.tokens; ++t) {
        const std::size_t i = static_cast<std::size_t>(b * batch.tokens + t);
        sum -= static_cast<double>(batch.weights[i]) *
               log_probability_of(out[static_cast<std::size_t>(t)], batch.targets[i]);
        total += static_cast<double>(batch.weights[i]);
      }
    }
    return sum / total;
  }

  static double log_probability_of(const Doubles& logits, Token token) {
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit);
    return logits[static_cast<std::size_t>(token)] - std::log(sum);
  }

 private:
  const Parameter& find(const std::string& name) const {
    return *std::ranges::find(parameters_, name, &Parameter::name);
  }
  Doubles row(const std::string& name, i64 index, i64 width) const {
    const auto first = weights.begin() + find(name).offset + index * width;
    return {first, first + width};
  }
  Doubles product(const std::string& name, const Doubles& x) const {
    const Parameter& matrix = find(name);
    Doubles out;
    for (i64 i = 0; i < matrix.shape[0]; ++i) {
      const Doubles weight = row(name, i, matrix.shape[1]);
      double sum = 0;
      for (std::size_t j = 0; j < x.size(); ++j) sum += weight[j] * x[j];
      out.push_back(sum);
    }
    return out;
  }
  Doubles norm(const std::string& name, const Doubles& x) const {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double rms = std::sqrt(squares / static_cast<double>(x.size()) + a_.norm_epsilon);
    Doubles out = row(name, 0, a_.width);
    for (std::size_t j = 0; j < x.size(); ++j) out[j] *= x[j] / rms;
    return out;
  }
  static void add(Doubles& to, const Doubles& from) {
    for (std::size_t j = 0; j < to.size(); ++j) to[j] += from[j];
  }

  Doubles mlp(const std::string& prefix, const Doubles& x) const {
    Doubles hidden = product(prefix + "up", x);
    if (a_.mlp == Mlp::swiglu) {
      const Doubles gate = product(prefix + "gate", x);
      for (std::size_t j = 0; j < hidden.size(); ++j) {
        hidden[j] *= gate[j] / (1 + std::exp(-gate[j]));
      }
    } else {
      for (double& h : hidden) {
        const double u = std::sqrt(2 / std::numbers::pi) * (h + 0.044715 * h * h * h);
        h *= 0.5 * (1 + std::tanh(u));
      }
    }
    return product(prefix + "down", hidden);
  }

  void attend(const std::string& prefix, const attention::Backend& backend, const Doubles& repeats,
              std::vector<Doubles>& x) const {
    std::vector<Doubles> normed;
    for (const Doubles& token : x) normed.push_back(norm(prefix + "attention_norm", token));
    attention::ReferenceStream in;
    in.tokens = static_cast<i64>(x.size());
    in.repeats = repeats;
    for (i64 t = 0; t < in.tokens; ++t) {
      const Doubles mixed = shifted(normed, t);
      const auto append = [&](Doubles& to, const std::string& name) {
        Doubles heads = product(prefix + "attention." + name, mixed);
        const std::string bias = prefix + "attention." + name + "_bias";
        if (a_.qkv_bias && (name == "query" || name == "key" || name == "value")) {
          add(heads, row(bias, 0, std::ssize(heads)));
        }
        to.insert(to.end(), heads.begin(), heads.end());
      };
      append(in.q, "query");
      append(in.k, "key");
      append(in.v, "value");
      for (const attention::ProjectionSpec& spec : backend.projections()) {
        append(in.projected, spec.name);
      }
    }
    Doubles own;
    for (const attention::WeightSpec& spec : backend.weights()) {
      const Parameter& parameter = find(prefix + "attention." + spec.name);
      const Doubles values = row(parameter.name, 0, parameter.size);
      own.insert(own.end(), values.begin(), values.end());
    }
    const Doubles out = backend.reference(own, in);
    const std::size_t each = out.size() / x.size();
    for (std::size_t t = 0; t < x.size(); ++t) {
      const auto first = out.begin() + static_cast<std::ptrdiff_t>(t * each);
      add(x[t], product(prefix + "attention.output",
                        Doubles(first, first + static_cast<std::ptrdiff_t>(each))));
    }
  }

  /// Channel c belongs to the group g with g width / n <= c < (g + 1) width / n.
  Doubles shifted(const std::vector<Doubles>& normed, i64 t) const {
    Doubles mixed(static_cast<std::size_t>(a_.width));
    for (i64 c = 0; c < a_.width; ++c) {
      i64 group = 0;
      while ((group + 1) * a_.width / a_.token_shift <= c) ++group;
      if (group > t) continue;
      mixed[static_cast<std::size_t>(c)] =
          normed[static_cast<std::size_t>(t - group)][static_cast<std::size_t>(c)];
    }
    return mixed;
  }

  Architecture a_;
  std::vector<std::shared_ptr<const attention::Backend>> backends_;
  std::vector<Parameter> parameters_;

 public:
  Doubles weights;  ///< laid out as Transformer::weights()
};

}  // namespace longreach::model
