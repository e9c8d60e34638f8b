// What has been found so far: one SQLite file, written a whole cell at a time.
//
// Tables (harness/store_migrations.h has their versions): plan(ordinal, cell_id) in the order of
// the last run; cells(cell_id, status, reason, info, digest); measurements, samples and
// curves(cell_id, ordinal, json); meta(key, value). The JSON is that of harness/json_io.h, a cell's
// digest that of harness/stored_cell.h.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/record.h"
#include "harness/json_io.h"
#include "harness/store_migrations.h"

namespace longreach::harness {

/// Everything stored about the cells of a plan, in its order.
struct Stored {
  std::vector<Record> records;  ///< a cell without measurements has one with an empty metric
  std::vector<SampleRecord> samples;
  std::vector<Curve> curves;
  void add(Outcome);
};

struct StoredCell;

/// "longreach: MESSAGE" on standard error.
void tell_on_stderr(const std::string& message);

class Store {
 public:
  enum class Open {
    create,   ///< for who holds the folder: makes a new store, salvages a damaged one
    existing  ///< for who reads
  };
  /// Takes what a person should know of, once each.
  using Tell = std::function<void(const std::string&)>;

  /// Opens `folder`/store.sqlite and brings it to the present version. Throws Error saying what to
  /// do when it is missing (`existing`), damaged beyond salvage(), written by a newer version, not
  /// ours, or not writable.
  Store(const std::string& folder, Open, Tell tell = tell_on_stderr);

  /// Stores one cell, replacing what was known of it: all or nothing, and safe from a loss of power
  /// once it returns.
  void finish(const Outcome& outcome);

  /// Does `work`, and keeps what it stores only when it returns.
  void all_or_nothing(const std::function<void()>& work);

  /// Nothing for a cell never stored, or one whose rows are not those that were stored: the latter
  /// is told of and counts as never run.
  std::optional<CellInfo> find(const std::string& cell_id) const;
  /// All that is stored of it, under the same conditions.
  std::optional<Outcome> outcome(const std::string& cell_id) const;
  /// Ids of all that is stored, in the plan or not, in their own order.
  std::vector<std::string> stored_cells() const;

  void set_plan(const std::vector<std::string>& cell_ids);
  /// Ids in plan order, finished or not.
  std::vector<std::string> plan() const;

  void set_meta(const std::string& key, const std::string& value);
  std::string meta(const std::string& key) const;  ///< "" when never set
  std::vector<std::string> meta_keys() const;

  /// How many cells of the plan have which status; "not run" for those never stored.
  std::map<std::string, i64> statuses() const;

  /// All of one moment, without the cells that find() does not believe.
  Stored read() const;

  /// The same piece by piece: what `use` is given is all that is in memory. A cell without
  /// measurements comes with none.
  void each_cell(const std::function<void(CellInfo, std::vector<Measurement>)>& use) const;
  void each_sample(const std::function<void(const SampleRecord&)>& use) const;
  void each_curve(const std::function<void(const Curve&)>& use) const;
  /// Of one cell, in order.
  std::vector<Measurement> measurements(const std::string& cell_id) const;
  std::vector<SampleRecord> samples(const std::string& cell_id) const;
  std::vector<Curve> curves(const std::string& cell_id) const;

  /// Cells found damaged so far.
  const std::set<std::string>& damaged() const { return damaged_; }

  const std::string& path() const { return path_; }

 private:
  void open(Open);
  void choose_journal();
  std::optional<StoredCell> believed(const std::string& id) const;
  std::vector<std::string> rows(const std::string& id, std::size_t table) const;
  std::vector<std::string> texts(const std::string& sql) const;
  void note_damaged(const std::string& id) const;

  std::string path_;
  Tell tell_;
  std::unique_ptr<Database> database_;
  mutable std::set<std::string> damaged_;
  mutable std::unordered_set<std::string> intact_;  ///< their digests were looked at
};

}  // namespace longreach::harness
