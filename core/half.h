// Half-precision storage: conversion of rows between float32 and binary16 or bfloat16.
#pragma once

#include <array>
#include <string_view>

#include "core/fields.h"
#include "core/tensor.h"

namespace longreach {

/// to[i] = from[i], exactly. `element` is f16 or bf16.
void widen(const Half* from, Element element, float* to, i64 n);

/// to[i] = from[i] rounded to nearest, ties to even. Beyond the largest f16 (65504) it becomes
/// infinite. `element` is f16 or bf16.
void narrow(const float* from, Element element, Half* to, i64 n);

/// A tensor's numbers as float32, whatever it stores.
Floats widened(const Tensor& tensor);

/// Largest relative error of rounding to `element` (f32 counts as none): 2^-11, 2^-8.
double rounding_of(Element element);

template <>
struct EnumNames<Element> {
  static constexpr std::array<std::string_view, 3> names{"f32", "f16", "bf16"};
};

}  // namespace longreach
