#include "metrics/machine_probe.h"

#include <catch2/catch.hpp>

using namespace longreach::metrics;

TEST_CASE("The probes give what a processor of this century can do") {
  // Bounds no noise reaches: a scalar chain gives below 1 GFLOP/s, merged chains would give more
  // than two ports can.
  const double one = fma_peak(1);
  CHECK(one > 1e9);
  CHECK(one < 1e12);
  const ReadProbe reading;
  CHECK(reading.bandwidth(1) > 1e8);
  CHECK(reading.bandwidth(2) < 1e13);
}
