// The facts tasks: a short story scattered sentence by sentence through prose, and one question.
//
// The tasks are qa1 to qa5 of bAbI (Weston et al. 2015, arXiv 1502.05698), hidden in long text as
// BABILong does (Kuratov et al. 2024, arXiv 2406.10149); world and wording are ours.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/prompt.h"
#include "datasets/story.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kFactsVersion = 1;

struct FactsParams {
  StoryTask kind = StoryTask::qa1;
  i64 statements = 8;
  HaystackParams haystack;
  void fields(Fields&);
};

/// The task's closed vocabulary, that of prose of our own included.
std::vector<std::string> facts_words();

/// The registered dataset "facts". A sample is filler with the story's sentences in their order,
/// then " question : where is mary ? answer :" and the answer, its last tokens.
///
/// Its question's `kind` is "qa1" to "qa5", `evidence` the supporting sentences, `references` the
/// answer alone, and `decoys` all other labels that could answer it: the rooms of the story (qa4),
/// those that people walk in (qa1 to qa3), people or things (qa5). In qa1 and qa2 the move that
/// answers is each of the last ones alike. `facts`: for each supporting sentence a name
/// that can be exchanged there (or, failing that, everywhere in the story) such that the story
/// still holds and has another answer; left out when the tokenizer writes no such names with as
/// many tokens. `depth` is that of the first supporting sentence, spread evenly over test samples.
///
/// Throws Error when there are too few or too many statements for the task. The tokenizer must
/// outlive the dataset.
std::unique_ptr<Dataset> make_facts(const FactsParams&, const Tokenizer&, const Rng&);

}  // namespace longreach::datasets
