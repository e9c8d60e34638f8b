// What a run left behind, for `export`: its folder, or a records file alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/record.h"
#include "reports/rows.h"

namespace longreach::harness {

class Store;

/// Of a folder with a store everything comes from there; its records from records.jsonl where that
/// still tells of the same cells, since deriving what stands across cells takes long. Of a folder
/// without one from the data files (docs/records.md).
class ExportSource {
 public:
  /// A run's folder, or a file in the format of records.csv or records.jsonl by that ending. Throws
  /// Error when it is none.
  explicit ExportSource(const std::string& path);
  ~ExportSource();
  ExportSource(ExportSource&&) noexcept;

  std::vector<Record> records;
  std::string name, configuration, manifest, command;  ///< as of reports::Results

  /// Throws Error when it has no samples.jsonl or curves.jsonl, or what these are made from.
  void require(const std::string& file) const;
  /// Read anew each time. View this object; empty where require() throws.
  reports::Rows<SampleRecord> samples() const;
  reports::Rows<Curve> curves() const;

  /// Whether the store had cells that are not what was stored.
  bool damaged() const;

 private:
  void read_store();
  void read_files();

  std::string path_;
  bool is_folder_ = false;
  std::unique_ptr<Store> store_;  ///< of a folder that has one
};

}  // namespace longreach::harness
