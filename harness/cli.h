// The command line: options, subcommands, exit codes.
#pragma once

namespace longreach::harness {

enum ExitCode : int {
  kExitOk = 0,
  kExitCellFailed = 1,
  kExitUsage = 2,
  kExitInvalid = 3,
  kExitRegression = 4,  ///< found by compare
  kExitInterrupted = 130,
};

/// Runs the program. Results go to stdout, progress and messages to stderr. Never throws.
int command_line(int argc, char** argv);

}  // namespace longreach::harness
