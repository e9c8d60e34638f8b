// Shared libraries given with --plugin. They are built by tests/plugins/build.cmake, which the test
// harness/build_plugins runs; the tag [plugin] makes CTest wait for it.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "command.h"
#include "experiment.h"
#include "model/safetensors.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;

namespace {

const std::string kPlugins = LONGREACH_BINARY_DIR "/plugins/";
const std::string kExample = kPlugins + "example/build/liblinear.so";

std::string with(const std::string& path) { return " --plugin " + path; }

/// Cells of the example beside cells of the program's own, and a stack that has both.
std::string experiment() {
  Parts parts;
  parts.models =
      "[{name: m, arch: {layers: 2, width: 16, heads: 2}, train: {data: {text: {path: "
      "'" LONGREACH_SOURCE_DIR
      "/configs/data/harbour.txt', held_out: 0.4}}, steps: 2, length: 64, batch_tokens: 64}}]";
  parts.backends =
      "[{name: full, full: {}, baseline: true}, {name: linear, example_linear: {}}, "
      "{name: mixed, layers: [{full: {}}, {example_linear: {}}]}]";
  parts.lengths = "[64]";
  return parts.yaml();
}

/// The ids of each backend's cells, out of what `plan` prints.
std::map<std::string, std::set<std::string>> planned(const Run& plan) {
  REQUIRE(plan.exit_code == 0);
  std::map<std::string, std::set<std::string>> ids;
  std::istringstream lines(plan.out);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id, model, backend;
    words >> id >> model >> backend;
    if (model == "m") ids[backend].insert(id);
  }
  REQUIRE(ids.size() == 3);
  return ids;
}

bool disjoint(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::ranges::none_of(a, [&b](const std::string& id) { return b.contains(id); });
}

/// The outputs of `backend` for one stream and one head of size 2.
std::vector<float> attended(const std::string& backend, const std::vector<float>& k,
                            const std::vector<float>& v) {
  const TempFolder folder;
  const i64 tokens = std::ssize(k) / 2;
  model::TensorFile file;
  file.tensors = {{"q", Tensor({1, tokens, 1, 2})},
                  {"k", Tensor({1, tokens, 1, 2})},
                  {"v", Tensor({1, tokens, 1, 2})}};
  std::ranges::copy(k, file.tensors[1].tensor.flat().begin());
  std::ranges::copy(v, file.tensors[2].tensor.flat().begin());
  model::write_safetensors(folder / "in", file);
  const Run run = run_command("attend --backend '" + backend + "' --in " + folder / "in" +
                              " --out " + folder / "out" + with(kExample));
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  const model::TensorFile written = model::read_safetensors(folder / "out");
  const auto out = written.find("out")->flat();
  return {out.begin(), out.end()};
}

/// Refused in one line that begins with the file's name and says `words`.
void require_plugin_refused(const std::string& path, const std::string& words) {
  const Run run = run_command("list" + with(path));
  require_refused(run, words);
  CHECK_THAT(run.err, Catch::StartsWith(
                          "longreach: " + std::filesystem::weakly_canonical(path).string() + ": "));
}

}  // namespace

TEST_CASE("A plugin's backend is listed, described and verified as the built-in ones are",
          "[plugin]") {
  CHECK_THAT(run_command("list" + with(kExample)).out, Contains("example_linear"));
  // With heads of 32 and 2 of them: two tensors of 2 x 32 x 33 floats of 4 bytes, at any length.
  const std::string text = run_command("describe example_linear" + with(kExample)).out;
  CHECK_THAT(text, Contains("eps"));
  CHECK_THAT(text, Contains("state memory [1, 2, 32, 33]"));
  CHECK_THAT(text, Contains("state bytes 16896; with twice the room 16896"));
  const Run verify = run_command("verify --quick --backends example_linear" + with(kExample));
  INFO(verify.out << verify.err);
  CHECK(verify.exit_code == 0);
  CHECK_THAT(verify.out, Contains("pass gradient"));
}

TEST_CASE("Nothing of a plugin is there without the plugin option", "[plugin]") {
  CHECK_THAT(run_command("list").out, !Contains("example_linear"));
  require_refused(run_command("describe example_linear"), "unknown name 'example_linear'");
}

TEST_CASE("The plugin option works before and after a command's name, and every help tells it",
          "[plugin]") {
  const std::string after = run_command("describe example_linear" + with(kExample)).out;
  CHECK(run_command("--plugin=" + kExample + " describe example_linear").out == after);
  for (const char* command :
       {"", "run", "plan", "report", "list", "describe", "verify", "attend", "bench"}) {
    CAPTURE(command);
    CHECK_THAT(run_command(std::string(command) + " --help").out, Contains("--plugin"));
  }
}

TEST_CASE("A plugin given twice, once by a path with detours, is loaded once", "[plugin]") {
  const Run run = run_command("list" + with(kExample) +
                              with(kPlugins + "refused/../example/./build/liblinear.so"));
  INFO(run.err);
  CHECK(run.exit_code == 0);
}

TEST_CASE("A plugin's backend attends by its equations and takes its parameters", "[plugin]") {
  // Queries are 0: phi(0) = [1, 1], so a key counts by the sum of its phi, ELU(x) + 1 each.
  SECTION("one key returns its value") {
    const std::vector<float> out = attended("example_linear", {0, 0}, {3, -5});
    CHECK(out[0] == Approx(3));
    CHECK(out[1] == Approx(-5));
  }
  SECTION("phi([0, 0]) counts 1 + 1 = 2, phi([3, 1]) counts 4 + 2 = 6") {
    const std::vector<float> out = attended("example_linear", {0, 0, 3, 1}, {8, 0, 16, 4});
    CHECK(out[2] == Approx((2 * 8 + 6 * 16) / 8.0));
    CHECK(out[3] == Approx((2 * 0 + 6 * 4) / 8.0));
  }
  SECTION("eps stands in the denominator") {
    const std::vector<float> out = attended("{example_linear: {eps: 1}}", {0, 0}, {3, -6});
    CHECK(out[0] == Approx(2 * 3 / (2 + 1.0)));
    CHECK(out[1] == Approx(2 * -6 / (2 + 1.0)));
  }
}

TEST_CASE("A run's cells load a plugin that was given by a relative path", "[plugin]") {
  const TempFolder folder;
  write_file(folder / "c.yaml", experiment());
  const std::string relative = std::filesystem::relative(kExample, LONGREACH_SOURCE_DIR);
  const std::string command =
      "run " + folder / "c.yaml" + " --output " + folder / "out" + with(relative);
  const Run first = run_command(command);
  INFO(first.err);
  CHECK(first.exit_code == 0);
  // A training, perplexity and memory for each of three backends.
  CHECK_THAT(first.out, Contains("9 cells run, 0 already done, 0 left"));
  // Two layers of two tensors for 2 heads of 8: 8 x 9 floats each, 2304 bytes.
  CHECK_THAT(first.out, Contains("2.25 KiB"));
  CHECK_THAT(run_command(command).out, Contains("0 cells run, 9 already done, 0 left"));
  CHECK(run_command("report " + folder / "out").exit_code == 0);  // needs no plugin
}

TEST_CASE("A cell's id depends on the bytes of the plugin that serves it, and on no others",
          "[plugin]") {
  const TempFolder folder;
  write_file(folder / "c.yaml", experiment());
  const auto plan = [&](const std::string& plugins) {
    return planned(run_command("plan " + folder / "c.yaml" + plugins));
  };
  const auto before = plan(with(kExample));
  write_file(folder / "moved.so", read_file(kExample));
  CHECK(plan(with(folder / "moved.so")) == before);

  write_file(folder / "changed.so", read_file(kExample) + "\n");
  const auto after = plan(with(folder / "changed.so"));
  CHECK(after.at("full") == before.at("full"));
  CHECK(disjoint(after.at("linear"), before.at("linear")));
  CHECK(disjoint(after.at("mixed"), before.at("mixed")));
}

TEST_CASE("What is no plugin at all is refused in one line", "[plugin]") {
  const TempFolder folder;
  require_plugin_refused(folder / "none.so", "takes the path of a shared library");
  require_plugin_refused(kPlugins + "refused", "is no regular file");
  write_file(folder / "text.so", "#!/bin/sh\necho no library\n");
  require_plugin_refused(folder / "text.so", "is no shared library");
  write_file(folder / "empty.so", "");
  require_plugin_refused(folder / "empty.so", "is no shared library");
  require_plugin_refused(
      kPlugins + "refused/libstranger.so",
      "is no Longreach plugin, or one from before plugins were stamped; build it against");
}

TEST_CASE("A plugin of another ABI is refused before any of it runs", "[plugin]") {
  // The same source built against the right headers ends the process as soon as it is loaded.
  const Run intruder = run_command("list" + with(kPlugins + "refused/libintruder.so"));
  CHECK(intruder.exit_code != 2);
  CHECK(intruder.exit_code != 0);
  require_plugin_refused(kPlugins + "refused_abi/libintruder.so",
                         "was built for plugin ABI 4242, this program has");
}

TEST_CASE("A plugin whose standard library is in debug mode is refused", "[plugin]") {
  require_plugin_refused(kPlugins + "refused/libdebug.so", "in debug mode");
}

TEST_CASE("A plugin that takes a name that is taken is refused", "[plugin]") {
  require_plugin_refused(kPlugins + "refused/libclash.so",
                         "'full' is registered twice; give the plugin's another name");
  const TempFolder folder;
  write_file(folder / "copy.so", read_file(kExample));
  require_refused(run_command("list" + with(kExample) + with(folder / "copy.so")),
                  folder / "copy.so" + ": 'example_linear' is registered twice");
}

TEST_CASE("A plugin that needs a missing function or registers nothing is refused", "[plugin]") {
  require_plugin_refused(kPlugins + "refused/libundefined.so", "function_that_nobody_wrote");
  require_plugin_refused(kPlugins + "refused/libundefined.so", "link what it needs into it");
  require_plugin_refused(kPlugins + "refused/libnothing.so",
                         "registers nothing; see Registered in core/registry.h");
}

TEST_CASE("A run with a plugin that is refused writes nothing", "[plugin]") {
  const TempFolder folder;
  write_file(folder / "c.yaml", experiment());
  require_refused(run_command("run " + folder / "c.yaml" + " --output " + folder / "out" +
                              with(kPlugins + "refused/libstranger.so")),
                  "libstranger.so");
  CHECK_FALSE(std::filesystem::exists(folder / "out"));
}
