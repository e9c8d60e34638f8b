// The summary task: key facts spread through prose, and at the end a summary that names them all,
// beside other summaries that do not say the same.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/prompt.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kSummaryVersion = 1;
/// How many different key facts a text can have.
inline constexpr i64 kSummaryFacts = 10;

struct SummaryParams {
  i64 facts = 4, candidates = 4;
  HaystackParams haystack;
  void fields(Fields&);
};

/// The task's closed vocabulary, that of prose of our own included.
std::vector<std::string> summary_words();

/// The registered dataset "summary". A sample is prose with `facts` sentences on a town, in random
/// places (" the council of the town will meet on monday ."), then " summary :" and the summary,
/// which says each again in other words and in the same order (" the council meets on monday ."),
/// its last tokens. Several facts have the same values (council, fair and market have days), each
/// stated once in a text, and they come together.
///
/// The answer of its question is the whole summary, `evidence` the facts' sentences, `references`
/// the facts' values, and `decoys` are `candidates` - 1 other summaries of one or more wrong
/// values, each with as many tokens as the right one where the tokenizer can write one: the text's
/// own values given to other facts of their sort, and values that the text lacks once there are no
/// more of these. `facts`: each value in its sentence and where the summary has it, and another
/// one, which the text lacks where there is one; left out when the tokenizer writes no
/// other with as many tokens.
///
/// The tokenizer must outlive the dataset.
std::unique_ptr<Dataset> make_summary(const SummaryParams&, const Tokenizer&, const Rng&);

}  // namespace longreach::datasets
