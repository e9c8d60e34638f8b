// Turns the columns of a record, samples and curves into values, text and JSON.
#include "reports/columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

Value to_value(const std::string& text) { return text; }
Value to_value(bool flag) { return flag; }
Value to_value(Status status) {
  return std::string(EnumNames<Status>::names[static_cast<std::size_t>(status)]);
}
Value to_value(const std::optional<bool>& flag) { return flag ? Value(*flag) : Value(); }
Value to_value(const std::optional<i64>& count) { return count ? Value(*count) : Value(); }
Value to_value(const std::optional<double>& number) {
  return number && std::isfinite(*number) ? Value(*number) : Value();
}

struct Text {
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(const std::string& text) const { return text; }
  template <class Number>
  std::string operator()(Number number) const {
    std::array<char, 32> buffer;
    const std::to_chars_result end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
    return {buffer.data(), end.ptr};
  }
};

struct ToJson {
  Json operator()(std::monostate) const { return nullptr; }
  template <class Present>
  Json operator()(const Present& present) const {
    return present;
  }
};

Json finite_or_null(double number) { return std::isfinite(number) ? Json(number) : Json(nullptr); }

}  // namespace

std::vector<Column> columns(const Record& record) {
  std::vector<Column> out;
  record.columns([&out](std::string_view name, const auto& field) {
    out.push_back({name, to_value(field)});
  });
  return out;
}

bool is_of_cell(const Record& record, const void* field) {
  const void *begin = &record.cell, *end = &record.cell + 1;
  return std::less_equal<>()(begin, field) && std::less<>()(field, end);
}

const std::vector<std::string>& ColumnTexts::of(const Record& record) {
  const CellInfo& cell = record.cell;
  std::string key = cell.cell_id + '\n' + cell.run_id + '\n' + cell.started_at;
  const bool known = !texts_.empty() && !cell.cell_id.empty() && key == cell_;
  cell_ = std::move(key);
  std::size_t i = 0;
  record.columns([&](std::string_view name, const auto& field) {
    if (texts_.size() <= i) texts_.emplace_back();
    if (!known || !is_of_cell(record, &field)) texts_[i] = format_({name, to_value(field)});
    ++i;
  });
  return texts_;
}

std::string to_text(const Value& value) { return std::visit(Text{}, value); }

Json to_json(const Value& value) { return std::visit(ToJson{}, value); }

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string valid_utf8(const std::string& text) {
  const bool ascii = std::ranges::none_of(text, [](char c) { return (c & 0x80) != 0; });
  return ascii ? text : Json::parse(dump(text)).get<std::string>();
}

Json to_json(const SampleRecord& sample) {
  Json scores = Json::object();
  for (const auto& [name, score] : sample.scores) scores[name] = finite_or_null(score);
  return {{"cell_id", sample.cell_id},
          {"index", sample.index},
          {"sample_sha", sample.sample_sha},
          {"target", sample.target},
          {"output", sample.output},
          {"scores", scores},
          {"depth", to_json(to_value(sample.depth))},
          {"distance", to_json(to_value(sample.distance))},
          {"segments_crossed", to_json(to_value(sample.segments_crossed))},
          {"cluster", sample.cluster},
          {"excerpt", sample.excerpt}};
}

Json to_json(const Curve& curve) {
  Json x = Json::array(), y = Json::array();
  for (const double number : curve.x) x.push_back(finite_or_null(number));
  for (const double number : curve.y) y.push_back(finite_or_null(number));
  return {{"cell_id", curve.cell_id},
          {"name", curve.name},
          {"series", curve.series},
          {"x_unit", curve.x_unit},
          {"y_unit", curve.y_unit},
          {"x", x},
          {"y", y}};
}

}  // namespace longreach::reports
