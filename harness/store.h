// What has been found so far: one SQLite file, written a whole cell at a time.
//
// Tables (user_version kStoreVersion): plan(ordinal, cell_id) in the order of the last run;
// cells(cell_id, status, reason, info); measurements, samples and curves(cell_id, ordinal, json);
// meta(key, value). The JSON is that of harness/json_io.h.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.h"
#include "harness/json_io.h"

struct sqlite3;

namespace longreach::harness {

inline constexpr int kStoreVersion = 1;

/// Everything stored about the cells of a plan, in its order.
struct Stored {
  std::vector<Record> records;  ///< a cell without measurements has one with an empty metric
  std::vector<SampleRecord> samples;
  std::vector<Curve> curves;
  void add(Outcome);
};

class Store {
 public:
  enum class Open { create, existing };

  /// Opens `folder`/store.sqlite. Throws Error saying what to do when it is missing (`existing`),
  /// damaged, written by a newer version, or not writable.
  Store(const std::string& folder, Open);

  /// Stores one cell, replacing what was known of it: all or nothing.
  void finish(const Outcome& outcome);

  /// Does `work`, and keeps what it stores only when it returns.
  void all_or_nothing(const std::function<void()>& work);

  /// Nothing for a cell never stored.
  std::optional<CellInfo> find(const std::string& cell_id) const;
  /// All that is stored of it.
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

  Stored read() const;

  /// The same piece by piece: what `use` is given is all that is in memory. A cell without
  /// measurements comes with none.
  void each_cell(const std::function<void(CellInfo, std::vector<Measurement>)>& use) const;
  void each_sample(const std::function<void(const SampleRecord&)>& use) const;
  void each_curve(const std::function<void(const Curve&)>& use) const;
  /// Of one cell, in order.
  std::vector<SampleRecord> samples(const std::string& cell_id) const;

  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3*) const;
  };
  void prepare(bool create);
  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace longreach::harness
