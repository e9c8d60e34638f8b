// The records task: dated notes of a ward's patients and their drugs, and a question that takes
// two notes, one leading to the other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/prompt.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kRecordsVersion = 1;
/// How many patients there are names for.
inline constexpr i64 kRecordsPatients = 12;

struct RecordsParams {
  i64 patients = 3;
  double updates = 0.25;
  HaystackParams haystack;
  void fields(Fields&);
};

/// The task's closed vocabulary, that of prose of our own included.
std::vector<std::string> records_words();

/// The registered dataset "records". A sample is filler among which dated notes stand in order of
/// their days: what each patient takes (" day 12 : patient anna takes metolin ."), at what dose
/// each drug is given (" day 30 : the ward gives metolin at dose 40 ."), of two more drugs than
/// patients, and remarks that no question needs; a share of `updates` of the first two kinds is
/// replaced by a later note. Then " question : which drug does patient anna take and at what dose ?
/// answer :" and the answer, drug and dose, its last tokens.
///
/// `evidence` of the question are the patient's and the drug's newest notes, in order and at least
/// a third of all notes apart; `kind` is "updated" when one of them replaces an older note, else
/// "first"; `references` are drug and dose; `decoys` the other drugs with their doses, and the drug
/// with a dose of before. `facts`: the drug of the patient's note, which changes the whole answer,
/// and the dose of the drug's, which changes its dose; left out when the tokenizer writes no other
/// that fits with as many tokens. `depth` is that of the first note of the evidence, spread evenly
/// over test samples.
///
/// The tokenizer must outlive the dataset.
std::unique_ptr<Dataset> make_records(const RecordsParams&, const Tokenizer&, const Rng&);

}  // namespace longreach::datasets
