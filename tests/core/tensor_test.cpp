// Views and tensors.
#include "core/tensor.h"

#include <catch2/catch.hpp>

using namespace longreach;

TEST_CASE("A tensor is row-major and zero when made") {
  Tensor tensor({2, 3});
  for (const float x : tensor.flat()) REQUIRE(x == 0);
  tensor.view<2>()(1, 2) = 5;
  REQUIRE(tensor.flat()[5] == 5);
  REQUIRE(tensor.bytes() == 24);
}

TEST_CASE("A slice sees the same memory with fewer indices") {
  Tensor tensor({2, 4, 3});
  const auto slice = tensor.view<3>().slice(1, 1, 2);
  REQUIRE(slice.extent(1) == 2);
  slice(1, 0, 2) = 7;
  REQUIRE(tensor.view<3>()(1, 1, 2) == 7);
  REQUIRE(slice.row(1, 1).data() == tensor.view<3>().row(1, 2).data());
}

TEST_CASE("A view with strides reads columns of a wider matrix") {
  Tensor wide({3, 10});
  const View<float, 3> heads(wide.flat().data() + 4, {3, 2, 3}, {10, 3, 1});
  heads(2, 1, 0) = 9;
  REQUIRE(wide.view<2>()(2, 7) == 9);
}
