// `generate` and `import` as people call them.
#include <catch2/catch.hpp>

#include "tests/harness/command.h"
#include "tests/model/checkpoints.h"
#include "tests/test_data.h"

using namespace longreach;
using namespace longreach::tests;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

/// A random model of bytes and the flags that name it.
struct Checkpoint {
  Checkpoint() {
    model::Architecture architecture = model::llama(true);
    architecture.vocabulary = 256;
    model::write_bytes(folder / "model.bin",
                       model::llama2c_bytes(model::random_model(architecture, {}), 0, 96));
    flags = "--import " + folder / "model.bin" + " --tokenizer bytes --tokens 12 ";
  }
  TempFolder folder;
  std::string flags;
};

}  // namespace

TEST_CASE("generate prints the prompt, its continuation, and what that took") {
  const Checkpoint checkpoint;
  const Run run = run_command("generate " + checkpoint.flags + "--prompt abc");
  CHECK(run.exit_code == 0);
  CHECK_THAT(run.out, StartsWith("abc"));
  CHECK(run.out.size() == 3 + 12 + 1);  // a byte a token, and the line's end
  CHECK_THAT(run.err, Contains("12 tokens in") && Contains("after 3 read") &&
                          Contains("state 1920 bytes with room for 15 tokens"));
  // 2 layers of 2 key/value heads of 4: 2 x 2 x 4 x 2 floats a token, 15 tokens.
}

TEST_CASE("generate draws the same text again for the same seed, and another for another") {
  const Checkpoint checkpoint;
  const std::string call =
      "generate " + checkpoint.flags + "--prompt abc --temperature 1 --top-p 0.95 --seed ";
  const std::string one = run_command(call + "1").out;
  CHECK(run_command(call + "1").out == one);
  CHECK(run_command(call + "2").out != one);
}

TEST_CASE("generate reads prompts from files and runs any backend") {
  const Checkpoint checkpoint;
  write_file(checkpoint.folder / "prompt", "a\xff\n");
  const Run run =
      run_command("generate " + checkpoint.flags + "--prompt-file " + checkpoint.folder / "prompt" +
                  " --backend '{infini: {segment: 4, gate_initial: -2}}'");
  CHECK(run.exit_code == 0);
  CHECK_THAT(run.out, StartsWith("a\xff\n"));
}

TEST_CASE(
    "generate continues with what an experiment trained, of models that share a training too") {
  const TempFolder folder;
  write_file(folder / "t.yaml", R"(
version: 1
name: t
models:
  - {name: one, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: {path: configs/data/harbour.txt, held_out: 0.4}}, steps: 2, length: 32, batch_tokens: 64}}
  - {name: two, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: {path: configs/data/harbour.txt, held_out: 0.4}}, steps: 2, length: 32, batch_tokens: 64}}
backends: [{full: {}}]
lengths: [32]
tasks: [{name: a, perplexity: {model: one, stride: 16, tokens: 16}}, {name: b, perplexity: {model: two, stride: 16, tokens: 16}}]
)");
  const std::string flags = folder / "t.yaml --output " + (folder / "out");
  const std::string call = "generate " + flags + " --prompt ab --tokens 5 --models ";
  CHECK_THAT(run_command(call + "two").err, Contains("has not been trained"));
  REQUIRE(run_command("run " + flags).exit_code == 0);
  const Run one = run_command(call + "one"), two = run_command(call + "two");
  CHECK(one.exit_code == 0);
  CHECK_THAT(one.out, StartsWith("ab"));
  CHECK(two.out == one.out);
}

TEST_CASE("generate says what is wrong with a call") {
  const Checkpoint checkpoint;
  const auto error = [](const std::string& arguments) {
    const Run run = run_command("generate " + arguments);
    CHECK(run.exit_code == 2);
    CHECK(std::ranges::count(run.err, '\n') == 1);
    return run.err;
  };
  CHECK_THAT(error(checkpoint.flags), Contains("--prompt"));  // bytes have no opening token
  CHECK_THAT(error(checkpoint.flags + "--prompt a --backend nosuch"), Contains("nosuch"));
  CHECK_THAT(error(checkpoint.flags + "--prompt a --backend '[full]'"), Contains("--backend"));
  CHECK_THAT(error(checkpoint.flags + "--prompt a --top-p 2"), Contains("--top-p"));
  CHECK_THAT(error(checkpoint.flags + "--prompt a --top-p nan"), Contains("no number"));
  CHECK_THAT(error(checkpoint.flags + "--prompt a --temperature nan"), Contains("no number"));
  CHECK_THAT(error(checkpoint.flags + "--prompt-file /"), Contains("--prompt-file /"));
  CHECK_THAT(error(checkpoint.flags + "--prompt a --set seed=1"), Contains("--set"));
  CHECK_THAT(error(checkpoint.flags + "--prompt a --backnd full"), Contains("--backnd"));
  CHECK_THAT(error(checkpoint.flags + "configs/smoke.yaml --prompt a"), Contains("instead of"));
  CHECK_THAT(error("--import " + checkpoint.folder / "model.bin" + " --prompt a"),
             Contains("--tokenizer: is needed"));
  CHECK_THAT(error("--prompt a"), Contains("needs an experiment, or --import"));
  CHECK_THAT(error("--import nowhere.bin --tokenizer bytes --prompt a"), Contains("nowhere.bin"));
  CHECK_THAT(error("configs/smoke.yaml --prompt a --backends full"), Contains("--models"));
}

TEST_CASE("import tells what a checkpoint is and how an experiment names it") {
  const Checkpoint checkpoint;
  const Run run = run_command("import " + checkpoint.folder / "model.bin" + " --tokenizer bytes");
  CHECK(run.exit_code == 0);
  CHECK_THAT(run.out, Contains("llama2.c v0") && Contains("96 tokens") &&
                          Contains("pairing: interleaved") && Contains("all finite") &&
                          Contains("import: {path: "));
  CHECK(run_command("import " + checkpoint.folder / "nothing").exit_code == 2);
}

TEST_CASE("The published model writes the published story") {
  const auto model = test_data("stories260K.bin"), tokenizer = test_data("tok512.bin");
  if (!model || !tokenizer) return;
  const Run run =
      run_command("generate --tokens 70 --import " + *model + " --tokenizer " + *tokenizer);
  CHECK_THAT(run.out,
             StartsWith("Once upon a time, there was a little girl named Lily. She loved to "
                        "play outside in the park. One day, she saw a big, red ball."));
}
