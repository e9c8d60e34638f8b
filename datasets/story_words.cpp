// How the stories of story.h are told.
#include <array>
#include <fmt/format.h>
#include <numeric>

#include "core/error.h"
#include "datasets/prompt.h"
#include "datasets/story.h"

namespace longreach::datasets {
namespace {

constexpr std::array<std::string_view, 6> kPeople{"mary", "fred", "nora", "paul", "vera", "hugo"};
constexpr std::array<std::string_view, 5> kThings{"apple", "milk", "book", "lamp", "ball"};
/// The first six for people to walk about in.
constexpr std::array<std::string_view, 16> kPlaces{
    "kitchen", "garden",  "office", "bedroom", "balcony", "hallway", "cellar", "attic",
    "library", "nursery", "garage", "studio",  "pantry",  "terrace", "lounge", "laundry"};
constexpr i64 kWalkedPlaces = 6;
constexpr std::array<std::string_view, 4> kDirections{"north", "east", "south", "west"};

/// Two ways to say each act, by Act.
constexpr std::array<std::array<std::string_view, 2>, 4> kVerbs{{{" went to the", " walked to the"},
                                                                 {" took the", " picked up the"},
                                                                 {" dropped the", " put down the"},
                                                                 {" gave the", " handed the"}}};

}  // namespace

std::vector<Label> labels_of(StoryTask task, Sort sort) {
  i64 count = std::ssize(kPeople);
  if (sort == Sort::thing) count = std::ssize(kThings);
  if (sort == Sort::place) count = task == StoryTask::qa4 ? std::ssize(kPlaces) : kWalkedPlaces;
  std::vector<Label> labels;
  for (i64 i = 0; i < count; ++i) labels.push_back({sort, i});
  return labels;
}

std::vector<Label> labels_of(StoryTask task) {
  if (task != StoryTask::qa5) return labels_of(task, Sort::place);
  std::vector<Label> labels = labels_of(task, Sort::person);
  const std::vector<Label> things = labels_of(task, Sort::thing);
  labels.insert(labels.end(), things.begin(), things.end());
  return labels;
}

std::string_view name_of(const Label& label) {
  const auto number = static_cast<std::size_t>(label.number);
  if (label.sort == Sort::person) return kPeople[number];
  return label.sort == Sort::thing ? kThings[number] : kPlaces[number];
}

std::vector<std::string> sentence_of(const Event& event) {
  const auto label = [&event](std::size_t i) {
    return " " + std::string(name_of(event.labels[i]));
  };
  if (event.act == Act::lie) {
    const std::string_view direction = kDirections[static_cast<std::size_t>(event.direction)];
    return {" the", label(0), fmt::format(" is {} of the", direction), label(1), " ."};
  }
  const auto act = static_cast<std::size_t>(event.act);
  std::vector<std::string> parts{
      label(0), std::string(kVerbs[act][static_cast<std::size_t>(event.wording)]), label(1)};
  if (event.act == Act::give) {
    parts.emplace_back(" to");
    parts.push_back(label(2));
  }
  parts.emplace_back(" .");
  return parts;
}

std::size_t label_part(const Event& event, std::size_t label) {
  return 2 * label + (event.act == Act::lie ? 1 : 0);
}

std::string sentence_of(const StoryQuestion& question) {
  const auto name = [&question](std::size_t i) { return name_of(question.labels[i]); };
  const std::string_view direction = kDirections[static_cast<std::size_t>(question.direction)];
  switch (question.task) {
    case StoryTask::qa1:
      return fmt::format(" where is {} ?", name(0));
    case StoryTask::qa2:
      return fmt::format(" where is the {} ?", name(0));
    case StoryTask::qa3:
      return fmt::format(" where was the {} before the {} ?", name(0), name(1));
    case StoryTask::qa4:
      if (question.form == 0) return fmt::format(" what is {} of the {} ?", direction, name(0));
      return fmt::format(" what is the {} {} of ?", name(0), direction);
    case StoryTask::qa5:
      if (question.form == 0) return fmt::format(" who gave the {} to {} ?", name(0), name(1));
      if (question.form == 1) return fmt::format(" what did {} give to {} ?", name(0), name(1));
      return fmt::format(" who did {} give the {} to ?", name(0), name(1));
  }
  check(false, "a task there is");
  return "";
}

std::vector<std::string> story_words() {
  std::vector<std::string_view> texts(kPeople.begin(), kPeople.end());
  texts.insert(texts.end(), kThings.begin(), kThings.end());
  texts.insert(texts.end(), kPlaces.begin(), kPlaces.end());
  texts.insert(texts.end(), kDirections.begin(), kDirections.end());
  for (const auto& verbs : kVerbs) texts.insert(texts.end(), verbs.begin(), verbs.end());
  texts.push_back("the is of to . where was before what who gave did give ?");
  return words_of(texts);
}

}  // namespace longreach::datasets
