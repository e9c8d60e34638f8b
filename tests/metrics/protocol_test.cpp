// Tests the presets of metrics/protocol.cpp against the rules of the programs they are named for.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "datasets/text.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"
#include "tests/model/naive_transformer.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

constexpr Token kBos = 256, kEos = 257;

/// Bytes, and two tokens that stand for no text.
class Marked final : public datasets::Tokenizer {
 public:
  Marked(bool bos, bool eos) : bos_(bos), eos_(eos) {}
  std::string name() const override { return "marked"; }
  i64 vocabulary_size() const override { return 258; }
  std::vector<Token> encode(std::string_view text) const override { return bytes_->encode(text); }
  std::string decode(std::span<const Token> tokens) const override {
    std::vector<Token> kept(tokens.begin(), tokens.end());
    std::erase_if(kept, [](Token token) { return token >= 256; });
    return bytes_->decode(kept);
  }
  std::vector<Token> opening() const override {
    return bos_ ? std::vector<Token>{kBos} : std::vector<Token>{};
  }
  std::vector<Token> endings() const override {
    return eos_ ? std::vector<Token>{kEos} : std::vector<Token>{};
  }
  std::string sha() const override { return ""; }

 private:
  std::unique_ptr<datasets::Tokenizer> bytes_ = datasets::byte_tokenizer();
  bool bos_, eos_;
};

std::string letters(i64 count) {
  Rng rng(21);
  std::string text;
  for (i64 i = 0; i < count; ++i) text += static_cast<char>('a' + rng.below(20));
  return text;
}

const model::Transformer& model() {
  static const model::Transformer model = [] {
    model::Transformer made = full_model(258);
    for (float& weight : made.weights()) weight *= 1.5F;  // as drawn, context moves little
    return made;
  }();
  return model;
}

Findings measure(const datasets::Tokenizer& tokenizer, const std::vector<std::string>& texts,
                 i64 length, Settings settings) {
  const datasets::TextDataset data(texts, 1.0, tokenizer, Rng(1));
  Session s = session(model(), tokenizer, length);
  s.data = &data;
  settings.emplace("tokens", "0");
  return make_metric("perplexity", std::move(settings))->measure(s);
}

/// -ln p of `target` after `input`, by the float64 definition.
double nats(const std::vector<Token>& input, Token target) {
  static const model::NaiveTransformer naive(model());
  return -model::NaiveTransformer::log_probability_of(naive.logits(input).back(), target);
}

/// As llama.cpp's perplexity tool: of chunk tokens c[0..n), c[0] is BOS where there is one, and
/// c[n/2 + 1..n) are scored.
double llama_cpp(std::vector<Token> tokens, std::size_t n, bool bos) {
  double sum = 0, count = 0;
  for (std::size_t chunk = 0; chunk + n <= tokens.size(); chunk += n) {
    if (bos) tokens[chunk] = kBos;
    for (std::size_t t = n / 2 + 1; t < n; ++t, ++count) {
      const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(chunk);
      sum += nats({begin, begin + static_cast<std::ptrdiff_t>(t)}, tokens[chunk + t]);
    }
  }
  return sum / count;
}

TEST_CASE("The preset llama_cpp scores the second half of each chunk, after BOS if there is one") {
  const std::string text = letters(47);
  for (const bool bos : {true, false}) {
    for (const i64 n : {10, 11}) {
      INFO(bos << " " << n);
      const Marked tokenizer(bos, false);
      std::vector<Token> tokens = tokenizer.encode_document(text);
      REQUIRE(tokens.size() == (bos ? 48 : 47));
      const Findings found = measure(tokenizer, {text}, n, {{"preset", "llama_cpp"}});
      const Measurement& m = find(found, "perplexity/token");
      CHECK(std::log(*m.value) ==
            Approx(llama_cpp(tokens, static_cast<std::size_t>(n), bos)).epsilon(1e-5));
      CHECK(m.n == 4);  // and some tokens left over
      CHECK(m.protocol ==
            fmt::format("ppl/1:preset=llama_cpp:ctx={0}:stride={0}:score=second_half:prefix={1}:"
                        "unit=token",
                        n, bos ? "bos" : "none"));
    }
  }
}

TEST_CASE("The preset lm_eval scores every token once, in windows that overlap by one") {
  const std::string text = letters(34);
  const Marked tokenizer(true, true);
  const std::vector<Token> t = tokenizer.encode(text);
  // Windows of 10: (BOS, 0..8 | 0..9), (9..18 | 10..19), (19..28 | 20..29) and, reaching back,
  // (23..32 | 30..33).
  double sum = 0;
  for (std::size_t target = 0; target < 34; ++target) {
    const std::size_t first = target < 10 ? 0 : target < 20 ? 9 : target < 30 ? 19 : 23;
    std::vector<Token> input(t.begin() + static_cast<std::ptrdiff_t>(first),
                             t.begin() + static_cast<std::ptrdiff_t>(target));
    if (target < 10) input.insert(input.begin(), kBos);
    sum += nats(input, t[target]);
  }
  const Findings found = measure(tokenizer, {text}, 10, {{"preset", "lm_eval"}});
  const Measurement& m = find(found, "perplexity/token");
  CHECK(std::log(*m.value) == Approx(sum / 34).epsilon(1e-5));
  CHECK(std::log(*find(found, "perplexity/byte").value) == Approx(sum / 34).epsilon(1e-5));
  CHECK(m.n == 4);
  CHECK(m.protocol == "ppl/1:preset=lm_eval:ctx=10:stride=10:score=document:prefix=bos:unit=token");
}

TEST_CASE("Without BOS the preset lm_eval begins with EOS, and without either it says so") {
  const std::vector<std::string> texts{letters(3), letters(1)};
  const Findings eos = measure(Marked(false, true), texts, 8, {{"preset", "lm_eval"}});
  const std::vector<Token> t = Marked(false, true).encode(texts[0]);
  const double sum = nats({kEos}, t[0]) + nats({kEos, t[0]}, t[1]) +
                     nats({kEos, t[0], t[1]}, t[2]) + nats({kEos}, t[0]);
  CHECK(std::log(*find(eos, "perplexity/token").value) == Approx(sum / 4).epsilon(1e-5));
  CHECK(std::log(*find(eos, "perplexity/byte").value) == Approx(sum / 4).epsilon(1e-5));
  CHECK_THAT(find(eos, "perplexity/token").protocol, Contains("prefix=eos"));
  const Findings none = measure(Marked(false, false), texts, 8, {{"preset", "lm_eval"}});
  CHECK_THAT(find(none, "perplexity/token").protocol, Contains("prefix=none"));
  CHECK(std::log(*find(none, "perplexity/token").value) ==
        Approx((nats({t[0]}, t[1]) + nats({t[0], t[1]}, t[2])) / 2).epsilon(1e-5));
}

TEST_CASE("The preset lm_eval counts a document's first word") {
  const std::string text = "one two  three";
  const Findings found = measure(Marked(true, false), {text}, 6, {{"preset", "lm_eval"}});
  const double token = std::log(*find(found, "perplexity/token").value);
  CHECK(std::log(*find(found, "perplexity/word").value) == Approx(token * 14 / 3).epsilon(1e-9));
}

TEST_CASE("A preset limits tokens by leaving out chunks, and says when there is nothing to score") {
  const std::vector<std::string> text{letters(100)};
  const Marked tokenizer(true, false);
  CHECK(find(measure(tokenizer, text, 10, {{"preset", "llama_cpp"}, {"tokens", "8"}}),
             "perplexity/token")
            .n == 2);
  CHECK_THROWS_WITH(measure(tokenizer, text, 2, {{"preset", "llama_cpp"}}),
                    Contains("lengths of 3 or more"));
  CHECK_THROWS_WITH(measure(tokenizer, text, 200, {{"preset", "llama_cpp"}}),
                    Contains("longest has 101"));
}

}  // namespace
}  // namespace longreach::metrics
