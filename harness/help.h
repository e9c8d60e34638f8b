// What the command line says for help, and of words that it does not know.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace longreach::harness {

/// An example below the help of each subcommand that has none yet, exit codes below that of all.
void add_examples(CLI::App&);

/// What to say of the first option that no command of the line has, after a failed parse; "" when
/// that is not what was wrong.
std::string unknown_option(const CLI::App&);

/// Whose help to ask for after a failed parse.
std::string where_to_look(const CLI::App&);

}  // namespace longreach::harness
