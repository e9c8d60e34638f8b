// Tests datasets/facts.cpp and datasets/story.cpp.
#include "datasets/facts.h"

#include <map>

#include "tests/datasets/generators.h"

namespace longreach::datasets {
namespace {

using Catch::Matchers::Contains;
using Words = std::vector<std::string>;

/// A reader of stories that works on words alone and knows nothing of how they are made.
class Reader {
 public:
  std::string answer(const std::string& text) {
    Words words = split_words(text);
    const auto question = std::ranges::find(words, "question");
    for (auto begin = words.begin(); begin != question;) {
      const auto end = std::find_if(
          begin, question, [](const std::string& word) { return word == "." || word == "?"; });
      sentence(Words(begin, end));
      begin = end == question ? end : end + 1;
    }
    const std::string answer = asked(Words(question + 2, std::find(question, words.end(), "?")));
    return holds_ ? answer : "contradiction";
  }

 private:
  static bool person(const std::string& word) {
    static const std::set<std::string> people{"mary", "fred", "nora", "paul", "vera", "hugo"};
    return people.contains(word);
  }
  static bool direction(const std::string& word) { return opposite().contains(word); }
  static const std::map<std::string, std::string>& opposite() {
    static const std::map<std::string, std::string> all{
        {"north", "south"}, {"south", "north"}, {"east", "west"}, {"west", "east"}};
    return all;
  }

  void sentence(const Words& words) {
    if (words.size() == 7 && words[0] == "the" && words[2] == "is" && direction(words[3])) {
      beside_[words[3] + " " + words[6]].insert(words[1]);
      beside_[opposite().at(words[3]) + " " + words[1]].insert(words[6]);
      return;
    }
    if (words.size() < 4 || !person(words[0])) return;
    const std::string& who = words[0];
    const std::string verb = words[1] == "picked" || words[1] == "put" ? words[2] : words[1];
    if (verb == "went" || verb == "walked") {
      place_[who] = words.back();
      for (const auto& [thing, holder] : holder_) {
        if (holder == who) arrive(thing, words.back());
      }
    } else if (verb == "took" || verb == "up") {
      const Words& stays = stays_[words.back()];
      holds_ &= place_.contains(who) && holder_[words.back()].empty() &&
                (stays.empty() || stays.back() == place_[who]);
      holder_[words.back()] = who;
      arrive(words.back(), place_[who]);
    } else if (verb == "dropped" || verb == "down") {
      holds_ &= holder_[words.back()] == who;
      holder_[words.back()] = "";
    } else if (verb == "gave" || verb == "handed") {
      holds_ &= holder_[words[3]] == who && place_[who] == place_[words[5]];
      holder_[words[3]] = words[5];
      given_.push_back({who, words[3], words[5]});
    }
  }

  void arrive(const std::string& thing, const std::string& place) {
    Words& stays = stays_[thing];
    if (stays.empty() || stays.back() != place) stays.push_back(place);
  }

  std::string asked(const Words& words) {
    if (words[0] == "where" && words[1] == "was") {
      const Words& stays = stays_[words[3]];
      const auto last = std::find(stays.rbegin(), stays.rend(), words[6]);
      return last == stays.rend() || last + 1 == stays.rend() ? "nowhere" : *(last + 1);
    }
    if (words[0] == "where") {
      if (words.size() == 3) return place_[words[2]];
      return stays_[words[3]].empty() ? "nowhere" : stays_[words[3]].back();
    }
    if (words[0] == "what" && words[1] == "is") {
      // "what is north of the attic" or "what is the attic north of".
      const std::string key = direction(words[2]) ? words[2] + " " + words[5]
                                                  : opposite().at(words[4]) + " " + words[3];
      return beside_[key].size() == 1 ? *beside_[key].begin() : "unclear";
    }
    return gift(words);
  }

  std::string gift(const Words& words) const {
    std::string found = "nothing";
    for (const auto& [who, what, whom] : given_) {
      std::string answer;
      if (words[1] == "gave" && what == words[3] && whom == words[5]) answer = who;
      if (words[0] == "what" && who == words[2] && whom == words[5]) answer = what;
      if (words[1] == "did" && words[0] == "who" && who == words[2] && what == words[5]) {
        answer = whom;
      }
      if (answer.empty()) continue;
      if (found != "nothing") return "unclear";
      found = answer;
    }
    return found;
  }

  std::map<std::string, std::string> place_, holder_;
  std::map<std::string, Words> stays_;
  std::map<std::string, std::set<std::string>> beside_;
  std::vector<std::array<std::string, 3>> given_;
  bool holds_ = true;  ///< no sentence contradicts those before it
};

Words solve(const std::string& text) { return {Reader().answer(text)}; }

const std::vector<std::string> kKinds{"qa1", "qa2", "qa3", "qa4", "qa5"};

TEST_CASE("A reader of the story alone gives its answers, also when a fact is swapped") {
  const std::string kind = GENERATE("qa1", "qa2", "qa3", "qa4", "qa5");
  check_generator("facts", {{"kind", kind}}, solve, 1.0);
  check_generator("facts", {{"kind", kind}, {"statements", "13"}}, solve, 1.0);
}

TEST_CASE("The shortest stories there are can be told and asked") {
  const std::vector<std::string> fewest{"1", "2", "3", "1", "4"};
  for (std::size_t k = 0; k < kKinds.size(); ++k) {
    check_generator("facts", {{"kind", kKinds[k]}, {"statements", fewest[k]}}, solve, 0.5);
  }
}

TEST_CASE("Each kind asks with its number of supporting facts and its closed set of labels") {
  const auto words = word_tokenizer(facts_words());
  const std::vector<std::size_t> evidence{1, 2, 3, 1, 1}, labels{6, 6, 6, 16, 11};
  const std::set<std::string> people{"mary", "fred", "nora", "paul", "vera", "hugo"};
  for (std::size_t k = 0; k < kKinds.size(); ++k) {
    const auto data = make_dataset("facts", {{"kind", kKinds[k]}}, *words, Rng(1));
    std::set<std::string> answers;
    for (i64 i = 0; i < 400; ++i) {
      const Sample sample = data->sample(Split::test, i, 256);
      CHECK(sample.questions.size() == 1);
      CHECK(sample.last().kind == kKinds[k]);
      CHECK(sample.last().evidence.size() == evidence[k]);
      std::size_t choices = labels[k];
      if (kKinds[k] == "qa4") choices = 9;  // rooms of 8 statements, a tree
      if (kKinds[k] == "qa5") choices = people.contains(answers_of(*words, sample)[0]) ? 6 : 5;
      CHECK(sample.last().decoys.size() + 1 == choices);
      for (const auto& decoy : sample.last().decoys) {
        const std::string name = plain(words->decode(decoy));
        if (kKinds[k] == "qa5") CHECK(people.contains(name) == (choices == 6));
        if (kKinds[k] == "qa4")
          CHECK_THAT(words->decode(sample.tokens), Contains(" " + name + " "));
      }
      CHECK(sample.last().answer.length == 1);
      CHECK(sample.last().references == answers_of(*words, sample));
      answers.insert(answers_of(*words, sample)[0]);
    }
    CHECK(answers.size() == labels[k]);  // 400 samples leave none of 16 labels out
  }
}

TEST_CASE("No supporting fact can be left out of a story without its answer becoming another") {
  const auto words = word_tokenizer(facts_words());
  for (const std::string& kind : kKinds) {
    const auto data = make_dataset("facts", {{"kind", kind}}, *words, Rng(2));
    for (i64 i = 0; i < 50; ++i) {
      const Sample sample = data->sample(Split::train, i, 256);
      for (const Span& left_out : sample.last().evidence) {
        const std::string text =
            text_at(*words, sample.tokens, {0, left_out.begin}) + " " +
            text_at(*words, sample.tokens, {left_out.end(), 256 - left_out.end()});
        INFO(text);
        CHECK(solve(text) != answers_of(*words, sample));
      }
    }
  }
}

TEST_CASE("The last place named answers less than a third of the questions where someone is") {
  const auto words = word_tokenizer(facts_words());
  const std::set<std::string> places{"kitchen", "garden",  "office",
                                     "bedroom", "balcony", "hallway"};
  for (const std::string kind : {"qa1", "qa2"}) {
    const auto data = make_dataset("facts", {{"kind", kind}}, *words, Rng(6));
    i64 right = 0;
    for (i64 i = 0; i < 300; ++i) {
      const Sample sample = data->sample(Split::test, i, 256);
      std::string last;
      const Span before{0, sample.last().answer.begin};
      for (const std::string& word : split_words(text_at(*words, sample.tokens, before))) {
        if (places.contains(word)) last = word;
      }
      right += last == answers_of(*words, sample)[0];
    }
    INFO(kind << ": " << right << " of 300");
    CHECK(right < 100);
    CHECK(right > 50);  // nor is it one to leave out: one in six is chance
  }
}

TEST_CASE("Test samples have their first supporting fact at all depths alike") {
  const auto words = word_tokenizer(facts_words());
  const auto data = make_dataset("facts", {{"kind", "qa2"}}, *words, Rng(3));
  std::array<i64, 5> fifths{};
  for (i64 i = 0; i < 50; ++i) {
    const double depth = data->sample(Split::test, i, 2000).depth.value();
    ++fifths[static_cast<std::size_t>(std::min(depth, 99.9) / 20)];
  }
  for (const i64 count : fifths) CHECK(std::abs(count - 10) <= 2);
}

TEST_CASE("Facts are functions of seed, split, number and length, up to a million tokens") {
  check_numbering("facts", {}, 256);
  const auto words = word_tokenizer(facts_words());
  const Sample sample =
      make_dataset("facts", {{"kind", "qa3"}}, *words, Rng(4))->sample(Split::test, 0, 1 << 20);
  check_sample(*words, sample, 1 << 20);
  CHECK(solve(words->decode(sample.tokens)) == answers_of(*words, sample));
}

TEST_CASE("A text of the user's can hide the facts and is named by its hash") {
  const TempFolder folder;
  const std::string path = folder.write("book.txt", "It was late . Nobody came .");
  const auto bytes = byte_tokenizer();
  const auto data = make_dataset("facts", {{"path", path}}, *bytes, Rng(5));
  CHECK(data->sha().size() == 64);
  const Sample sample = data->sample(Split::test, 0, 2000);
  CHECK_THAT(bytes->decode(sample.tokens), Contains("It was late . Nobody came ."));
  CHECK(solve(bytes->decode(sample.tokens)) == answers_of(*bytes, sample));
  CHECK(make_dataset("facts", {}, *bytes, Rng(5))->sha().empty());
}

TEST_CASE("Stories too short or too long for their kind are refused with what it takes") {
  const auto bytes = byte_tokenizer();
  const auto make = [&](const std::string& kind, const std::string& statements) {
    return make_dataset("facts", {{"kind", kind}, {"statements", statements}}, *bytes, Rng(1));
  };
  CHECK_THROWS_WITH(make("qa5", "3"), Contains("3 statements; qa5 takes 4 to 64"));
  CHECK_THROWS_WITH(make("qa4", "15"), Contains("qa4 takes 1 to 14"));
  CHECK_NOTHROW(make("qa4", "14"));
}

}  // namespace
}  // namespace longreach::datasets
