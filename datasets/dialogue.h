// The dialogue task: a user tells an assistant about themselves over many turns, between small
// talk, and asks for it again later.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/fields.h"
#include "datasets/dataset.h"

namespace longreach::datasets {

/// Raised when a sample's text, weights or facts change.
inline constexpr i64 kDialogueVersion = 1;
/// How many different things a user can tell.
inline constexpr i64 kDialogueTopics = 10;

struct DialogueParams {
  i64 statements = 5, questions = 3;
  double changes = 0.25;
  void fields(Fields&);
};

/// The task's closed vocabulary.
std::vector<std::string> dialogue_words();

/// The registered dataset "dialogue". A turn is " user : ..." and what the assistant answers. A
/// sample is turns of small talk among which the user states `statements` things about themselves,
/// each but once (" user : my favourite colour is red ."), of which a share of `changes` becomes
/// another one in a later turn, and asks for `questions` different ones of them: " user : what is
/// my favourite colour ? assistant :" and the answer. The last answer ends the sample. Several
/// things have the same values (a doctor, a sister and a teacher are names), each stated once in a
/// sample, and they come together: so a value of the right sort need not be the answer.
///
/// A question asks for what was stated last before it: its `evidence` is the user's sentence, its
/// `age` the turns since, 1 for the very next; turns of which a cut has taken the word "user" do
/// not count. `kind` is "changed" when the evidence replaces an earlier statement and "stated" when
/// it is the first; `references` is the value, `decoys` all other values there are of its sort,
/// first those stated before the question, of other things or before a change. `facts`: each value
/// asked for, in its newest statement, and another one to swap in, one not stated before the
/// question where there is one; left out when the tokenizer writes none with as many tokens.
///
/// Throws Error when there are more questions than statements. The tokenizer must outlive the
/// dataset.
std::unique_ptr<Dataset> make_dialogue(const DialogueParams&, const Tokenizer&, const Rng&);

}  // namespace longreach::datasets
