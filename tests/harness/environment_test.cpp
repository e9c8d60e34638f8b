// Variables of the environment: read only where a configuration names them.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/error.h"
#include "experiment.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

/// Set while the object lives; unset without a value.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (value) {
      setenv(name, value, 1);
    } else {
      unsetenv(name);
    }
  }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

/// Reads a text under that name of the dataset, with further lines.
Parts reading(const std::string& path, const std::string& more) {
  Parts parts;
  parts.models =
      "[{name: reader, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: {path: \"" +
      path + "\", held_out: 0.4}}, steps: 4, length: 64}}]";
  parts.more = more;
  return parts;
}

std::optional<std::string> path_of(const Experiment& experiment) {
  return param(experiment.models[0].training->data.params, "path");
}

}  // namespace

TEST_CASE("A variable that is listed is put where its name stands, in any value") {
  const Variable data("LONGREACH_DATA", "configs/data"), steps("LONGREACH_STEPS", "7");
  Parts parts =
      reading("${LONGREACH_DATA}/harbour.txt", "environment: [LONGREACH_DATA, LONGREACH_STEPS]\n");
  Overrides overrides;
  overrides.set = {"models.reader.train.steps=${LONGREACH_STEPS}"};
  const Experiment experiment = read(parts, overrides);
  CHECK(path_of(experiment) == "configs/data/harbour.txt");
  CHECK(experiment.models[0].training->params.steps == 7);
}

TEST_CASE("The stored configuration has the values, and no longer asks the environment") {
  std::string edited;
  {
    const Variable data("LONGREACH_DATA", "configs/data");
    edited =
        read(reading("${LONGREACH_DATA}/harbour.txt", "environment: [LONGREACH_DATA]\n")).edited;
  }
  CHECK_THAT(edited, Contains("LONGREACH_DATA: configs/data"));
  Overrides folder;
  folder.folder = LONGREACH_SOURCE_DIR;
  const Experiment again = read_experiment_text(edited, "copy.yaml", folder);
  CHECK(path_of(again) == "configs/data/harbour.txt");
  CHECK(again.edited == edited);
}

TEST_CASE("Nothing is replaced in a configuration that lists no variables") {
  const Variable data("LONGREACH_DATA", "configs/data");
  CHECK_THROWS_WITH(read(reading("${LONGREACH_DATA}/harbour.txt", "")),
                    Contains("${LONGREACH_DATA}/harbour.txt"));
}

TEST_CASE("Values are put in once, and a doubled dollar keeps the text as it is") {
  const Variable data("LONGREACH_DATA", "${LONGREACH_DATA}");
  const auto name_of = [](const std::string& text) {
    Parts parts = reading("configs/data/harbour.txt", "environment: [LONGREACH_DATA]\n");
    parts.models.insert(parts.models.find("held_out"), "separator: \"" + text + "\", ");
    return param(read(parts).models[0].training->data.params, "separator");
  };
  CHECK(name_of("<${LONGREACH_DATA}>") == "<${LONGREACH_DATA}>");
  CHECK(name_of("$${OTHER}$${LONGREACH_DATA}") == "${OTHER}${LONGREACH_DATA}");
  CHECK(name_of("${LONGREACH_DATA}${LONGREACH_DATA}") == "${LONGREACH_DATA}${LONGREACH_DATA}");
  CHECK(name_of("${ $ {x} ${1} ${") == "${ $ {x} ${1} ${");
}

TEST_CASE("Variables that are unset, unlisted or no text are refused with their line") {
  const auto refused = [](const Parts& parts, const std::string& words) {
    CHECK_THROWS_WITH(read(parts), Contains(words));
  };
  const Variable unset("LONGREACH_UNSET", nullptr);
  refused(reading("x", "environment:\n  - LONGREACH_UNSET\n"),
          "t.yaml:8 environment[0]: the environment variable LONGREACH_UNSET is not set");
  refused(reading("x", "environment: [a b]\n"), "t.yaml:7 environment[0]: 'a b' is no name");
  refused(reading("x", "environment: HOME\n"), "t.yaml:7 environment: expected a list of names");
  const Variable data("LONGREACH_DATA", "configs/data");
  refused(reading("${LONGREACH_DATE}/harbour.txt", "environment: [LONGREACH_DATA]\n"),
          "t.yaml:3 models[0].train.data.text.path: ${LONGREACH_DATE} is not listed under "
          "environment; did you mean 'LONGREACH_DATA'?");
  const Variable broken("LONGREACH_BROKEN", "a\nb");
  refused(reading("x", "environment: [LONGREACH_BROKEN]\n"),
          "LONGREACH_BROKEN is no UTF-8 text of one line");
  const Variable large("LONGREACH_LARGE", std::string(5000, 'x').c_str());
  refused(reading("x", "environment: [LONGREACH_LARGE]\n"),
          "LONGREACH_LARGE has 5000 bytes, but at most 4096 are read");
}

TEST_CASE("Uses of variables cannot add up to more than a configuration holds") {
  const Variable large("LONGREACH_LARGE", std::string(4000, 'x').c_str());
  std::string uses;
  for (int i = 0; i < 300; ++i) uses += "${LONGREACH_LARGE}";
  CHECK_THROWS_WITH(read(reading(uses, "environment: [LONGREACH_LARGE]\n")),
                    Contains("more than 1048576 bytes"));
}
