// Makes a backend from the way people write one on a command line.
#pragma once

#include <memory>
#include <string>

#include "attention/backend.h"

namespace longreach::harness {

/// `text` is a backend's name, or YAML of one mapping: "{infini: {segment: 16}}". Throws Error,
/// beginning with `where`, for text that is neither, unknown names and wrong parameters.
std::unique_ptr<attention::Backend> make_backend(const std::string& where, const std::string& text,
                                                 const attention::Shape& shape);

}  // namespace longreach::harness
