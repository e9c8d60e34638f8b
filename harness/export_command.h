// `export`: what runs found, in the formats of others.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace longreach::harness {

struct ExportRequest {
  std::vector<std::string> sources;  ///< harness/export_source.h
  std::string format;                ///< a registered report
  std::string output;  ///< a file; a folder when it is one or ends in '/'; "": standard output
  std::string what;    ///< "records", "samples" or "curves"; "": records
  /// Names; empty: all. A cell without measurements stays whatever metrics are chosen.
  std::vector<std::string> models, backends, tasks, metrics;
  std::vector<std::string> lengths;  ///< "512", "4k"
};

/// Adds the command and its options, which fill in `request`.
void add_export(CLI::App& app, ExportRequest& request);

/// Writes to `out`, or tells there what it wrote. Returns an exit code: 1 when a store had damaged
/// cells, which are left out. Throws Error for what the user can put right.
int export_command(const ExportRequest& request, std::ostream& out);

}  // namespace longreach::harness
