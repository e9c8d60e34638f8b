// The report contract: records to a file.
#pragma once

#include <ostream>
#include <string>

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

class Report {
 public:
  virtual ~Report() = default;
  virtual std::string file_name() const = 0;  ///< "records.csv", placed in the output folder
  virtual void write(const Results&, std::ostream&) const = 0;
};

using ReportRegistry = Registry<Report>;

}  // namespace longreach::reports

namespace longreach {
template <>
reports::ReportRegistry& reports::ReportRegistry::instance();
}
