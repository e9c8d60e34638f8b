// Collects what is wrong with a configuration, so that one run tells all of it.
#include "harness/problems.h"

#include <algorithm>
#include <fmt/ranges.h>

#include "core/error.h"
#include "harness/terminal.h"

namespace longreach::harness {
namespace {

constexpr std::size_t kShownBegin = 300, kShownEnd = 120;

/// `i`, or where the UTF-8 character begins that it lies in.
std::size_t character_at(std::string_view text, std::size_t i) {
  while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) --i;
  return i;
}

}  // namespace

std::string one_line(std::string_view text) {
  if (text.size() <= kShownBegin + kShownEnd) return printable(text);
  return printable(text.substr(0, character_at(text, kShownBegin))) + " ... " +
         printable(text.substr(character_at(text, text.size() - kShownEnd)));
}

void Problems::add(std::string_view problem) {
  std::string line = one_line(problem);
  if (!seen_.insert(line).second || full()) return;
  told_.push_back(std::move(line));
}

void Problems::raise() const {
  if (seen_.empty()) return;
  std::string text = fmt::format("{}", fmt::join(told_, "\n"));
  const std::size_t more = seen_.size() - told_.size();
  if (more > 0) text += fmt::format("\nand {} more; put these right first", more);
  throw Error(text);
}

}  // namespace longreach::harness
