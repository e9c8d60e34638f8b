// The scores of scorers.h.
#include "datasets/scorers.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "core/error.h"

namespace longreach::datasets {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kSpace = " \t\n\v\f\r";
constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
constexpr std::string_view kFinal = ".,;:!?";

/// Lower case, single spaces, none at the ends. Bytes beyond ASCII stay, whatever the locale.
std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (kSpace.find(c) != std::string_view::npos) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// How often each word stands in the text.
std::map<std::string, i64> words_in(std::string_view text) {
  std::istringstream in(folded(text));
  std::map<std::string, i64> words;
  for (std::string word; in >> word;) {
    const std::size_t begin = word.find_first_not_of(kPunctuation);
    if (begin == std::string::npos) continue;
    ++words[word.substr(begin, word.find_last_not_of(kPunctuation) + 1 - begin)];
  }
  return words;
}

double total(const std::map<std::string, i64>& words) {
  i64 count = 0;
  for (const auto& [word, times] : words) count += times;
  return static_cast<double>(count);
}

}  // namespace

std::string first_integer(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_of(kDigits), text.size());
  const std::size_t end = std::min(text.find_first_not_of(kDigits, begin), text.size());
  return std::string(text.substr(begin, end - begin));
}

std::string first_integer(const Tokenizer& tokenizer, std::span<const Token> generated) {
  std::string integer;
  for (const Token& token : generated) {
    const std::string text = tokenizer.decode({&token, 1});
    const std::string digits = first_integer(text);
    const std::size_t at = text.find(digits);
    // Inside the integer a token must continue it at once; what follows its digits ends it.
    if (!integer.empty() && (digits.empty() || at > 0)) break;
    integer += digits;
    if (!digits.empty() && at + digits.size() < text.size()) break;
  }
  return integer;
}

double digit_accuracy(std::string_view found, std::string_view expected) {
  check(!expected.empty(), "an expected answer has digits");
  std::size_t right = 0;
  for (std::size_t d = 0; d < expected.size(); ++d) {
    right += d < found.size() && found[d] == expected[d];
  }
  return static_cast<double>(right) / static_cast<double>(expected.size());
}

std::string normalized_answer(std::string_view text) {
  std::string out = folded(text);
  const std::size_t last = out.find_last_not_of(std::string(kFinal) + " ");
  if (last != std::string::npos) out.resize(last + 1);
  return out;
}

bool exact_match(std::string_view generated, std::string_view expected) {
  return normalized_answer(generated) == normalized_answer(expected);
}

double found_share(std::string_view generated, std::span<const std::string> references) {
  check(!references.empty(), "an answer has references");
  const std::string text = folded(generated);
  i64 found = 0;
  for (const std::string& reference : references) {
    const std::string wanted = folded(reference);
    found += wanted.empty() ? text.empty() : text.find(wanted) != std::string::npos;
  }
  return static_cast<double>(found) / static_cast<double>(references.size());
}

WordOverlap word_overlap(std::string_view generated, std::string_view expected) {
  const std::map<std::string, i64> said = words_in(generated), wanted = words_in(expected);
  if (said.empty() || wanted.empty()) {
    const double same = said.empty() && wanted.empty() ? 1 : 0;
    return {same, same, same};
  }
  i64 common = 0;
  for (const auto& [word, times] : wanted) {
    const auto found = said.find(word);
    if (found != said.end()) common += std::min(times, found->second);
  }
  if (common == 0) return {};
  const double precision = static_cast<double>(common) / total(said);
  const double recall = static_cast<double>(common) / total(wanted);
  return {precision, recall, 2 * precision * recall / (precision + recall)};
}

}  // namespace longreach::datasets
