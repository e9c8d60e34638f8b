// The document task: a whole document in numbered sections, each with a fact in its prose, and
// questions on several sections at the end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/prompt.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kDocumentVersion = 1;
/// How many different sections there can be.
inline constexpr i64 kDocumentSections = 96;

struct DocumentParams {
  i64 sections = 6, questions = 3;
  HaystackParams haystack;
  void fields(Fields&);
};

/// The task's closed vocabulary, that of prose of our own included.
std::vector<std::string> document_words();

/// The registered dataset "document". A sample is `sections` sections of prose, of like lengths,
/// each under its heading (" section 2 : the old harbour .") and with one fact: a name (" the
/// keeper of the old harbour is oskar ."), a number or a place. Then come `questions` questions,
/// each on another section: " question : who is the keeper of the old harbour ? answer :" and the
/// answer. The last answer ends the sample.
///
/// A question's `evidence` is the fact's sentence, `kind` "name", "number" or "place",
/// `references` the value and `decoys` all others of its kind. `facts`: each value asked for and
/// another one to swap in, one that the document does not use where there is one; left out when the
/// tokenizer writes none with as many tokens. `depth` is that of the first question's fact, spread
/// evenly over sections and within them in test samples.
///
/// Throws Error when there are more questions than sections. The tokenizer must outlive the
/// dataset.
std::unique_ptr<Dataset> make_document(const DocumentParams&, const Tokenizer&, const Rng&);

}  // namespace longreach::datasets
