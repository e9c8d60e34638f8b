// The scores of scorers.h.
#include "datasets/scorers.h"

#include <algorithm>

#include "core/error.h"

namespace longreach::datasets {
namespace {

constexpr std::string_view kDigits = "0123456789";

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

}  // namespace longreach::datasets
