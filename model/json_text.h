// JSON from strangers.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace longreach::model {

using Json = nlohmann::json;

/// The object that `text` is. Throws Error beginning with `what` ("PATH: the header") for text that
/// is not JSON, no object, names a member of the outermost object twice, or nests deeper than
/// `depth` objects and lists.
Json parse_object(std::string_view text, std::string_view what, int depth);

}  // namespace longreach::model
