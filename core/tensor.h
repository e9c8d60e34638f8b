// Dense float tensors and non-owning strided views of them.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace longreach {

using i64 = std::int64_t;
using Token = std::int32_t;

/// A non-owning view of rank R whose last dimension is contiguous.
/// Copy it freely; it must not outlive the memory it points at.
template <class T, int R>
class View {
 public:
  View() = default;
  /// Row-major and dense.
  View(T* data, std::array<i64, R> extents) : data_(data), extents_(extents) {
    i64 stride = 1;
    for (int d = R - 1; d >= 0; --d) {
      strides_[d] = stride;
      stride *= extents_[d];
    }
  }
  View(T* data, std::array<i64, R> extents, std::array<i64, R> strides)
      : data_(data), extents_(extents), strides_(strides) {}

  operator View<const T, R>() const requires(!std::is_const_v<T>) {
    return {data_, extents_, strides_};
  }

  T* data() const { return data_; }
  i64 extent(int d) const { return extents_[d]; }
  i64 stride(int d) const { return strides_[d]; }
  const std::array<i64, R>& extents() const { return extents_; }

  /// One element, given all R indices.
  template <class... I>
  requires(sizeof...(I) == R) T& operator()(I... i) const {
    return data_[offset({static_cast<i64>(i)...})];
  }
  /// The contiguous last dimension, given the R - 1 indices before it.
  template <class... I>
  requires(sizeof...(I) == R - 1) std::span<T> row(I... i)
  const {
    return {data_ + offset({static_cast<i64>(i)..., 0}), static_cast<std::size_t>(extents_[R - 1])};
  }
  /// Indices [begin, begin + count) of dimension d.
  View slice(int d, i64 begin, i64 count) const {
    assert(0 <= begin && 0 <= count && begin + count <= extents_[d]);
    View v = *this;
    v.data_ += begin * strides_[d];
    v.extents_[d] = count;
    return v;
  }

 private:
  i64 offset(const std::array<i64, R>& index) const {
    i64 sum = 0;
    for (int d = 0; d < R; ++d) {
      assert(0 <= index[d] && (index[d] < extents_[d] || (d == R - 1 && index[d] == 0)));
      sum += index[d] * strides_[d];
    }
    return sum;
  }

  T* data_ = nullptr;
  std::array<i64, R> extents_{}, strides_{};
};

/// Cache-line alignment, so that kernels may load whole vectors.
template <class T>
struct AlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlignment)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kAlignment); }
  bool operator==(const AlignedAllocator&) const { return true; }
};
using Floats = std::vector<float, AlignedAllocator<float>>;

/// An owning row-major tensor, zero when made. Copying copies the numbers.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(std::vector<i64> shape)
      : shape_(std::move(shape)), data_(static_cast<std::size_t>(count(shape_))) {}

  const std::vector<i64>& shape() const { return shape_; }
  std::span<float> flat() { return data_; }
  std::span<const float> flat() const { return data_; }
  i64 size() const { return static_cast<i64>(data_.size()); }
  i64 bytes() const { return size() * static_cast<i64>(sizeof(float)); }

  /// R must be the tensor's rank.
  template <int R>
  View<float, R> view() {
    return {data_.data(), extents<R>()};
  }
  template <int R>
  View<const float, R> view() const {
    return {data_.data(), extents<R>()};
  }

  static i64 count(const std::vector<i64>& shape) {
    i64 product = 1;
    for (const i64 extent : shape) product *= extent;
    return product;
  }

 private:
  template <int R>
  std::array<i64, R> extents() const {
    assert(shape_.size() == R);
    std::array<i64, R> a{};
    for (int d = 0; d < R; ++d) a[d] = shape_[d];
    return a;
  }

  std::vector<i64> shape_;
  Floats data_;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

}  // namespace longreach
