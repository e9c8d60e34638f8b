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
  CHECK_THAT(error(checkpoint.flags + "--prompt a --top-p 2"), Contains("--top-p"));
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
