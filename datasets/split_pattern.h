// Cutting text where a regular expression matches, as byte-level BPE does before it merges.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace longreach::datasets {

/// A pattern of tokenizer.json. Those are written for Oniguruma; PCRE2, which matches here, reads
/// the known ones alike. They differ in \h (a hexadecimal digit there, horizontal space here), in
/// (?m) (. matches line breaks there), in && within brackets, in U+180E (a space here) and in
/// characters younger than the Unicode version of either.
class SplitPattern {
 public:
  enum class Kind { regex, literal };

  /// `where` opens the messages. Throws Error for a pattern that does not compile.
  SplitPattern(const std::string& pattern, Kind, const std::string& where);

  /// Each text as its matches and what lies between them: views of the texts, in order, none empty.
  /// An empty match cuts. The texts must be valid UTF-8; a pattern sees one of them at a time.
  /// Throws Error when a match takes far more steps than the text has characters.
  std::vector<std::string_view> split(const std::vector<std::string_view>& texts) const;

 private:
  std::string where_;
  std::shared_ptr<const void> code_;  ///< PCRE2's
};

}  // namespace longreach::datasets
