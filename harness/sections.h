// What a configuration consists of, for those who describe it: the sections and their keys.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/fields.h"

namespace longreach::harness {

/// One kind of mapping in a configuration.
struct Section {
  std::string name;   ///< as `describe` calls it
  std::string about;  ///< where it stands, and what it is for
  /// Keys that are read by hand, since they hold more than single values.
  std::vector<FieldDescription> by_hand;
  std::function<void(Fields&)> visit;  ///< the others, with their defaults
};

/// All sections, outermost first.
const std::vector<Section>& sections();

/// All keys of one: those read by hand, then the others; a key visited twice counts once.
std::vector<FieldDescription> keys_of(const Section&);

}  // namespace longreach::harness
