// Every command and option of the command line, and where what is given goes.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "harness/attend.h"
#include "harness/bench.h"
#include "harness/compare_command.h"
#include "harness/export_command.h"
#include "harness/generate_command.h"
#include "harness/import_command.h"
#include "harness/run_command.h"
#include "harness/verify_command.h"
#include "harness/watch.h"

namespace longreach::harness {

/// All that the options fill in.
struct Options {
  RunRequest run;
  MergeRequest merge;
  CompareRequest compare;
  ExportRequest exports;
  CellRequest cell;
  VerifyRequest verify;
  AttendOptions attend;
  BenchRequest bench;
  GenerateRequest generate;
  ImportRequest import;
  bool schema = false;
  std::string name, from;
  WatchRequest watch;                   ///< its folder is also that of report without --watch
  bool watches = false, table = false;  ///< of report
  std::vector<std::string> plugins;
};

/// Declares all commands, which fill in `options` when they are parsed.
void add_commands(CLI::App&, Options& options);

}  // namespace longreach::harness
