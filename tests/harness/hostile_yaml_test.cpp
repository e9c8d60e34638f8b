// Configurations that were made to hurt: refused in one line, at once.
#include <catch2/catch.hpp>
#include <chrono>

#include "core/error.h"
#include "experiment.h"
#include "harness/sweep.h"
#include "harness/yaml_source.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

std::string refusal(const std::string& yaml) {
  Overrides overrides;
  overrides.folder = LONGREACH_SOURCE_DIR;
  const auto start = std::chrono::steady_clock::now();
  std::string text = "was accepted";
  try {
    read_experiment_text(yaml, "t.yaml", overrides);
  } catch (const Error& failure) {
    text = failure.what();
  }
  // Well under a second by hundreds of times where it is built for speed; here also where every
  // access is checked, on a busy machine.
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  CHECK(spent.count() < 5);
  return text;
}

/// Refused in one short line that holds these words.
void refused(const std::string& yaml, const std::string& words) {
  const std::string text = refusal(yaml);
  CHECK(text.size() < 1000);
  CHECK_THAT(text, StartsWith("t.yaml") && Contains(words) && !Contains("\n"));
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("Aliases, which could multiply, are refused where the first stands") {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'z'; ++c) {
    bomb += fmt::format("{}: &{} [{}]\n", c, c,
                        repeated(std::string("*") + static_cast<char>(c - 1) + ", ", 9));
  }
  refused(bomb, "t.yaml:1: anchors (&) and aliases (*) are not read");
  refused("version: 1\nbase: {<<: *x}\n", "t.yaml:2: ");
}

TEST_CASE("Depth is refused before it is built") {
  refused("a:\n" + repeated("[", 500000), "t.yaml:2: nested more than 32 levels deep");
  refused(repeated("{a: ", 100000), "nested more than 32 levels deep");
  std::string block;
  for (int i = 0; i < 300; ++i) block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  refused(block, "nested more than 32 levels deep");
  refused(repeated("- ", 1000) + "a", "nested more than 32 levels deep");
  refused(repeated("? ", 1000) + "a", "nested more than 32 levels deep");
}

TEST_CASE("Size is refused: of the file, of a value, and of all values together") {
  refused("a: " + std::string(2 << 20, 'x'), "but a configuration has at most 1 MiB");
  refused("version: 1\na: " + std::string(100000, 'x'), "t.yaml:2: a value of 97.66 KiB");
  refused("a: [" + repeated("1,", 400000) + "]", "more than 50000 keys and values");
  refused("version: 1\n" + repeated("a: 1\n", 100000), "more than 50000 keys and values");
}

TEST_CASE("What is no text is refused with its line") {
  refused("version: 1\nname: \xFF\xFE\n", "t.yaml:2: not UTF-8 text");
  refused("version: 1\nname: \xED\xA0\x80\n", "t.yaml:2: not UTF-8 text");  // a lone surrogate
  refused("version: 1\nname: \"a\\0b\"\n", "t.yaml:2: a NUL character");
  refused(std::string("version: 1\nname: a\0b\n", 21), "t.yaml:2: a control character (0x00)");
  refused("version: 1\n\x04name: a\n", "t.yaml:2: a control character (0x04)");
  refused("version: 1\n\tname: a\n", "t.yaml:2: ");
  refused("models:\n\t- a\n", "t.yaml:2: ");
  refused("version: 1\nname: \"\\\n\\\r\"\n", "t.yaml:3: unknown escape character: \\x0d");
  refused("version: 1\nname: \"\\\xC3\xA9\"\n", "t.yaml:2: unknown escape character: \\xc3");
  refused("%YAML 9.9\n---\nversion: 1\n", "t.yaml:");
  refused("version: 1\n--- \nversion: 1\n", "more than one YAML document");
}

TEST_CASE("Doubled keys are refused wherever they stand") {
  Parts parts;
  const auto twice = [&](const std::string& line) {
    CHECK_THAT(refusal(parts.yaml()), StartsWith(line) && Contains("this key appears twice"));
  };
  parts.more = "seed: 1\nseed: 2\n";
  twice("t.yaml:8 seed: ");
  parts = {};
  parts.backends = "[{name: a, full: {}, full: {}}]";
  twice("t.yaml:4 backends[0].full: ");
  parts.backends = "[{name: a, full: {rope: {theta: 2, theta: 3}}}]";
  twice("t.yaml:4 backends[0].full.rope.theta: ");
}

TEST_CASE("Sweeps and ranges that multiply beyond reason are refused before they are built") {
  Parts parts;
  const std::string long_range = "1..1000+1";
  parts.backends = "[{name: a, sliding_window: {window: " + long_range + ", sinks: " + long_range +
                   ", rope: {theta: " + long_range + ", factor: " + long_range + "}}}]";
  refused(parts.yaml(),
          "t.yaml:4 backends[0]: sweeps that make 1e+12 entries of this list; at most 10000");
  parts.backends = "[" + repeated("full, ", 10001) + "]";
  refused(parts.yaml(), "t.yaml:4 backends: 10001 entries; at most 10000 are read");
  parts = {};
  parts.lengths = "[" + repeated(long_range + ", ", 11) + "]";
  refused(parts.yaml(), "t.yaml:5 lengths: a list of more than 10000 values");
  parts.lengths = "[1..1000+1]";
  parts.models =
      "[{name: reader, train: {data: {text: {path: x}}, seeds: [0..999+1], lr: [1..1000+1]}}]";
  refused(parts.yaml(), "t.yaml: asks for up to");
}

TEST_CASE("Lengths that no machine holds are refused without an attempt") {
  Parts parts;
  parts.lengths = "[4611686018427387904]";
  refused(parts.yaml(), "t.yaml:5 lengths: 4611686018427387904 is out of range");
  for (const std::string key : {"length", "shortest", "steps", "batch_tokens", "recompute"}) {
    parts = {};
    parts.models = "[{name: m, train: {data: {passkey: {}}, " + key + ": 4611686018427387904}}]";
    CHECK_THAT(refusal(parts.yaml()), StartsWith("t.yaml:3 models[0].train." + key +
                                                 ": 4611686018427387904 is out of range"));
  }
  parts = {};
  parts.backends = "[{name: a, sliding_window: {window: 4611686018427387904}}]";
  CHECK_THAT(refusal(parts.yaml()),
             StartsWith("t.yaml:4 backends[0].sliding_window.window: 4611686018427387904 is out of "
                        "range; must be between 1 and 1099511627776"));
}

TEST_CASE("What never ends or fits is refused before it is read or made") {
  Parts parts;
  parts.models = "[{name: reader, train: {data: {text: {path: /dev/zero}}}}]";
  refused(parts.yaml(), "text: '/dev/zero' is neither a file nor a folder");
  parts = {};
  parts.backends = "[{infini: {feature_map: random, features: 1099511627776}}]";
  refused(parts.yaml(), "features: 1099511627776 is out of range; must be between 0 and 16384");
}

TEST_CASE("A thousand mistakes are told in fifty lines") {
  std::string yaml = "version: 1\n";
  for (int i = 0; i < 1000; ++i) yaml += fmt::format("unknown{}: 1\n", i);
  const std::string text = refusal(yaml);
  CHECK(std::ranges::count(text, '\n') == 50);
  CHECK_THAT(text, Contains("more; put these right first"));
}

TEST_CASE("What a file makes of names and lines stays on its line") {
  refused(
      "version: 1\nname: t\nmodels: []\nbackends: []\ntasks: []\n\"a\\nlongreach: all is well\": "
      "1\n",
      "t.yaml:6 a\\nlongreach: all is well: unknown key");
  Parts parts;
  parts.backends = "[{name: \"a\\e[2J\", full: {}}]";
  CHECK_THAT(refusal(parts.yaml()), Contains("the name 'a\\x1b[2J' must have no space"));
}
