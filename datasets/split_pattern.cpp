// Cutting text where a regular expression matches, by PCRE2 with bounds on its steps and memory.
#include "datasets/split_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <algorithm>
#include <cstdint>
#include <pcre2.h>

#include "core/error.h"
#include "datasets/utf8.h"

namespace longreach::datasets {
namespace {

constexpr std::uint32_t kHeap = 64 * 1024;        // KiB
constexpr std::size_t kStackAtFirst = 32 * 1024;  // of compiled matching, bytes
constexpr std::size_t kStackAtMost = 16 * 1024 * 1024;

std::string message(int code) {
  PCRE2_UCHAR text[256];
  if (pcre2_get_error_message(code, text, sizeof(text)) < 0) return fmt::format("code {}", code);
  return reinterpret_cast<const char*>(text);
}

/// PCRE2's scratch of one split(), so that threads can share the pattern.
class Matcher {
 public:
  Matcher(const pcre2_code* code, const std::string& where) : code_(code), where_(where) {
    if (!data_ || !context_ || !stack_) throw error("{}: no memory for matching", where);
    pcre2_set_heap_limit(context_.get(), kHeap);
    pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
  }

  struct Match {
    std::size_t begin, end;
  };

  /// The first match in `text` that begins at `from` or later. Returns false when there is none.
  bool find(std::string_view text, std::size_t from, Match& match) {
    // Backing off over a run of spaces takes a few steps for each; exponential blow-up passes any
    // bound.
    const std::size_t steps = std::min<std::size_t>(1'000'000 + 8 * text.size(), UINT32_MAX);
    pcre2_set_match_limit(context_.get(), static_cast<std::uint32_t>(steps));
    pcre2_set_depth_limit(context_.get(), static_cast<std::uint32_t>(steps));
    const int found = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                  from, PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0) {
      throw error("{}: the split pattern fails on a text of {} bytes: {}", where_, text.size(),
                  message(found));
    }
    const std::size_t* const bounds = pcre2_get_ovector_pointer(data_.get());
    match = {bounds[0], bounds[1]};
    if (match.begin < from || match.end < match.begin || match.end > text.size()) {
      throw error("{}: the split pattern matches backwards; \\K has no place in it", where_);
    }
    return true;
  }

 private:
  template <auto free>
  struct Free {
    template <class T>
    void operator()(T* memory) const {
      free(memory);
    }
  };

  const pcre2_code* code_;
  const std::string& where_;
  std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>> data_{
      pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_jit_stack, Free<pcre2_jit_stack_free>> stack_{
      pcre2_jit_stack_create(kStackAtFirst, kStackAtMost, nullptr)};
  std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>> context_{
      pcre2_match_context_create(nullptr)};
};

void split_one(std::string_view text, Matcher& matcher, std::vector<std::string_view>& pieces) {
  const auto add = [&](std::size_t begin, std::size_t end) {
    if (begin < end) pieces.push_back(text.substr(begin, end - begin));
  };
  std::size_t done = 0, from = 0;
  Matcher::Match match{};
  while (from <= text.size() && matcher.find(text, from, match)) {
    add(done, match.begin);
    add(match.begin, match.end);
    done = from = match.end;
    if (match.begin == match.end) {
      from += std::max<std::size_t>(1, character_length(text.substr(from)));
    }
  }
  add(done, text.size());
}

}  // namespace

SplitPattern::SplitPattern(const std::string& pattern, Kind kind, const std::string& where)
    : where_(where) {
  // Lines begin and end at ^ and $ always in Oniguruma; \C would cut characters.
  const std::uint32_t options =
      kind == Kind::literal ? PCRE2_LITERAL | PCRE2_UTF
                            : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  int code = 0;
  std::size_t place = 0;
  pcre2_code* const compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()),
                                             pattern.size(), options, &code, &place, nullptr);
  if (compiled == nullptr) {
    throw error("{}: the split pattern '{}' does not compile: {} (at byte {})", where, pattern,
                message(code), place);
  }
  code_ =
      std::shared_ptr<const void>(compiled, [compiled](const void*) { pcre2_code_free(compiled); });
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);  // where that fails, matching interprets
}

std::vector<std::string_view> SplitPattern::split(
    const std::vector<std::string_view>& texts) const {
  Matcher matcher(static_cast<const pcre2_code*>(code_.get()), where_);
  std::vector<std::string_view> pieces;
  for (const std::string_view text : texts) split_one(text, matcher, pieces);
  return pieces;
}

}  // namespace longreach::datasets
