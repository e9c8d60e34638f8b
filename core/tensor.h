// Dense tensors and non-owning strided views of them.
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

#include "core/memory_count.h"

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

/// Cache-line alignment, so that kernels may load whole vectors. Without kZero, numbers that are
/// given no value keep what the memory held.
template <class T, bool kZero = true>
struct AlignedAllocator {
  using value_type = T;
  template <class U>
  struct rebind {
    using other = AlignedAllocator<U, kZero>;
  };
  static constexpr std::align_val_t kAlignment{64};
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U, kZero>&) {}
  T* allocate(std::size_t n) {
    T* p = static_cast<T*>(::operator new(n * sizeof(T), kAlignment));
    MemoryCount::add(static_cast<i64>(n * sizeof(T)));
    return p;
  }
  void deallocate(T* p, std::size_t n) {
    MemoryCount::remove(static_cast<i64>(n * sizeof(T)));
    ::operator delete(p, kAlignment);
  }
  template <class U>
  requires(!kZero) void construct(U* p) noexcept { ::new (static_cast<void*>(p)) U; }
  bool operator==(const AlignedAllocator&) const { return true; }
};
using Floats = std::vector<float, AlignedAllocator<float>>;
/// For what is written before it is read: Scratch(n) and resize() leave the numbers as they are.
using Scratch = std::vector<float, AlignedAllocator<float, false>>;

/// How a tensor stores its numbers. Arithmetic is float32 always; the halves (IEEE 754 binary16,
/// and bfloat16: a float's upper 16 bits) are for what is kept and read often, see core/half.h.
enum class Element { f32, f16, bf16 };
using Half = std::uint16_t;  ///< the bits of an f16 or bf16
/// As Scratch: Halves(n) leaves the numbers as they are.
using Halves = std::vector<Half, AlignedAllocator<Half, false>>;

constexpr i64 bytes_of(Element element) { return element == Element::f32 ? 4 : 2; }

/// An owning row-major tensor, zero when made. Copying copies the numbers.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(std::vector<i64> shape, Element element = Element::f32)
      : shape_(std::move(shape)), element_(element), size_(count(shape_)) {
    const auto n = static_cast<std::size_t>(size_);
    element == Element::f32 ? data_.resize(n, 0.0f) : halves_.resize(n, Half{0});
  }
  /// Holds what the memory held: for what is written before it is read.
  static Tensor unset(std::vector<i64> shape, Element element = Element::f32) {
    Tensor tensor;
    tensor.shape_ = std::move(shape);
    tensor.element_ = element;
    tensor.size_ = count(tensor.shape_);
    const auto n = static_cast<std::size_t>(tensor.size_);
    element == Element::f32 ? tensor.data_.resize(n) : tensor.halves_.resize(n);
    return tensor;
  }

  const std::vector<i64>& shape() const { return shape_; }
  Element element() const { return element_; }
  i64 size() const { return size_; }
  i64 bytes() const { return size_ * bytes_of(element_); }

  /// Row-major, of whatever element.
  void* data() {
    return element_ == Element::f32 ? static_cast<void*>(data_.data()) : halves_.data();
  }
  const void* data() const { return const_cast<Tensor*>(this)->data(); }

  // Of f32 tensors only.
  std::span<float> flat() {
    assert(element_ == Element::f32);
    return data_;
  }
  std::span<const float> flat() const {
    assert(element_ == Element::f32);
    return data_;
  }
  /// R must be the tensor's rank.
  template <int R>
  View<float, R> view() {
    return {flat().data(), extents<R>()};
  }
  template <int R>
  View<const float, R> view() const {
    return {flat().data(), extents<R>()};
  }

  // Of f16 and bf16 tensors only.
  std::span<Half> halves() {
    assert(element_ != Element::f32);
    return halves_;
  }
  std::span<const Half> halves() const {
    assert(element_ != Element::f32);
    return halves_;
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
  Element element_ = Element::f32;
  i64 size_ = 0;
  Scratch data_;
  Halves halves_;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

}  // namespace longreach
