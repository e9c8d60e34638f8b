// How fast this machine does the work of a model under a backend, by short probes of it.
#pragma once

#include <memory>
#include <vector>

#include "attention/backend.h"
#include "model/transformer.h"

namespace longreach::harness {

/// Seconds and bytes that a model's work takes here. A call that has the rows of B streams' T
/// tokens go through the model takes
///   call + product P + (T > 1 ? reading : decoding) A,
/// P being the FLOP of its matrix products and A those of its mechanisms.
struct Pace {
  double call = 0;          ///< seconds
  double product = 0;       ///< seconds a FLOP
  double reading = 0;       ///< seconds a FLOP of mechanisms that read many tokens at a time
  double decoding = 0;      ///< of mechanisms that read one token
  double training = 3;      ///< a training step's time over that of its forward pass
  double scratch_row = 0;   ///< bytes that a row takes for the time of a call
  double training_row = 0;  ///< bytes that a row takes for the time of a training step
  double draw = 0;          ///< seconds to draw a weight
};

/// As a model of this size might do it on a machine with this peak in FLOP/s, a guess for where
/// nothing may be probed.
Pace assumed_pace(const model::Architecture&, double peak);

/// Runs a model of random weights and tokens for about `seconds`, a few milliseconds at least: as
/// it reads, decodes and, if `trains`, learns. Of a large model fewer layers and a smaller
/// vocabulary stand for the whole; what is too large even so has the assumed pace.
Pace probe_pace(const model::Architecture&,
                const std::vector<std::shared_ptr<const attention::Backend>>& backends, bool trains,
                double peak, double seconds);

}  // namespace longreach::harness
