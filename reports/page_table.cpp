#include "reports/page_table.h"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

namespace longreach::reports {

using Json = nlohmann::ordered_json;

double rounded(double number) {
  constexpr int kDigits = 6;
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number,
                                 std::chars_format::general, kDigits);
  double back = number;
  std::from_chars(text.data(), end.ptr, back);
  return back;
}

void PageColumn::add(Value value) {
  if (double* number = std::get_if<double>(&value)) *number = rounded(*number);
  rows_.push_back(places_.emplace(std::move(value), places_.size()).first->second);
}

Json PageColumn::json() const {
  std::vector<const Value*> values(places_.size());
  for (const auto& [value, place] : places_) values[place] = &value;
  if (values.size() == 1) return {{"all", to_json(*values[0])}};
  const bool repeats =
      values.size() * 3 < rows_.size() || std::holds_alternative<std::string>(*values.front());
  Json out = Json::array();
  if (!repeats) {
    for (const std::size_t place : rows_) out.push_back(to_json(*values[place]));
    return out;
  }
  for (const Value* value : values) out.push_back(to_json(*value));
  return {{"dictionary", std::move(out)}, {"rows", rows_}};
}

Json page_table(i64 rows, const std::vector<PageColumn>& columns) {
  Json named = Json::object();
  for (const PageColumn& column : columns) {
    if (rows > 0) named[column.name()] = column.json();
  }
  return {{"rows", rows}, {"columns", std::move(named)}};
}

}  // namespace longreach::reports
