// Counts the bytes of tensors and scratch: what AlignedAllocator hands out.
#pragma once

#include <atomic>
#include <cstdint>

namespace longreach {

/// Process-wide. Cheap enough to be always on: kernels allocate per task, not per row.
class MemoryCount {
 public:
  static void add(std::int64_t bytes) {
    const std::int64_t now = live_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    std::int64_t peak = peak_.load(std::memory_order_relaxed);
    while (now > peak && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
  }
  static void remove(std::int64_t bytes) { live_.fetch_sub(bytes, std::memory_order_relaxed); }
  /// Bytes allocated now.
  static std::int64_t live() { return live_.load(std::memory_order_relaxed); }
  /// The most that was live since the last restart().
  static std::int64_t peak() { return peak_.load(std::memory_order_relaxed); }
  static void restart() { peak_.store(live(), std::memory_order_relaxed); }

 private:
  static inline std::atomic<std::int64_t> live_{0}, peak_{0};
};

}  // namespace longreach
