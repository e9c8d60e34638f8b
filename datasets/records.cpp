// The records task of records.h, and the dataset "records".
#include "datasets/records.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "datasets/draw.h"
#include "datasets/phrases.h"

namespace longreach::datasets {
namespace {

constexpr std::array<std::string_view, kRecordsPatients> kPatients{
    "anna",  "ben",   "clara", "david", "elsa", "felix",
    "greta", "henry", "ida",   "jonas", "kate", "leo"};
constexpr std::array<std::string_view, kRecordsPatients + 2> kDrugs{
    "metolin", "corvexa", "zantrol", "belomax", "dipovan", "ferulin", "galtrex",
    "hexamol", "jovarin", "kelpran", "lumidol", "nervost", "oxaprin", "prelvan"};
constexpr std::array<std::string_view, 18> kDoses{"10", "15", "20", "25", "30", "35",
                                                  "40", "45", "50", "55", "60", "65",
                                                  "70", "75", "80", "85", "90", "95"};
constexpr std::array<std::string_view, 5> kRemarks{" slept well .", " had a visit .",
                                                   " walked in the garden .", " has no fever .",
                                                   " ate all of the soup ."};
constexpr i64 kMoreDrugs = 2, kDays = 99;
constexpr std::string_view kDigits = "0 1 2 3 4 5 6 7 8 9", kPatient = " : patient", kDay = " day",
                           kStop = " .";
constexpr std::array<std::string_view, 2> kTakes{" takes", " now takes"};
constexpr std::array<std::string_view, 2> kGives{" : the ward gives", " : the ward now gives"};
constexpr std::string_view kDose = " at dose";
constexpr std::string_view kQuestion = " question : which drug does patient",
                           kQuestionEnd = " take and at what dose ? answer :";

/// What is noted of one thing, the newest last: drugs of a patient, or doses of a drug, by number.
using History = std::vector<i64>;

struct Ward {
  std::vector<i64> patients, drugs;  ///< numbers of their names
  std::vector<History> taken;        ///< by patient: numbers in `drugs`
  std::vector<History> given;        ///< by drug: numbers in kDoses
};

std::string_view drug_name(const Ward& ward, i64 drug) {
  return kDrugs[static_cast<std::size_t>(ward.drugs[static_cast<std::size_t>(drug)])];
}
std::string_view dose_name(i64 dose) { return kDoses[static_cast<std::size_t>(dose)]; }
i64 dose_of(const Ward& ward, i64 drug) {
  return ward.given[static_cast<std::size_t>(drug)].back();
}

/// One note: the `number`-th on its subject.
struct Note {
  enum class Of { patient, drug, remark } of;
  std::size_t subject = 0, number = 0;
};

double expected_updates(const RecordsParams& params) {
  return params.updates * static_cast<double>(2 * params.patients + kMoreDrugs);
}

Ward draw_ward(const RecordsParams& params, Rng& rng) {
  Ward ward;
  const i64 drugs = params.patients + kMoreDrugs;
  ward.patients = draw_distinct(params.patients, kRecordsPatients, rng);
  ward.drugs = draw_distinct(drugs, std::ssize(kDrugs), rng);
  for (const i64 drug : draw_distinct(params.patients, drugs, rng)) ward.taken.push_back({drug});
  // Doses differ, so that a wrong drug's is a wrong dose.
  for (const i64 dose : draw_distinct(drugs, std::ssize(kDoses), rng)) ward.given.push_back({dose});
  // What was noted before is another drug or dose.
  const i64 updates = draw_count(expected_updates(params), rng);
  for (const i64 subject : draw_distinct(updates, params.patients + drugs, rng)) {
    const bool taken = subject < params.patients;
    History& history = taken ? ward.taken[static_cast<std::size_t>(subject)]
                             : ward.given[static_cast<std::size_t>(subject - params.patients)];
    const i64 choice = taken ? drugs : std::ssize(kDoses);
    history.insert(history.begin(), (history[0] + 1 + rng.below(choice - 1)) % choice);
  }
  return ward;
}

/// In a random order that keeps the notes on one subject in theirs.
std::vector<Note> draw_notes(const Ward& ward, Rng& rng) {
  std::vector<Note> notes;
  for (std::size_t p = 0; p < ward.taken.size(); ++p) {
    notes.insert(notes.end(), ward.taken[p].size(), {Note::Of::patient, p});
    notes.push_back({Note::Of::remark, p});
  }
  for (std::size_t d = 0; d < ward.given.size(); ++d) {
    notes.insert(notes.end(), ward.given[d].size(), {Note::Of::drug, d});
  }
  shuffle(notes, rng);
  std::vector<std::size_t> patients(ward.taken.size()), drugs(ward.given.size());
  for (Note& note : notes) {
    if (note.of == Note::Of::patient) note.number = patients[note.subject]++;
    if (note.of == Note::Of::drug) note.number = drugs[note.subject]++;
  }
  return notes;
}

/// The number of the newest note on a subject.
std::size_t newest(const std::vector<Note>& notes, Note::Of of, std::size_t subject) {
  const auto last = std::find_if(notes.rbegin(), notes.rend(), [&](const Note& note) {
    return note.of == of && note.subject == subject;
  });
  check(last != notes.rend(), "every subject has a note");
  return static_cast<std::size_t>(notes.rend() - last) - 1;
}

/// A ward, its notes in order, and a patient to ask about.
struct Case {
  Ward ward;
  std::vector<Note> notes;
  std::size_t patient = 0;
  i64 drug = 0;                                 ///< that they take
  std::size_t patient_note = 0, drug_note = 0;  ///< the evidence
};

Case draw_case(const RecordsParams& params, Rng& rng) {
  Case drawn{.ward = draw_ward(params, rng)};
  drawn.patient = static_cast<std::size_t>(rng.below(params.patients));
  drawn.drug = drawn.ward.taken[drawn.patient].back();
  while (true) {
    drawn.notes = draw_notes(drawn.ward, rng);
    drawn.patient_note = newest(drawn.notes, Note::Of::patient, drawn.patient);
    drawn.drug_note = newest(drawn.notes, Note::Of::drug, static_cast<std::size_t>(drawn.drug));
    const auto [first, second] = std::minmax(drawn.patient_note, drawn.drug_note);
    if (second - first >= std::max<std::size_t>(2, drawn.notes.size() / 3)) return drawn;
  }
}

std::string dated(i64 day) { return fmt::format("{} {}", kDay, day + 1); }
/// What comes before the value of a note, the first of its subject (`number` 0) or a later one.
std::string patient_note(i64 patient) {
  return fmt::format("{} {}", kPatient, kPatients[static_cast<std::size_t>(patient)]);
}
std::string takes(i64 patient, std::size_t number) {
  return patient_note(patient) + std::string(kTakes[number]);
}
std::string gives(std::string_view drug, std::size_t number) {
  return fmt::format("{} {}{}", kGives[number], drug, kDose);
}
std::string question_about(i64 patient) {
  return fmt::format("{} {}{}", kQuestion, kPatients[static_cast<std::size_t>(patient)],
                     kQuestionEnd);
}

class Records final : public Dataset {
 public:
  using Params = RecordsParams;

  Records(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
      : params_(params),
        tokenizer_(tokenizer),
        rng_(rng),
        haystack_(make_haystack(params.haystack, tokenizer)),
        smallest_(longest_sample()) {}

  i64 version() const override { return kRecordsVersion; }
  i64 size(Split, i64) const override { return std::numeric_limits<i64>::max(); }
  std::string sha() const override { return haystack_->sha(); }
  std::string description() const override {
    return fmt::format("generated; notes of {} patients and {} drugs, {:g} of them updated{}",
                       params_.patients, params_.patients + kMoreDrugs, params_.updates,
                       haystack_->description());
  }

  Sample sample(Split split, i64 index, i64 length) const override {
    require_length(length, smallest_, "records");
    const Rng rng = stream_of(rng_, split, index);
    Rng case_rng = rng.fork("case"), place_rng = rng.fork("place");
    const Case drawn = draw_case(params_, case_rng);
    const double place = split == Split::train ? place_rng.uniform() : even_place(index);
    const std::vector<double> shares = gap_shares(
        std::ssize(drawn.notes), static_cast<i64>(std::min(drawn.patient_note, drawn.drug_note)),
        place, place_rng);

    Prompt prompt(tokenizer_);
    const std::vector<Phrase> phrases = add_notes(drawn, shares, prompt, case_rng);
    prompt.add(question_about(drawn.ward.patients[drawn.patient]));
    const Phrase answer = add_phrase(prompt, {spaced(drug_name(drawn.ward, drawn.drug)),
                                              spaced(dose_name(dose_of(drawn.ward, drawn.drug)))});
    Prompt::Assembled made =
        prompt.assemble(length, *haystack_, split, rng.fork("filler"), "records");

    Sample sample;
    sample.questions = {question_of(drawn, phrases, answer, made)};
    sample.facts = facts_of(drawn, phrases, answer, made, rng.fork("facts"));
    sample.weights = answer_weights(length, sample.questions);
    sample.depth = depth_of(made, sample.last().evidence.front());
    sample.filler = std::move(made.filler);
    sample.tokens = std::move(made.tokens);
    return sample;
  }

 private:
  /// Each note a phrase of which part 2 is what is noted.
  static std::vector<Phrase> add_notes(const Case& drawn, const std::vector<double>& shares,
                                       Prompt& prompt, Rng& rng) {
    std::vector<i64> days = draw_distinct(std::ssize(drawn.notes), kDays, rng);
    std::ranges::sort(days);
    const Ward& ward = drawn.ward;
    std::vector<Phrase> phrases;
    for (std::size_t n = 0; n < drawn.notes.size(); ++n) {
      const Note& note = drawn.notes[n];
      std::vector<std::string> parts{dated(days[n])};
      if (note.of == Note::Of::drug) {
        parts.push_back(gives(drug_name(ward, static_cast<i64>(note.subject)), note.number));
        parts.push_back(spaced(dose_name(ward.given[note.subject][note.number])));
      } else {
        const i64 patient = ward.patients[note.subject];
        const bool remark = note.of == Note::Of::remark;
        parts.push_back(remark ? patient_note(patient) : takes(patient, note.number));
        parts.push_back(remark ? std::string(pick(kRemarks, rng))
                               : spaced(drug_name(ward, ward.taken[note.subject][note.number])));
      }
      if (note.of != Note::Of::remark) parts.emplace_back(kStop);
      prompt.gap(shares[n]);
      phrases.push_back(add_phrase(prompt, parts));
    }
    prompt.gap(shares.back());
    return phrases;
  }

  /// Tokens of a sample without filler whose sentences are all as long as they can be.
  i64 longest_sample() const {
    const auto longest = [this](const auto& texts) { return longest_of(tokenizer_, texts); };
    std::vector<std::string> days, remarked, questions;
    std::array<std::vector<std::string>, 2> taken, given;
    for (i64 day = 0; day < kDays; ++day) days.push_back(dated(day));
    for (i64 patient = 0; patient < kRecordsPatients; ++patient) {
      remarked.push_back(patient_note(patient));
      questions.push_back(question_about(patient));
      for (const std::size_t n : {0, 1}) taken[n].push_back(takes(patient, n));
    }
    std::vector<std::string> drugs, doses;
    for (const std::string_view drug : kDrugs) {
      drugs.push_back(spaced(drug));
      for (const std::size_t n : {0, 1}) given[n].push_back(gives(drug, n));
    }
    for (const std::string_view dose : kDoses) doses.push_back(spaced(dose));
    const std::vector<std::string> remarks(kRemarks.begin(), kRemarks.end());

    const i64 rest = longest(days) + std::ssize(tokenizer_.encode(kStop));
    const auto take = [&](std::size_t n) { return longest(taken[n]) + longest(drugs) + rest; };
    const auto give = [&](std::size_t n) { return longest(given[n]) + longest(doses) + rest; };
    const i64 updates = static_cast<i64>(std::ceil(expected_updates(params_)));
    return std::ssize(tokenizer_.opening()) +
           params_.patients * (take(0) + longest(days) + longest(remarked) + longest(remarks)) +
           (params_.patients + kMoreDrugs) * give(0) + updates * std::max(take(1), give(1)) +
           longest(questions) + longest(drugs) + longest(doses);
  }

  std::vector<Token> encode(std::string_view value) const {
    return tokenizer_.encode(spaced(value));
  }
  std::vector<Token> encode_answer(std::string_view drug, std::string_view dose) const {
    std::vector<Token> tokens = encode(drug);
    const std::vector<Token> rest = encode(dose);
    tokens.insert(tokens.end(), rest.begin(), rest.end());
    return tokens;
  }

  Question question_of(const Case& drawn, const std::vector<Phrase>& phrases, const Phrase& answer,
                       const Prompt::Assembled& made) const {
    const Ward& ward = drawn.ward;
    Question question{.answer = span_of(made, answer)};
    const auto [first, second] = std::minmax(drawn.patient_note, drawn.drug_note);
    question.evidence = {span_of(made, phrases[first]), span_of(made, phrases[second])};
    for (const std::size_t part : {0, 1}) {
      question.references.push_back(
          reference_at(tokenizer_, made.tokens, span_of(made, answer, part)));
    }
    for (i64 drug = 0; drug < std::ssize(ward.drugs); ++drug) {
      if (drug == drawn.drug) continue;
      question.decoys.push_back(
          encode_answer(drug_name(ward, drug), dose_name(dose_of(ward, drug))));
    }
    const History& doses = ward.given[static_cast<std::size_t>(drawn.drug)];
    if (doses.size() > 1) {
      question.decoys.push_back(
          encode_answer(drug_name(ward, drawn.drug), dose_name(doses.front())));
    }
    const bool updated = doses.size() > 1 || ward.taken[drawn.patient].size() > 1;
    question.kind = updated ? "updated" : "first";
    return question;
  }

  std::vector<Fact> facts_of(const Case& drawn, const std::vector<Phrase>& phrases,
                             const Phrase& answer, const Prompt::Assembled& made, Rng rng) const {
    const Ward& ward = drawn.ward;
    const std::string_view drug = drug_name(ward, drawn.drug);
    const std::string_view dose = dose_name(dose_of(ward, drawn.drug));
    std::vector<Fact> facts;
    std::vector<i64> others;
    for (i64 other = 0; other < std::ssize(ward.drugs); ++other) {
      const bool same_length =
          encode(drug_name(ward, other)).size() == encode(drug).size() &&
          encode(dose_name(dose_of(ward, other))).size() == encode(dose).size();
      if (other != drawn.drug && same_length) others.push_back(other);
    }
    if (!others.empty()) {
      const i64 other = pick(others, rng);
      facts.push_back({{span_of(made, phrases[drawn.patient_note], 2)},
                       span_of(made, answer),
                       encode(drug_name(ward, other)),
                       encode_answer(drug_name(ward, other), dose_name(dose_of(ward, other)))});
    }
    std::vector<std::string_view> unused;
    for (i64 other = 0; other < std::ssize(kDoses); ++other) {
      const bool used = std::ranges::any_of(ward.given, [other](const History& doses) {
        return std::ranges::find(doses, other) != doses.end();
      });
      if (!used) unused.push_back(dose_name(other));
    }
    if (const auto other = draw_as_long(tokenizer_, dose, unused, rng)) {
      facts.push_back(
          {{span_of(made, phrases[drawn.drug_note], 2)}, span_of(made, answer, 1), encode(*other)});
    }
    return facts;
  }

  Params params_;
  const Tokenizer& tokenizer_;
  Rng rng_;
  std::unique_ptr<Haystack> haystack_;
  i64 smallest_;
};

}  // namespace

void RecordsParams::fields(Fields& f) {
  f("patients", patients, between(1, kRecordsPatients, Unit::count),
    "patients with notes; one is asked about");
  f("updates", updates, between(0, 1),
    "share of the patients' drugs and of the drugs' doses that a later note replaces");
  haystack.fields(f);
}

std::vector<std::string> records_words() {
  const std::vector<std::string> prose = haystack_words();
  std::vector<std::string_view> texts(prose.begin(), prose.end());
  const auto add = [&texts](const auto& wordings) {
    texts.insert(texts.end(), wordings.begin(), wordings.end());
  };
  add(kPatients);
  add(kDrugs);
  add(kDoses);
  add(kRemarks);
  add(kTakes);
  add(kGives);
  add(std::array{kDigits, kPatient, kDay, kStop, kDose, kQuestion, kQuestionEnd});
  return words_of(texts);
}

std::unique_ptr<Dataset> make_records(const RecordsParams& params, const Tokenizer& tokenizer,
                                      const Rng& rng) {
  return std::make_unique<Records>(params, tokenizer, rng);
}

namespace {
const Registered<DatasetRegistry, Records> registered{
    "records", "Patients' dated notes; drug and dose of one take two notes far apart"};
const RegisteredVocabulary vocabulary{"records", records_words};
}  // namespace

}  // namespace longreach::datasets
