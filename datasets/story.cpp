// The world of story.h: how stories are drawn, and what is true in them.
#include "datasets/story.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "datasets/draw.h"

namespace longreach::datasets {
namespace {

/// Of one story: fewer than there are, so that a name can be exchanged for one it does not use.
constexpr i64 kPeopleInStory = 4, kThingsInStory = 3;
constexpr i64 kMostEvents = 64;
/// Places that the answer's move can have among the last ones.
constexpr i64 kMoveRanks = 8, kHandledMoveRanks = 6;
constexpr i64 kGridSide = 4;
constexpr i64 kUnknown = -1;

/// What is known of people and things after some events.
class World {
 public:
  /// False, and nothing that is known changes, when the event contradicts those before it.
  bool apply(const Event& event, std::size_t number) {
    const i64 who = event.labels[0].number, what = event.labels[1].number;
    Person& person = people_[who];
    switch (event.act) {
      case Act::move:
        return move(person, who, what, number);
      case Act::take:
        return take(person, who, things_[what], number);
      case Act::drop:
        return drop(person, who, things_[what], number);
      case Act::give:
        return give(person, who, things_[what], event.labels[2].number, number);
      case Act::lie:
        break;
    }
    return false;
  }

  std::optional<StoryAnswer> where_is_person(i64 who) const {
    const auto found = people_.find(who);
    if (found == people_.end() || found->second.place == kUnknown) return std::nullopt;
    return StoryAnswer{{Sort::place, found->second.place}, {found->second.moved}};
  }

  /// A held thing takes its handing over and its holder's last move; one put down takes the putting
  /// down and the last move before it.
  std::optional<StoryAnswer> where_is_thing(i64 what) const {
    const auto found = things_.find(what);
    if (found == things_.end() || found->second.stays.empty()) return std::nullopt;
    const Thing& thing = found->second;
    StoryAnswer answer{{Sort::place, thing.stays.back().place}, thing.left};
    if (thing.holder != kUnknown) {
      answer.evidence = {thing.handled, people_.at(thing.holder).moved};
      std::ranges::sort(answer.evidence);
    }
    return answer;
  }

  /// Where it was before the last time it came to `place`.
  std::optional<StoryAnswer> where_was_thing(i64 what, i64 place) const {
    const auto found = things_.find(what);
    if (found == things_.end()) return std::nullopt;
    const std::vector<Stay>& stays = found->second.stays;
    for (std::size_t i = stays.size(); i-- > 1;) {
      if (stays[i].place != place) continue;
      StoryAnswer answer{{Sort::place, stays[i - 1].place}, stays[i - 1].evidence};
      answer.evidence.insert(answer.evidence.end(), stays[i].evidence.begin(),
                             stays[i].evidence.end());
      std::ranges::sort(answer.evidence);
      const auto repeated = std::ranges::unique(answer.evidence);
      answer.evidence.erase(repeated.begin(), repeated.end());
      return answer;
    }
    return std::nullopt;
  }

  i64 place_of(i64 who) const {
    const auto found = people_.find(who);
    return found == people_.end() ? kUnknown : found->second.place;
  }

 private:
  struct Person {
    i64 place = kUnknown;
    std::size_t moved = 0;  ///< the event that brought them there
  };
  struct Stay {
    i64 place;
    std::vector<std::size_t> evidence;
  };
  struct Thing {
    i64 holder = kUnknown;
    std::size_t handled = 0;        ///< the event that gave it to the holder
    std::vector<std::size_t> left;  ///< what tells where it was put down
    std::vector<Stay> stays;        ///< in order, neighbours in different places
  };

  bool move(Person& person, i64 who, i64 place, std::size_t number) {
    if (person.place == place) return false;
    person = {place, number};
    for (auto& [what, thing] : things_) {
      if (thing.holder == who) thing.stays.push_back({place, {thing.handled, number}});
    }
    return true;
  }
  static bool take(const Person& person, i64 who, Thing& thing, std::size_t number) {
    if (person.place == kUnknown || thing.holder != kUnknown) return false;
    if (thing.stays.empty()) {
      thing.stays.push_back({person.place, {person.moved, number}});
    } else if (thing.stays.back().place != person.place) {
      return false;
    }
    thing.holder = who;
    thing.handled = number;
    return true;
  }
  static bool drop(const Person& person, i64 who, Thing& thing, std::size_t number) {
    if (thing.holder != who) return false;
    thing.holder = kUnknown;
    thing.left = {person.moved, number};
    return true;
  }
  bool give(const Person& person, i64 who, Thing& thing, i64 whom, std::size_t number) {
    if (thing.holder != who || whom == who || people_[whom].place != person.place) return false;
    thing.holder = whom;
    thing.handled = number;
    return true;
  }

  std::map<i64, Person> people_;
  std::map<i64, Thing> things_;
};

/// The label of the only event of that act for which `matches` gives one.
template <class Matches>
std::optional<StoryAnswer> only(const std::vector<Event>& events, Act act, const Matches& matches) {
  std::optional<StoryAnswer> answer;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].act != act) continue;
    const std::optional<Label> label = matches(events[i]);
    if (!label) continue;
    if (answer) return std::nullopt;
    answer = StoryAnswer{*label, {i}};
  }
  return answer;
}

/// Form 0: which room lies in the direction from the one named; form 1: from which room that one
/// does. A lies north of B as B lies south of A.
std::optional<StoryAnswer> neighbour(const std::vector<Event>& events,
                                     const StoryQuestion& question) {
  const i64 opposite = (question.direction + 2) % 4;
  const i64 towards = question.form == 0 ? question.direction : opposite;
  return only(events, Act::lie, [&](const Event& event) -> std::optional<Label> {
    if (event.labels[1] == question.labels[0] && event.direction == towards) {
      return event.labels[0];
    }
    if (event.labels[0] == question.labels[0] && event.direction == (towards + 2) % 4) {
      return event.labels[1];
    }
    return std::nullopt;
  });
}

/// The form is the number of the label asked for; the question names the other two.
std::optional<StoryAnswer> gift(const std::vector<Event>& events, const StoryQuestion& question) {
  return only(events, Act::give, [&](const Event& event) -> std::optional<Label> {
    std::vector<Label> others = event.labels;
    others.erase(others.begin() + question.form);
    if (others != question.labels) return std::nullopt;
    return event.labels[static_cast<std::size_t>(question.form)];
  });
}

std::vector<Act> acts_of(StoryTask task) {
  if (task == StoryTask::qa1) return {Act::move};
  if (task == StoryTask::qa4) return {Act::lie};
  if (task == StoryTask::qa5) return {Act::move, Act::take, Act::drop, Act::give, Act::give};
  return {Act::move, Act::take, Act::drop};
}

std::vector<Sort> sorts_of(Act act) {
  if (act == Act::lie) return {Sort::place, Sort::place};
  if (act == Act::move) return {Sort::person, Sort::place};
  if (act == Act::give) return {Sort::person, Sort::thing, Sort::person};
  return {Sort::person, Sort::thing};
}

/// Events of the world of people, one after the other, none against what is known by then.
std::vector<Event> draw_events(StoryTask task, i64 count, Rng& rng) {
  const std::vector<Act> acts = acts_of(task);
  const i64 places = std::ssize(labels_of(task, Sort::place));
  const auto people = draw_distinct(kPeopleInStory, std::ssize(labels_of(task, Sort::person)), rng);
  const auto things = draw_distinct(kThingsInStory, std::ssize(labels_of(task, Sort::thing)), rng);
  World world;
  std::vector<Event> events;
  while (std::ssize(events) < count) {
    Event event{pick(acts, rng), {{Sort::person, pick(people, rng)}}, 0, rng.below(2)};
    if (event.act == Act::move) {
      // Gifts take two in a room, who seldom meet by chance.
      const i64 met = world.place_of(pick(people, rng));
      const bool join = task == StoryTask::qa5 && met != kUnknown && rng.below(2) == 0;
      event.labels.push_back({Sort::place, join ? met : rng.below(places)});
    } else {
      event.labels.push_back({Sort::thing, pick(things, rng)});
    }
    if (event.act == Act::give) event.labels.push_back({Sort::person, pick(people, rng)});
    if (world.apply(event, events.size())) events.push_back(event);
  }
  return events;
}

/// Rooms on a grid, each new one beside an older one, told in random order.
std::vector<Event> draw_rooms(i64 count, Rng& rng) {
  constexpr std::array<std::array<i64, 2>, 4> kSteps{{{0, -1}, {1, 0}, {0, 1}, {-1, 0}}};
  const i64 all = std::ssize(labels_of(StoryTask::qa4, Sort::place));
  const std::vector<i64> names = draw_distinct(count + 1, all, rng);
  std::map<std::array<i64, 2>, i64> rooms{{{rng.below(kGridSide), rng.below(kGridSide)}, names[0]}};
  std::vector<Event> events;
  while (std::ssize(events) < count) {
    auto old = rooms.begin();
    std::advance(old, rng.below(std::ssize(rooms)));
    const i64 direction = rng.below(4);
    const auto [right, down] = kSteps[static_cast<std::size_t>(direction)];
    const std::array<i64, 2> cell{old->first[0] + right, old->first[1] + down};
    if (std::ranges::any_of(cell, [](i64 c) { return c < 0 || c >= kGridSide; })) continue;
    if (rooms.contains(cell)) continue;
    const Label beside{Sort::place, names[rooms.size()]}, known{Sort::place, old->second};
    rooms[cell] = beside.number;
    if (rng.below(2) == 0) {
      events.push_back({Act::lie, {beside, known}, direction, 0});
    } else {
      events.push_back({Act::lie, {known, beside}, (direction + 2) % 4, 0});
    }
  }
  shuffle(events, rng);
  return events;
}

/// Every question of the task that names people, things and rooms of the events, some of them again
/// and again.
std::vector<StoryQuestion> questions_of(StoryTask task, const std::vector<Event>& events) {
  std::vector<StoryQuestion> questions;
  for (const Event& event : events) {
    const std::vector<Label>& labels = event.labels;
    if (task == StoryTask::qa1) questions.push_back({task, 0, 0, {labels[0]}});
    if (task == StoryTask::qa2 && event.act != Act::move) {
      questions.push_back({task, 0, 0, {labels[1]}});
    }
    if (task == StoryTask::qa3 && event.act == Act::take) {
      for (const Label& place : labels_of(task, Sort::place)) {
        questions.push_back({task, 0, 0, {labels[1], place}});
      }
    }
    if (task == StoryTask::qa4) {
      questions.push_back({task, 0, event.direction, {labels[1]}});
      questions.push_back({task, 1, event.direction, {labels[0]}});
    }
    if (task == StoryTask::qa5 && event.act == Act::give) {
      for (i64 form = 0; form < 3; ++form) {
        questions.push_back({task, form, 0, labels});
        std::vector<Label>& named = questions.back().labels;
        named.erase(named.begin() + form);
      }
    }
  }
  return questions;
}

std::size_t supporting_facts(StoryTask task) {
  return task == StoryTask::qa2 ? 2 : task == StoryTask::qa3 ? 3 : 1;
}

/// How many ranks to draw the answer's move from, as far as stories of that length have them; 0
/// where a question's rank is left as it comes.
i64 move_ranks(StoryTask task, i64 events) {
  if (task == StoryTask::qa1) return std::min(events, kMoveRanks);
  if (task == StoryTask::qa2) return std::min(events - 1, kHandledMoveRanks);
  return 0;
}

/// Moves told after the one that brought what is asked for to the answer.
i64 rank_of(const Story& story) {
  i64 rank = 0;
  for (std::size_t e = story.events.size(); e-- > 0;) {
    const Event& event = story.events[e];
    if (event.act != Act::move) continue;
    const bool supports =
        std::ranges::find(story.answer.evidence, e) != story.answer.evidence.end();
    if (supports && event.labels[1] == story.answer.label) break;
    ++rank;
  }
  return rank;
}

/// Each question once, in random order: who moves more often is not asked more often.
std::vector<StoryQuestion> shuffled_questions(const Story& story, StoryTask task, Rng& rng) {
  std::vector<StoryQuestion> questions;
  for (StoryQuestion& question : questions_of(task, story.events)) {
    if (std::ranges::find(questions, question) == questions.end()) {
      questions.push_back(std::move(question));
    }
  }
  shuffle(questions, rng);
  return questions;
}

/// Without any one of them the story would contradict itself or have another answer.
bool all_needed(const Story& story) {
  return std::ranges::all_of(story.answer.evidence, [&story](std::size_t number) {
    std::vector<Event> others = story.events;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(number));
    const std::optional<StoryAnswer> answer = answer_of(others, story.question);
    return !answer || answer->label != story.answer.label;
  });
}

}  // namespace

i64 fewest_events(StoryTask task) {
  constexpr std::array<i64, 5> kFewest{1, 2, 3, 1, 4};
  return kFewest[static_cast<std::size_t>(task)];
}

i64 most_events(StoryTask task) {
  // A tree of rooms has one more than its edges, and one name is kept to exchange.
  return task == StoryTask::qa4 ? std::ssize(labels_of(task, Sort::place)) - 2 : kMostEvents;
}

Story draw_story(StoryTask task, i64 events, Rng& rng) {
  check(fewest_events(task) <= events && events <= most_events(task), "a story there is");
  constexpr i64 kTries = 1'000'000;
  // The rank comes first, and a story that has it after: the last move of all always answers some
  // question, so that of any one story's questions it would answer far too many.
  const i64 ranks = move_ranks(task, events);
  const i64 rank = ranks == 0 ? 0 : rng.below(ranks);
  for (i64 attempt = 0; attempt < kTries; ++attempt) {
    Story story;
    story.events =
        task == StoryTask::qa4 ? draw_rooms(events, rng) : draw_events(task, events, rng);
    for (const StoryQuestion& question : shuffled_questions(story, task, rng)) {
      const std::optional<StoryAnswer> answer = answer_of(story.events, question);
      if (!answer || answer->evidence.size() != supporting_facts(task)) continue;
      story.question = question;
      story.answer = *answer;
      if (ranks > 0 && rank_of(story) != rank) continue;
      if (all_needed(story)) return story;
    }
  }
  check(false, "some story has a question");
  return {};
}

std::vector<Event> all_events(StoryTask task) {
  std::vector<Event> events;
  for (const Act act : acts_of(task)) {
    std::vector<std::vector<Label>> choices{{}};
    for (const Sort sort : sorts_of(act)) {
      std::vector<std::vector<Label>> longer;
      for (const std::vector<Label>& choice : choices) {
        for (const Label& label : labels_of(task, sort)) {
          longer.push_back(choice);
          longer.back().push_back(label);
        }
      }
      choices = std::move(longer);
    }
    for (const std::vector<Label>& labels : choices) {
      if (act == Act::lie) {
        for (i64 direction = 0; direction < 4; ++direction) {
          events.push_back({act, labels, direction, 0});
        }
      } else {
        for (i64 wording = 0; wording < 2; ++wording) events.push_back({act, labels, 0, wording});
      }
    }
  }
  return events;
}

std::vector<StoryQuestion> all_questions(StoryTask task) {
  return questions_of(task, all_events(task));
}

std::optional<StoryAnswer> answer_of(const std::vector<Event>& events,
                                     const StoryQuestion& question) {
  if (question.task == StoryTask::qa4) return neighbour(events, question);
  World world;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!world.apply(events[i], i)) return std::nullopt;
  }
  const i64 first = question.labels[0].number;
  if (question.task == StoryTask::qa1) return world.where_is_person(first);
  if (question.task == StoryTask::qa2) return world.where_is_thing(first);
  if (question.task == StoryTask::qa3)
    return world.where_was_thing(first, question.labels[1].number);
  return gift(events, question);
}

}  // namespace longreach::datasets
