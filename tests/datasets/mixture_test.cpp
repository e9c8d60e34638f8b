// Tests datasets/mixture.cpp.
#include "datasets/mixture.h"

#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "datasets/passkey.h"
#include "datasets/recall.h"
#include "tests/datasets/settings.h"

namespace longreach::datasets {
namespace {

/// Sample i is the tokens i, i, i, ..., without weights or with ones that add
/// up to 30.
class Counting final : public Dataset {
 public:
  Counting(i64 size, std::string sha, bool weighs, std::string kind = "")
      : size_(size), sha_(std::move(sha)), weighs_(weighs), kind_(std::move(kind)) {
    document_.assign(static_cast<std::size_t>(size), 7);
  }
  i64 version() const override { return 1; }
  Sample sample(Split, i64 index, i64 length) const override {
    Sample sample;
    sample.tokens.assign(static_cast<std::size_t>(length), static_cast<Token>(index));
    sample.questions = {{.answer = {1, 1}, .kind = kind_}};
    if (weighs_) sample.weights = {0, 10, 20};
    return sample;
  }
  i64 size(Split split, i64) const override { return split == Split::test ? size_ : 2 * size_; }
  std::vector<std::span<const Token>> documents(Split) const override { return {document_}; }
  std::string sha() const override { return sha_; }

 private:
  i64 size_;
  std::string sha_;
  bool weighs_;
  std::string kind_;
  std::vector<Token> document_;
};

std::unique_ptr<Dataset> mixed(Rng rng = Rng(1)) {
  std::vector<MixturePart> parts;
  parts.push_back({"a", std::make_unique<Counting>(5, "", false)});
  parts.push_back({"b", std::make_unique<Counting>(9, "bb", true, "s1")});
  parts.push_back({"b", std::make_unique<Counting>(6, "", true)});
  return mixture(std::move(parts), rng);
}

TEST_CASE(
    "Every part has one sample in each row of a mixture, in an order of "
    "the row's own") {
  const auto data = mixed();
  std::map<std::vector<std::string>, int> orders;
  for (i64 row = 0; row < 60; ++row) {
    std::vector<std::string> kinds;
    for (i64 place = 0; place < 3; ++place) {
      const Sample sample = data->sample(Split::train, 3 * row + place, 3);
      CHECK(sample.tokens == std::vector<Token>(3, static_cast<Token>(row)));  // the part's own
      kinds.push_back(sample.last().kind);
    }
    ++orders[kinds];
    std::ranges::sort(kinds);
    CHECK(kinds == std::vector<std::string>{"a", "b", "b s1"});
  }
  CHECK(orders.size() == 6);  // all of 3!, each expected 10 times
  CHECK(data->sample(Split::test, 4, 3).last().kind ==
        mixed()->sample(Split::test, 4, 3).last().kind);
}

TEST_CASE("A mixture tells whose each sample is, also of mixtures in it") {
  std::vector<MixturePart> parts, inner;
  std::vector<const Dataset*> made;
  for (auto* into : {&parts, &inner, &inner}) {
    auto one = std::make_unique<Counting>(9, "", false, std::to_string(made.size()));
    made.push_back(one.get());
    into->push_back({"", std::move(one)});
  }
  parts.push_back({"", mixture(std::move(inner), Rng(4))});
  const auto data = mixture(std::move(parts), Rng(5));
  for (const Split split : {Split::train, Split::test}) {
    for (i64 i = 0; i < 16; ++i) {
      const std::string kind = data->sample(split, i, 3).last().kind;
      CHECK(&data->part(split, i) == made.at(static_cast<std::size_t>(kind.back() - '0')));
    }
  }
  CHECK(&made[0]->part(Split::train, 3) == made[0]);
}

TEST_CASE("The orders of the two splits and of two seeds are not the same") {
  i64 splits = 0, seeds = 0;
  const auto one = mixed(), other = mixed(Rng(2));
  for (i64 i = 0; i < 30; ++i) {
    const std::string kind = one->sample(Split::train, i, 3).last().kind;
    splits += kind != one->sample(Split::test, i, 3).last().kind;
    seeds += kind != other->sample(Split::train, i, 3).last().kind;
  }
  CHECK(splits > 5);
  CHECK(seeds > 5);
}

TEST_CASE(
    "Each sample of a mixture weighs 1 in all, however many tokens it "
    "predicts") {
  const auto data = mixed();
  for (i64 i = 0; i < 30; ++i) {
    const Sample sample = data->sample(Split::train, i, 3);
    const std::vector<float> expected = sample.last().kind == "a"
                                            ? std::vector<float>{0, 0.5F, 0.5F}
                                            : std::vector<float>{0, 10.0F / 30, 20.0F / 30};
    REQUIRE(sample.weights.size() == 3);
    for (std::size_t t = 0; t < 3; ++t) CHECK(sample.weights[t] == Approx(expected[t]));
  }
}

TEST_CASE(
    "A mixture lasts as long as its smallest part, and has the documents "
    "of all") {
  const auto data = mixed();
  CHECK(data->size(Split::test, 3) == 3 * 5);
  CHECK(data->size(Split::train, 3) == 3 * 10);
  CHECK_NOTHROW(data->sample(Split::test, 14, 3));
  const auto documents = data->documents(Split::train);
  REQUIRE(documents.size() == 3);
  CHECK(documents[1].size() == 9);
  CHECK(data->description() == "mixture of a, b, b");
}

TEST_CASE("The hash of a mixture changes with any part's, and generators have none") {
  const auto sha = [](const std::vector<std::string>& shas) { return mixture_sha(shas); };
  CHECK(mixed()->sha() == sha({"", "bb", ""}));
  CHECK(sha({"", ""}).empty());
  const std::set<std::string> different{sha({"a", ""}), sha({"", "a"}), sha({"b", ""}),
                                        sha({"a", "b"})};
  CHECK(different.size() == 4);
}

TEST_CASE(
    "Generators mix without an end, each with the samples that it has by "
    "itself") {
  std::vector<std::string> words = passkey_words();
  for (const std::string& word : recall_words()) {
    if (std::ranges::find(words, word) == words.end()) words.push_back(word);
  }
  const auto tokenizer = word_tokenizer(words);
  std::vector<MixturePart> parts;
  parts.push_back({"passkey", make_dataset("passkey", {}, *tokenizer, Rng(1))});
  parts.push_back({"recall", make_dataset("recall", {{"pairs", "4"}}, *tokenizer, Rng(2))});
  const auto data = mixture(std::move(parts), Rng(3));
  CHECK(data->size(Split::train, 100) >= std::numeric_limits<i64>::max() - 1);
  const auto alone = make_dataset("passkey", {}, *tokenizer, Rng(1));
  i64 keys = 0;
  for (i64 i = 0; i < 10; ++i) {
    const Sample sample = data->sample(Split::test, i, 100);
    if (sample.questions.size() > 1) continue;
    ++keys;
    CHECK(sample.sha() == alone->sample(Split::test, i / 2, 100).sha());
    CHECK(std::accumulate(sample.weights.begin(), sample.weights.end(), 0.0) == Approx(1));
  }
  CHECK(keys == 5);
}

}  // namespace
}  // namespace longreach::datasets
