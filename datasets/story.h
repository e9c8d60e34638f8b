// A small world that stories are told of: people who walk between rooms with things in their
// hands, and rooms that lie beside each other.
//
// The tasks are the first five of bAbI (Weston et al. 2015, arXiv 1502.05698); rules and words are
// ours.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "core/random.h"

namespace longreach::datasets {

enum class StoryTask {
  qa1,  ///< where a person is: one supporting fact
  qa2,  ///< where a thing is: two
  qa3,  ///< where a thing was before: three
  qa4,  ///< which room lies beside another: a relation of two
  qa5   ///< who gave what to whom: a relation of three
};

enum class Sort { person, thing, place };

/// Who or what, by number among its sort.
struct Label {
  Sort sort = Sort::person;
  i64 number = 0;
  bool operator==(const Label&) const = default;
};

enum class Act {
  move,  ///< person, place
  take,  ///< person, thing
  drop,  ///< person, thing
  give,  ///< person, thing, person
  lie    ///< place, place: the first lies in `direction` from the second
};

struct Event {
  Act act = Act::move;
  std::vector<Label> labels;  ///< as Act says
  i64 direction = 0;          ///< of Act::lie: north, east, south, west
  i64 wording = 0;            ///< of the ways to say it
};

/// What a story is asked; the labels are those that the question names.
struct StoryQuestion {
  StoryTask task = StoryTask::qa1;
  i64 form = 0;
  i64 direction = 0;
  std::vector<Label> labels;
  bool operator==(const StoryQuestion&) const = default;
};

struct StoryAnswer {
  Label label;
  std::vector<std::size_t> evidence;  ///< numbers of the events it takes, in order
};

struct Story {
  std::vector<Event> events;
  StoryQuestion question;
  StoryAnswer answer;
};

/// Fewest and most events of a task's stories.
i64 fewest_events(StoryTask);
i64 most_events(StoryTask);

/// A story of that many events with a question that has one answer, for which all of its evidence
/// is needed. In qa1 and qa2 the move that answers is each of the last ones alike, so that the last
/// place told is no good guess.
Story draw_story(StoryTask, i64 events, Rng& rng);

/// None when the events contradict each other or leave the question without one answer.
std::optional<StoryAnswer> answer_of(const std::vector<Event>&, const StoryQuestion&);

/// All answers that there are to a task's questions: rooms (qa1 to qa4), or people and things.
std::vector<Label> labels_of(StoryTask);
/// All of one sort that a task's stories may tell of.
std::vector<Label> labels_of(StoryTask, Sort);

/// All sentences and questions that a task's stories can have.
std::vector<Event> all_events(StoryTask);
std::vector<StoryQuestion> all_questions(StoryTask);

std::string_view name_of(const Label&);
/// The sentence in parts, each after a space; part `label_part(event, i)` is label i alone.
std::vector<std::string> sentence_of(const Event&);
std::size_t label_part(const Event&, std::size_t label);
std::string sentence_of(const StoryQuestion&);

/// All words that stories and questions are told with.
std::vector<std::string> story_words();

}  // namespace longreach::datasets

namespace longreach {
template <>
struct EnumNames<datasets::StoryTask> {
  static constexpr std::array<std::string_view, 5> names{"qa1", "qa2", "qa3", "qa4", "qa5"};
};
}  // namespace longreach
