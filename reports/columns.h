// A record as named values, and those values as text and as JSON: what the table reports share.
#pragma once

#include <array>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/record.h"

namespace longreach::reports {

/// A column's value; std::monostate when absent. A number that is not finite counts as absent.
using Value = std::variant<std::monostate, bool, i64, double, std::string>;

struct Column {
  std::string_view name;
  Value value;
};

/// Of which rows a table report is.
enum class What { records, samples, curves };

/// Every column of Record::columns, in order. A string column is always present, possibly empty.
std::vector<Column> columns(const Record& record);

/// The columns of one record after the other as text. What belongs to the cell is made once while
/// rows with its cell_id, run_id and started_at follow one another.
class ColumnTexts {
 public:
  using Format = std::function<std::string(const Column&)>;
  explicit ColumnTexts(Format format) : format_(std::move(format)) {}

  /// One text a column, in order; valid until the next call.
  const std::vector<std::string>& of(const Record& record);

 private:
  Format format_;
  std::string cell_;  ///< that the texts are of
  std::vector<std::string> texts_;
};

/// Whether a field of a record belongs to its cell rather than to its measurement.
bool is_of_cell(const Record& record, const void* field);

/// "" when absent; numbers as the shortest decimals that read back to the same bits.
std::string to_text(const Value& value);

/// The text itself, with U+FFFD for bytes that are not UTF-8.
std::string valid_utf8(const std::string& text);

/// null when absent.
nlohmann::ordered_json to_json(const Value& value);

/// One line of JSON without a line end. Bytes that are not UTF-8, which a byte-level model may well
/// write, become U+FFFD.
std::string dump(const nlohmann::ordered_json& json);

nlohmann::ordered_json to_json(const SampleRecord& sample);
nlohmann::ordered_json to_json(const Curve& curve);

}  // namespace longreach::reports

namespace longreach {
template <>
struct EnumNames<reports::What> {
  static constexpr std::array<std::string_view, 3> names{"records", "samples", "curves"};
};
}  // namespace longreach
