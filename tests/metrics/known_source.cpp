// The source of known_source.h.
#include "tests/metrics/known_source.h"

#include <cmath>

#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {

datasets::TextDataset CopySource::text(i64 documents, i64 length, std::uint64_t seed) const {
  std::vector<std::string> texts;
  for (i64 d = 0; d < documents; ++d) {
    Rng rng = Rng(seed).fork(d);
    std::string letters;
    for (i64 t = 0; t < length; ++t) {
      const bool again = rng.uniform() < copied && t >= distance;
      const char fresh = static_cast<char>('a' + rng.below(kLetters));
      letters += again ? letters[static_cast<std::size_t>(t - distance)] : fresh;
    }
    std::string& text = texts.emplace_back();
    for (const char letter : letters) {
      if (!text.empty()) text += ' ';
      text += letter;
    }
  }
  return datasets::TextDataset(std::move(texts), 1.0, letter_tokenizer(), Rng(1));
}

model::Transformer CopySource::oracle(i64 window) const {
  const auto back = static_cast<std::size_t>(distance);
  return oracle_model(
      kLetters,
      [back](std::span<const Token> seen) {
        return seen.size() < back ? -1 : seen[seen.size() - back];
      },
      std::log(right() / other()), window);
}

double CopySource::other() const { return (1 - copied) / kLetters; }
double CopySource::right() const { return copied + other(); }
double CopySource::unknown() const { return std::log(static_cast<double>(kLetters)); }
double CopySource::known() const {
  return -right() * std::log(right()) - (kLetters - 1) * other() * std::log(other());
}
double CopySource::misled(double related) const {
  const double same = related + (1 - related) / kLetters;  // unrelated letters agree by chance
  return -same * std::log(right()) - (1 - same) * std::log(other());
}

const datasets::Tokenizer& letter_tokenizer() {
  static const std::unique_ptr<datasets::Tokenizer> tokenizer = [] {
    std::vector<std::string> letters;
    for (i64 i = 0; i < CopySource::kLetters; ++i) {
      letters.emplace_back(1, static_cast<char>('a' + i));
    }
    return datasets::word_tokenizer(letters);
  }();
  return *tokenizer;
}

model::Transformer memoryless_model(std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::vector<double>> logits(CopySource::kLetters,
                                          std::vector<double>(CopySource::kLetters));
  for (auto& row : logits) {
    for (double& logit : row) logit = rng.uniform();
  }
  return table_model(logits);
}

Findings measure_text(const std::string& metric, const model::Transformer& model,
                      const datasets::Dataset& data, i64 length, const std::vector<i64>& lengths,
                      const std::map<std::string, std::string>& settings,
                      const model::Transformer* baseline) {
  Session s = session(model, letter_tokenizer(), length, lengths);
  s.data = &data;
  s.baseline = baseline;
  s.baseline_name = "baseline";
  return make_metric(metric, settings)->measure(s);
}

}  // namespace longreach::metrics
