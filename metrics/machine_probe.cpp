// Probes of arithmetic and of memory, compiled once for each instruction set.
#include "metrics/machine_probe.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "metrics/machine_probe.cpp"
#include <hwy/foreach_target.h>
//
#include <algorithm>
#include <atomic>
#include <chrono>
#include <hwy/cache_control.h>
#include <hwy/highway.h>
#include <unistd.h>

HWY_BEFORE_NAMESPACE();
namespace longreach::metrics::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Twelve chains hide a multiply-add's latency on two ports. Returns the FLOP done; what was
/// computed goes to `sink`, so that no compiler may leave it out.
double MultiplyAdds(i64 steps, float& sink) {
  const D d;
  // Each from a value of its own: a compiler computes equal chains but once.
  const auto start = [d, sink](int chain)
                         HWY_ATTR { return hn::Set(d, sink + static_cast<float>(chain)); };
  V a = start(0), b = start(1), c = start(2), e = start(3), f = start(4), g = start(5),
    h = start(6), i = start(7), j = start(8), k = start(9), l = start(10), m = start(11);
  const V x = hn::Set(d, 0.999f), y = hn::Set(d, 0.001f);
  for (i64 step = 0; step < steps; ++step) {
    a = hn::MulAdd(a, x, y);
    b = hn::MulAdd(b, x, y);
    c = hn::MulAdd(c, x, y);
    e = hn::MulAdd(e, x, y);
    f = hn::MulAdd(f, x, y);
    g = hn::MulAdd(g, x, y);
    h = hn::MulAdd(h, x, y);
    i = hn::MulAdd(i, x, y);
    j = hn::MulAdd(j, x, y);
    k = hn::MulAdd(k, x, y);
    l = hn::MulAdd(l, x, y);
    m = hn::MulAdd(m, x, y);
  }
  V sum = hn::Zero(d);
  for (const V& v : {a, b, c, e, f, g, h, i, j, k, l, m}) sum = hn::Add(sum, v);
  sink = hn::GetLane(hn::SumOfLanes(d, sum));
  return 2.0 * 12.0 * static_cast<double>(steps) * static_cast<double>(hn::Lanes(d));
}

float Sum(const float* x, i64 n) {
  constexpr i64 kAhead = 512, kLine = 16;
  const D d;
  const i64 lanes = static_cast<i64>(hn::Lanes(d));
  V a = hn::Zero(d), b = a, c = a, e = a;
  for (i64 i = 0; i + 4 * lanes <= n; i += 4 * lanes) {
    // Without this the processor's own prefetchers stop at every page, and read less.
    for (i64 line = 0; line < 4 * lanes; line += kLine) hwy::Prefetch(x + i + kAhead + line);
    a = hn::Add(a, hn::Load(d, x + i));
    b = hn::Add(b, hn::Load(d, x + i + lanes));
    c = hn::Add(c, hn::Load(d, x + i + 2 * lanes));
    e = hn::Add(e, hn::Load(d, x + i + 3 * lanes));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
}

}  // namespace longreach::metrics::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longreach::metrics {
namespace {

HWY_EXPORT(MultiplyAdds);
HWY_EXPORT(Sum);

using Clock = std::chrono::steady_clock;
std::atomic<float> results;  ///< kept, so that the work is

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

double fma_peak(int threads) {
  constexpr i64 kSteps = 3 << 18;
  double flop = 0;
  Clock::time_point start;
#pragma omp parallel num_threads(threads) reduction(+ : flop)
  {
#pragma omp barrier
#pragma omp master
    start = Clock::now();
    float sink = 1;
    flop = HWY_DYNAMIC_DISPATCH(MultiplyAdds)(kSteps, sink);
    results = sink;
  }
  return flop / seconds_since(start);
}

ReadProbe::ReadProbe()
    : buffer_(static_cast<std::size_t>(std::clamp<i64>(4 * sysconf(_SC_LEVEL3_CACHE_SIZE),
                                                       i64{64} << 20, i64{1} << 30)) /
                  sizeof(float),
              1.0f) {}

double ReadProbe::bandwidth(int threads) const {
  // Whole cache lines for each thread.
  const i64 share = static_cast<i64>(buffer_.size()) / threads / 64 * 64;
  const Clock::time_point start = Clock::now();
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int thread = 0; thread < threads; ++thread) {
    results = HWY_DYNAMIC_DISPATCH(Sum)(buffer_.data() + thread * share, share);
  }
  return static_cast<double>(share * threads) * sizeof(float) / seconds_since(start);
}

}  // namespace longreach::metrics
#endif
