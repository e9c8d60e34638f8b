// What the command line says for help.
#include "harness/help.h"

#include <map>
#include <vector>

#include "core/error.h"

namespace longreach::harness {
namespace {

const std::map<std::string, const char*> kExamples{
    {"run", "run configs/quickstart.yaml --output runs/quickstart"},
    {"train", "train configs/quickstart.yaml --backends full,window"},
    {"plan", "plan configs/quickstart.yaml --set models.reader.train.steps=100"},
    {"report", "report runs/quickstart --watch"},
    {"merge", "merge runs/all runs/first runs/second"},
    {"export", "export runs/quickstart --format latex"},
    {"list", "list"},
    {"describe", "describe infini"},
    {"verify", "verify --backends infini --quick"},
    {"attend", "attend --backend '{infini: {segment: 16}}' --in x.safetensors --out y.safetensors"},
    {"bench", "bench --backend full --backend '{infini: {segment: 1k}}' --lengths 1k,4k"},
    {"import", "import models/stories260K.bin --tokenizer models/tok512.bin"},
    {"generate", "generate configs/quickstart.yaml --backends full --prompt 'The harbour'"},
};

constexpr const char* kExitCodes =
    "Exit codes (docs/running.md): 0 ok; 1 a cell failed; 2 usage or configuration; 3 finished, "
    "but\n"
    "something is invalid; 4 `compare` found a regression; 130 interrupted, to be taken up again.\n"
    "`longreach COMMAND --help` tells a command's options and an example.";

std::string unknown(const CLI::App& command, const std::string& where, const std::string& word) {
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  const std::string near = nearest(word, known);
  return fmt::format("{}unknown option '{}'{}", where, word,
                     near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

}  // namespace

void add_examples(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const auto example = kExamples.find(command->get_name());
    if (example == kExamples.end() || !command->get_footer().empty()) continue;
    command->footer(fmt::format("Example: longreach {}", example->second));
  }
  app.footer(kExitCodes);
}

std::string unknown_option(const CLI::App& app) {
  for (std::string word : app.remaining()) {
    if (word.starts_with("-")) return unknown(app, "", word.substr(0, word.find('=')));
  }
  for (const CLI::App* command : app.get_subcommands()) {
    for (std::string word : command->remaining()) {
      if (!word.starts_with("-")) continue;
      return unknown(*command, command->get_name() + ": ", word.substr(0, word.find('=')));
    }
  }
  return "";
}

std::string where_to_look(const CLI::App& app) {
  const std::vector<CLI::App*> commands = app.get_subcommands();
  return commands.empty() ? "`longreach --help` tells the commands"
                          : fmt::format("`longreach {} --help` tells its options and an example",
                                        commands[0]->get_name());
}

}  // namespace longreach::harness
