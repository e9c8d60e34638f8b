// The YAML visitor: what it reads, what it refuses and with which words.
#include "harness/yaml_reader.h"

#include <array>
#include <catch2/catch.hpp>

#include "core/error.h"

using namespace longreach;
using namespace longreach::harness;
using Catch::Matchers::Contains;

namespace {

enum class Colour { red, green };

struct Inner {
  i64 depth = 3;
  void fields(Fields& f) { f("depth", depth, at_least(1), ""); }
};

struct Params {
  i64 tokens = 7;
  double rate = 0.5, seconds = 1;
  bool flag = false;
  std::string text = "none yet";
  std::vector<i64> lengths{1};
  Colour colour = Colour::red;
  Inner inner;
  std::optional<Inner> maybe = Inner{};
  void fields(Fields& f);
};

/// Reads one mapping; returns the problems, "" when there are none.
std::string read(const std::string& yaml, Params& params, Sweep* sweep = nullptr) {
  const Source source{.file = "t.yaml", .set_paths = {}};
  Problems problems;
  YamlFields reader(parse_yaml(yaml, "t.yaml"), "at", {source, problems, sweep});
  params.fields(reader);
  reader.finish();
  try {
    problems.raise();
  } catch (const Error& failure) {
    return failure.what();
  }
  return "";
}

std::string problem_of(const std::string& yaml) {
  Params params;
  return read(yaml, params);
}

}  // namespace

template <>
struct longreach::EnumNames<Colour> {
  static constexpr std::array<std::string_view, 2> names{"red", "green"};
};

void Params::fields(Fields& f) {
  f("tokens", tokens, between(1, 1 << 20, Unit::count), "");
  f("rate", rate, at_least(0), "");
  f("seconds", seconds, at_least(0, Unit::seconds), "");
  f("flag", flag, "");
  f("text", text, "");
  f("lengths", lengths, at_least(1, Unit::count), "");
  f("colour", colour, "");
  f("inner", inner, "");
  f("maybe", maybe, "");
}

TEST_CASE("Numbers are read by their field's unit, quoted or not") {
  Params params;
  REQUIRE(read("tokens: '4k'\nrate: 1e-3\nseconds: 10m\nflag: \"true\"\ntext: 1e-3\n"
               "colour: green\ninner: {depth: 9}\nmaybe: none\nlengths: [512, 1k]",
               params) == "");
  CHECK(params.tokens == 4096);
  CHECK(params.rate == 1e-3);
  CHECK(params.seconds == 600);
  CHECK(params.flag);
  CHECK(params.text == "1e-3");
  CHECK(params.colour == Colour::green);
  CHECK(params.inner.depth == 9);
  CHECK_FALSE(params.maybe);
  CHECK(params.lengths == std::vector<i64>{512, 1024});
}

TEST_CASE("A single value stands for a list of one, and ranges unfold inside lists") {
  Params params;
  REQUIRE(read("lengths: 2k", params) == "");
  CHECK(params.lengths == std::vector<i64>{2048});
  REQUIRE(read("lengths: [7, 512..4k*2, 1..4+1]", params) == "");
  CHECK(params.lengths == std::vector<i64>{7, 512, 1024, 2048, 4096, 1, 2, 3, 4});
}

TEST_CASE("Keys that are absent keep their defaults, and an empty mapping is one") {
  Params params;
  REQUIRE(read("", params) == "");
  CHECK(params.tokens == 7);
  CHECK(params.maybe->depth == 3);
}

TEST_CASE("What is wrong is told with its line, its dotted key and what would do") {
  CHECK(problem_of("\ntokns: 3") == "t.yaml:2 at.tokns: unknown key; did you mean 'tokens'?");
  CHECK(problem_of("inner: {dept: 3}") ==
        "t.yaml:1 at.inner.dept: unknown key; did you mean 'depth'?");
  CHECK(problem_of("tokens: 1.5") ==
        "t.yaml:1 at.tokens: '1.5' is not a whole number (such as 512 or 4k)");
  CHECK(problem_of("tokens: 0") ==
        "t.yaml:1 at.tokens: 0 is out of range; must be between 1 and 1048576");
  CHECK(problem_of("rate: fast") == "t.yaml:1 at.rate: 'fast' is not a number");
  CHECK(problem_of("rate: nan") == "t.yaml:1 at.rate: 'nan' is not a number");
  CHECK(problem_of("flag: yes") == "t.yaml:1 at.flag: 'yes' is neither true nor false");
  CHECK(problem_of("colour: blue") == "t.yaml:1 at.colour: 'blue' is not one of red, green");
  CHECK(problem_of("colour: gren") ==
        "t.yaml:1 at.colour: 'gren' is not one of red, green; did you mean 'green'?");
  CHECK(problem_of("rate: [1, 2]") == "t.yaml:1 at.rate: expected a single value, found a list");
  CHECK(problem_of("rate:") == "t.yaml:1 at.rate: expected a single value, found nothing");
  CHECK(problem_of("lengths: {a: 1}") == "t.yaml:1 at.lengths: expected a list, found a mapping");
  CHECK(problem_of("lengths: [4..1+1]") ==
        "t.yaml:1 at.lengths: '4..1+1' is not a range such as 512..8192*2 or 1..4+1");
  CHECK(problem_of("inner: 3") == "t.yaml:1 at.inner: expected a mapping of keys, found '3'");
  CHECK(problem_of("rate: 1\nrate: 2") == "t.yaml:2 at.rate: this key appears twice");
}

TEST_CASE("All problems are told at once, a line each") {
  CHECK(problem_of("tokens: 0\nrate: x\ncolor: red") ==
        "t.yaml:1 at.tokens: 0 is out of range; must be between 1 and 1048576\n"
        "t.yaml:2 at.rate: 'x' is not a number\n"
        "t.yaml:3 at.color: unknown key; did you mean 'colour'?");
}

TEST_CASE("A list where one value is expected is read once for each combination, last fastest") {
  Sweep sweep;
  std::vector<std::string> seen;
  do {
    Params params;
    REQUIRE(read("rate: [1, 2]\ncolour: [red, green]\nlengths: [8, 9]", params, &sweep) == "");
    CHECK(params.lengths.size() == 2);
    seen.push_back(
        fmt::format("{}/{}{}", params.rate, static_cast<int>(params.colour), sweep.suffix()));
  } while (sweep.advance());
  CHECK(seen == std::vector<std::string>{"1/0 rate=1 colour=red", "1/1 rate=1 colour=green",
                                         "2/0 rate=2 colour=red", "2/1 rate=2 colour=green"});
}

TEST_CASE("Reading gives the same canonical text as the struct that was read") {
  Params params;
  REQUIRE(read("tokens: 4k\nmaybe: {depth: 5}\ntext: it's", params) == "");
  const Source source{.file = "t.yaml", .set_paths = {}};
  Problems problems;
  YamlFields reader(parse_yaml("tokens: 4k\nmaybe: {depth: 5}\ntext: it's", "t.yaml"), "",
                    {source, problems});
  Params fresh;
  CHECK(read_canonical(reader, [&fresh](Fields& f) { fresh.fields(f); }) == canonical(params));
}

TEST_CASE("Deep, aliased, broken and doubled documents are refused with their line") {
  CHECK_THROWS_WITH(parse_yaml(std::string(40, '['), "t.yaml"), Contains("t.yaml:1"));
  CHECK_THROWS_WITH(parse_yaml(std::string(40, '[') + std::string(40, ']'), "t.yaml"),
                    "t.yaml:1: nested more than 32 levels deep");
  CHECK_THROWS_WITH(parse_yaml("a: &x 1", "t.yaml"), Contains("anchors (&) and aliases (*)"));
  CHECK_THROWS_WITH(parse_yaml("a: 1\nb: [2", "t.yaml"), Contains("t.yaml:2"));
  CHECK_THROWS_WITH(parse_yaml("a: 1\n---\nb: 2", "t.yaml"), Contains("more than one YAML"));
  CHECK_NOTHROW(parse_yaml(std::string(31, '[') + std::string(31, ']'), "t.yaml"));
}

TEST_CASE(
    "A --set reaches keys through names, indices and types left out, and tells where it went") {
  Source source{.file = "t.yaml", .set_paths = {}};
  const YAML::Node root = parse_yaml(
      "seed: 1\nbackends: [{name: a, full: {}}, {name: b, infini: {segment: 8}}]\n"
      "tasks: [{perplexity: {stride: 3}}]",
      "t.yaml");
  apply_set(root, "seed=7", source);
  apply_set(root, "backends.b.segment=16", source);
  apply_set(root, "backends.1.infini.update=[linear, delta]", source);
  apply_set(root, "tasks.perplexity.stride=5", source);
  apply_set(root, "statistics.bootstrap=100", source);
  CHECK(root["seed"].Scalar() == "7");
  CHECK(root["backends"][1]["infini"]["segment"].Scalar() == "16");
  CHECK(root["backends"][1]["infini"]["update"].size() == 2);
  CHECK(root["tasks"][0]["perplexity"]["stride"].Scalar() == "5");
  CHECK(root["statistics"]["bootstrap"].Scalar() == "100");
  CHECK(source.place(root["backends"][1]["infini"]["segment"], "backends[1].infini.segment") ==
        "--set backends[1].infini.segment");
  CHECK_THROWS_WITH(apply_set(root, "backends.c.segment=1", source), Contains("no entry 'c'"));
  CHECK_THROWS_WITH(apply_set(root, "seed.x=1", source), Contains("'seed' holds no keys"));
  CHECK_THROWS_WITH(apply_set(root, "seed", source), Contains("expected path=value"));
}
