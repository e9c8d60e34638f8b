// The reference and the schema for editors: complete, and true to the reader.
#include "harness/schema.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "command.h"
#include "core/error.h"
#include "experiment.h"
#include "harness/catalogue.h"
#include "harness/sections.h"
#include "harness/yaml_source.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

using Json = nlohmann::json;

const Json& schema() {
  static const Json parsed = Json::parse(configuration_schema());
  return parsed;
}

/// What a validator of JSON Schema says of each file: "ok", or why not.
std::vector<std::string> verdicts(const std::string& files) {
  const TempFolder folder;
  write_file(folder / "schema.json", configuration_schema());
  const std::string line = "cd " LONGREACH_SOURCE_DIR
                           " && /usr/bin/python3 tests/harness/check_schema.py " +
                           folder / "schema.json" + " " + files + " >" + folder / "out";
  INFO("Debian's python3-jsonschema and python3-yaml are needed: scripts/bootstrap");
  REQUIRE(std::system(line.c_str()) == 0);
  std::istringstream out(read_file(folder / "out"));
  std::vector<std::string> lines;
  for (std::string one; std::getline(out, one);) lines.push_back(one);
  return lines;
}

std::vector<std::string> verdicts_of(const std::vector<std::string>& texts) {
  const TempFolder folder;
  std::string files;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    write_file(folder / fmt::format("{}.yaml", i), texts[i]);
    files += folder / fmt::format("{}.yaml ", i);
  }
  return verdicts(files);
}

/// The keys that the reader knows where it is given one that it does not.
std::set<std::string> known_to_reader(const Parts& parts) {
  try {
    read(parts);
  } catch (const Error& failure) {
    const std::string text = failure.what();
    const std::string before = "zzzzzzzzzzzz: unknown key; known: ";
    const std::size_t at = text.find(before);
    REQUIRE(at != std::string::npos);
    std::istringstream list(
        text.substr(at + before.size(), text.find('\n', at) - at - before.size()));
    std::set<std::string> keys;
    for (std::string key; std::getline(list, key, ',');) {
      keys.insert(key.substr(key.find_first_not_of(' ')));
    }
    return keys;
  }
  FAIL("was accepted");
  return {};
}

/// The keys of a mapping's schema, but for those that are no keys once the file is read.
std::set<std::string> keys_in_schema(const Json& mapping) {
  std::set<std::string> keys;
  for (const auto& [key, unused] : mapping["properties"].items()) keys.insert(key);
  keys.erase("zip");
  return keys;
}

std::set<std::string> without_include(std::set<std::string> keys) {
  keys.erase("include");
  return keys;
}

}  // namespace

TEST_CASE("Every file of configs satisfies the schema") {
  std::string files;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LONGREACH_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    files += entry.path().string() + " ";
    ++count;
  }
  REQUIRE(count > 10);
  INFO(files);
  CHECK(verdicts(files) == std::vector<std::string>(count, "ok"));
}

TEST_CASE("Whatever may be written satisfies the schema: sweeps, ranges, zips, units, variables") {
  std::vector<Parts> all(6);
  all[0].backends =
      "[{name: i, infini: {segment: 16..64*2, update: [linear, delta], rope: none}}, {full: }]";
  all[1].backends =
      "[{name: w, sliding_window: {zip: {window: [16, 2k], sinks: 1..2+1}}}, "
      "{name: z, zip: {sliding_window.window: [8, 16]}}]";
  all[2].models =
      "[{name: m, zip: {arch.width: [16, 32]}, arch: {layers: [1, 2], heads: '2'}, train: {data: "
      "{mix: [passkey, {recall: {pairs: [4, 8]}}]}, lr: 1e-3, seeds: 0..2+1, length: 1k, "
      "virtual_repetition: {share: [0, 0.5]}}}, {name: s, import: x.bin}, {name: d, train: none}]";
  all[3].tasks =
      "[latency, {name: p, perplexity: {model: reader, lengths: 64, data: {text: {path: 7}}}}, "
      "{passkey: {depths: [0, 25%], backends: full, data: passkey}}]";
  all[4].more =
      "environment: [HOME]\noutput: ${HOME}/runs\nlimits: {memory: 8GiB, time_per_cell: 10m, "
      "on_oom: continue}\nstatistics: {bootstrap: '${HOME}'}\n";
  all[5].backends =
      "[{name: h, layers: [full, {infini: {segment: 8}}]}, {name: p, pattern: [full], heads: [1, "
      "2]}"
      ", {include: parts/window.yaml}]";
  std::vector<std::string> texts;
  for (const Parts& parts : all) texts.push_back(parts.yaml());
  texts.push_back("include: [a.yaml, b.yaml]\nname: t\n");
  texts.push_back(
      "bench: [{backends: [full, {infini: {segment: 1k}}], phases: [decode], lengths: "
      "[1k..4k*2], threads: 1}]\n");
  CHECK(verdicts_of(texts) == std::vector<std::string>(texts.size(), "ok"));
}

TEST_CASE("Mistakes that the reader tells are told by the schema") {
  std::vector<Parts> wrong(16);
  wrong[0].more = "lenghts: [1]\n";
  wrong[1].backends = "[{name: a, infini: {segmant: 16}}]";
  wrong[2].backends = "[{name: a, infini: {segment: 0}}]";
  wrong[3].backends = "[{name: a, infini: {update: lineer}}]";
  wrong[4].backends = "[{name: a, infini: {}, full: {}}]";
  wrong[5].backends = "[{name: a}]";
  wrong[6].backends = "[{name: a, infini: {segment: 4 parsecs}}]";
  wrong[7].tasks = "[{perplexty: {}}]";
  wrong[8].tasks = "[perplexty]";
  wrong[9].more = "limits: {memory: 8 elephants}\n";
  wrong[10].more = "limits: {memory: [1GiB, 2GiB]}\n";
  wrong[11].models = "[{name: m, train: {data: {mix: []}}}]";
  wrong[12].models = "[{name: m, arch: {layers: 1.5}}]";
  wrong[14].tasks = "[{perplexity: {strid: 3}}]";
  wrong[15].tasks = "[{perplexity: {data: {txt: {path: x}}}}]";
  wrong[13].backends = "[{name: a, full: {rope: {theta: 0}}}]";
  std::vector<std::string> texts;
  for (const Parts& parts : wrong) {
    texts.push_back(parts.yaml());
    INFO(texts.back());
    CHECK_THROWS_AS(read(parts), Error);
  }
  texts.push_back("name: t\nmodels: []\nbackends: []\n");
  texts.push_back("version: 2\nname: t\nmodels: []\nbackends: []\n");
  texts.push_back("bench: [{phases: [sideways]}]\n");
  const std::vector<std::string> said = verdicts_of(texts);
  REQUIRE(said.size() == texts.size());
  for (std::size_t i = 0; i < said.size(); ++i) {
    INFO(texts[i]);
    CHECK(said[i] != "ok");
  }
}

TEST_CASE("The schema knows the same keys as the reader, section by section") {
  const Json& defs = schema()["$defs"];
  const std::string odd = "zzzzzzzzzzzz: 1";
  Parts parts;
  parts.more = odd + "\n";
  CHECK(known_to_reader(parts) == keys_in_schema(defs["experiment"]));
  parts = {};
  parts.models = "[{name: m, " + odd + "}]";
  const Json& model = defs["model"]["properties"];
  CHECK(known_to_reader(parts) == without_include(keys_in_schema(defs["model"])));
  parts.models = "[{name: m, arch: {" + odd + "}}]";
  CHECK(known_to_reader(parts) == without_include(keys_in_schema(model["arch"])));
  parts.models = "[{name: m, import: {path: x, " + odd + "}}]";
  CHECK(known_to_reader(parts) == without_include(keys_in_schema(model["import"]["anyOf"][1])));
  parts.models = "[{name: m, train: {data: passkey, " + odd + "}}]";
  CHECK(known_to_reader(parts) == without_include(keys_in_schema(model["train"]["anyOf"][1])));
  parts = {};
  parts.more = "statistics: {" + odd + "}\n";
  const Json& top = defs["experiment"]["properties"];
  CHECK(known_to_reader(parts) == without_include(keys_in_schema(top["statistics"])));
  for (const std::string metric : {"perplexity", "passkey", "latency"}) {
    parts = {};
    parts.tasks = "[{" + metric + ": {" + odd + "}}]";
    CHECK(known_to_reader(parts) == without_include(keys_in_schema(defs["metric." + metric])));
  }
  for (const std::string backend : {"infini", "full"}) {
    parts = {};
    parts.backends = "[{" + backend + ": {" + odd + "}}]";
    CHECK(known_to_reader(parts) == without_include(keys_in_schema(defs["backend." + backend])));
  }
}

TEST_CASE("A backend's entry has the same keys in the schema, the reference and the reader") {
  const Json& entry = schema()["$defs"]["backend"];
  const auto backend = std::ranges::find(sections(), "backend", &Section::name);
  REQUIRE(backend != sections().end());
  for (const FieldDescription& key : keys_of(*backend)) {
    if (!key.key.starts_with('<')) CHECK(entry["properties"].contains(key.key));
  }
  for (const std::string_view key : kEntryKeys) {
    INFO(key);
    CHECK(entry["properties"].contains(key));
  }
}

TEST_CASE("The pattern of each unit is what is read as a number in that unit") {
  const std::string letters = "kKMGTiBsmuhd%";
  std::vector<std::string> suffixes{"", " "};
  for (const char a : letters) {
    suffixes.push_back(std::string{a});
    for (const char b : letters) {
      suffixes.push_back(std::string{a, b});
      for (const char c : letters) suffixes.push_back(std::string{a, b, c});
    }
  }
  for (const Unit unit : {Unit::none, Unit::count, Unit::bytes, Unit::seconds, Unit::percent}) {
    const std::regex pattern(number_pattern(unit));
    for (const std::string number :
         {"1", "-2.5", "+3", "1e-3", ".5", "4.", "1E5", "e5", "", "0x1"}) {
      for (const std::string& suffix :
           number == "1" ? suffixes : std::vector<std::string>{"", "k"}) {
        INFO(number << suffix << " in unit " << static_cast<int>(unit));
        CHECK(std::regex_match(number + suffix, pattern) ==
              parse_number(number + suffix, unit).has_value());
      }
    }
  }
}

TEST_CASE("The reference has every section and everything registered, each key with its meaning") {
  const std::string text = describe_all();
  for (const Section& section : sections()) {
    CHECK_THAT(text, Contains("\n" + section.name + " (" + section.about + ")\n"));
    for (const FieldDescription& key : keys_of(section)) {
      INFO(section.name << "." << key.key);
      CHECK_FALSE(key.doc.empty());
    }
  }
  for (const char* name :
       {"\ninfini (backend): ", "\nperplexity (metric): ", "\nrecall (dataset): "}) {
    CHECK_THAT(text, Contains(name));
  }
}

TEST_CASE("The reference and the schema are printed by describe, not both at once") {
  // The tests register a metric that the program does not have.
  const std::string all = describe_all();
  CHECK(run_command("describe")
            .out.starts_with(all.substr(0, all.rfind("\n\n", all.find(" (metric): ")))));
  const Json printed = Json::parse(run_command("describe --schema").out);
  CHECK(printed["$defs"]["experiment"] == schema()["$defs"]["experiment"]);
  CHECK(printed["$defs"]["backend.infini"] == schema()["$defs"]["backend.infini"]);
  CHECK_THAT(run_command("describe backend").out, Contains("weights_of"));
  CHECK(run_command("describe infini --schema").exit_code == 2);
}
