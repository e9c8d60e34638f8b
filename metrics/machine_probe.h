// What the machine can do at best, measured: the yardsticks that timings are held against.
#pragma once

#include "core/tensor.h"

namespace longreach::metrics {

/// Peak of float32 fused multiply-adds in FLOP/s (a multiply-add counts 2) with that many threads,
/// by independent chains in registers. Takes about 10 ms.
double fma_peak(int threads);

/// Reads memory that no cache holds.
class ReadProbe {
 public:
  /// A buffer of four times the last-level cache, at least 64 MiB.
  ReadProbe();
  /// Bytes per second of one pass over the buffer, each thread its own run.
  double bandwidth(int threads) const;

 private:
  Floats buffer_;
};

}  // namespace longreach::metrics
