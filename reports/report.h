// The report contract: records to a file.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "core/record.h"
#include "core/registry.h"
#include "reports/rows.h"

namespace longreach::reports {

struct Results {
  std::string title;
  std::string configuration;  ///< the YAML as the user wrote it
  std::string manifest;       ///< JSON object: build, machine, full configuration
  std::string command;        ///< how to reproduce
  Rows<Record> records;       ///< in plan order, a cell's rows together, derived ones last; a cell
                              ///< without measurements has one row with an empty metric
  Rows<SampleRecord> samples;
  Rows<Curve> curves;
};

struct File {
  std::string path;  ///< relative to the folder they are for
  std::string content;
};

class Report {
 public:
  virtual ~Report() = default;
  virtual std::string file_name() const = 0;  ///< "records.csv", placed in the output folder
  virtual void write(const Results&, std::ostream&) const = 0;

  /// Whether every run writes it into its folder; the others are for `longreach export` alone.
  virtual bool of_every_run() const { return true; }
  /// Whether what it writes of a cell says of which run it is.
  virtual bool tells_runs_apart() const { return true; }
  /// What goes into a folder: one file, unless the format wants several. write() throws Error when
  /// it would take more than one.
  virtual std::vector<File> files(const Results&) const;
};

using ReportRegistry = Registry<Report>;

}  // namespace longreach::reports

namespace longreach {
template <>
reports::ReportRegistry& reports::ReportRegistry::instance();
}
