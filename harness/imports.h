// Models that others trained, in an experiment: what their files say, and the backends as such a
// model needs them.
#pragma once

#include <string>

#include "harness/config.h"

namespace longreach::harness {

/// Fills in what an import's files say: headers, hash and tokenizer, and with them the model's
/// architecture. A hash that is there with a stamp which the files still have is believed: weights
/// can be many gigabytes. Relative paths are looked for in the current directory, then in `folder`.
/// Throws Error naming the file.
void resolve_import(ModelChoice&, const std::string& folder);

/// The backend with the rotary positions that an imported model was trained with, wherever the
/// configuration leaves them open: theta and the pairing, and the scaling unless it names one of
/// its own. Backends without positions, and those of other models, stay as they are.
BackendChoice with_positions_of(const ModelChoice&, const BackendChoice&);

/// `path` itself if there is such a file or folder, else in `folder`; "" when in neither.
std::string located_path(const std::string& path, const std::string& folder);

}  // namespace longreach::harness
