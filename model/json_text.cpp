// Parses JSON whose nesting and names are not believed.
#include "model/json_text.h"

#include <set>
#include <string>

#include "core/error.h"

namespace longreach::model {

Json parse_object(std::string_view text, std::string_view what, int depth) {
  std::set<std::string> names;
  std::string problem;
  const auto look = [&](int at, Json::parse_event_t event, Json& parsed) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && at >= depth) problem = "nests too deep";
    if (event == Json::parse_event_t::key && at == 1) {
      const std::string name = parsed.get<std::string>();
      if (!names.insert(name).second) problem = fmt::format("names '{}' twice", name);
    }
    return problem.empty();
  };
  Json object;
  std::string syntax;
  try {
    object = Json::parse(text, look);
  } catch (const Json::exception& bad) {
    syntax = bad.what();
  }
  if (!problem.empty()) throw error("{} {}", what, problem);
  if (!syntax.empty()) throw error("{} is not valid JSON ({})", what, syntax);
  if (!object.is_object()) throw error("{} is no JSON object", what);
  return object;
}

}  // namespace longreach::model
