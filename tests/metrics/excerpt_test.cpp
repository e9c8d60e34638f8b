// Tests metrics/excerpt.cpp.
#include "metrics/excerpt.h"

#include <catch2/catch.hpp>

namespace longreach::metrics {
namespace {

using datasets::Span;

const std::unique_ptr<datasets::Tokenizer> kBytes = datasets::byte_tokenizer();

/// Of `length` bytes: dots, with these texts at these places.
std::vector<Token> context(i64 length, const std::vector<std::pair<i64, std::string>>& texts) {
  std::string text(static_cast<std::size_t>(length), '.');
  for (const auto& [at, part] : texts) {
    text.replace(static_cast<std::size_t>(at), part.size(), part);
  }
  return kBytes->encode(text);
}

const std::string kBefore(24, '.'), kAfter(24, '.');

TEST_CASE("An excerpt has the evidence with what stands around it, and the context's end") {
  const auto tokens = context(1000, {{500, "the key is 7"}, {991, "the key: "}});
  CHECK(excerpt(*kBytes, tokens, std::vector<Span>{{500, 12}}) ==
        " […] " + kBefore + "the key is 7" + kAfter + " […] " + std::string(87, '.') + "the key: ");
}

TEST_CASE("A short context is its own excerpt, each token once") {
  const auto tokens = context(90, {{10, "evidence"}, {80, "question?"}});
  CHECK(excerpt(*kBytes, tokens, std::vector<Span>{{10, 8}, {12, 3}}) == kBytes->decode(tokens));
  CHECK(excerpt(*kBytes, tokens) == kBytes->decode(tokens));
  CHECK(excerpt(*kBytes, {}).empty());
}

TEST_CASE("Stretches that meet become one, in the text's order whatever the evidence's") {
  const auto tokens = context(1000, {{100, "one"}, {140, "two"}, {0, "start"}});
  CHECK(excerpt(*kBytes, tokens, std::vector<Span>{{140, 3}, {100, 3}, {0, 5}}) ==
        "start" + std::string(24, '.') + " […] " + std::string(24, '.') + "one" +
            std::string(37, '.') + "two" + kAfter + " […] " + std::string(96, '.'));
}

TEST_CASE("An excerpt is short however long the context and its evidence") {
  const auto tokens = context(100000, {});
  std::vector<Span> evidence;
  for (i64 i = 0; i < 50; ++i) evidence.push_back({i * 1500, 1000});
  const std::string text = excerpt(*kBytes, tokens, evidence);
  CHECK(text.size() < 900);
  CHECK(text.size() > 4 * 96);
}

TEST_CASE("Evidence that comes after the context is no part of its excerpt") {
  const auto tokens = context(400, {{300, "last"}});
  CHECK(excerpt(*kBytes, tokens, std::vector<Span>{{450, 5}}) == excerpt(*kBytes, tokens));
  const std::string cut = excerpt(*kBytes, tokens, std::vector<Span>{{395, 50}});
  CHECK(cut == excerpt(*kBytes, tokens));
}

}  // namespace
}  // namespace longreach::metrics
