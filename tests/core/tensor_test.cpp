// Views and tensors.
#include "core/tensor.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace longreach;

namespace {

/// Leaves memory behind that is not zero, for the next of that size to get.
void soil(std::size_t numbers) {
  const Floats used(numbers, 7.0F);
  const Halves half(numbers, Half{7});
}

}  // namespace

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

TEST_CASE("A tensor's numbers are zero however they are stored and whatever the memory held") {
  for (const Element element : {Element::f32, Element::f16, Element::bf16}) {
    CAPTURE(static_cast<int>(element));
    soil(600);
    const Tensor tensor({20, 30}, element);
    REQUIRE(tensor.bytes() == 600 * bytes_of(element));
    const auto* bytes = static_cast<const unsigned char*>(tensor.data());
    CHECK(std::all_of(bytes, bytes + tensor.bytes(), [](unsigned char x) { return x == 0; }));
  }
}

TEST_CASE("An unset tensor has the shape and the size of one that is set") {
  for (const Element element : {Element::f32, Element::f16, Element::bf16}) {
    CAPTURE(static_cast<int>(element));
    Tensor tensor = Tensor::unset({2, 3, 5}, element);
    CHECK(tensor.shape() == std::vector<i64>{2, 3, 5});
    CHECK(tensor.element() == element);
    CHECK(tensor.size() == 30);
    CHECK(tensor.bytes() == 30 * (element == Element::f32 ? 4 : 2));
    if (element == Element::f32) {
      CHECK(tensor.flat().size() == 30);
      tensor.view<3>()(1, 2, 4) = 5;
      CHECK(tensor.flat()[29] == 5);
    } else {
      CHECK(tensor.halves().size() == 30);
    }
  }
}

TEST_CASE("Floats are zero when made and scratch holds the number it is given") {
  const auto all = [](const auto& numbers, float value) {
    return std::ranges::all_of(numbers, [value](float x) { return x == value; });
  };
  soil(600);
  CHECK(all(Floats(600), 0));
  soil(600);
  CHECK(all(Scratch(600, 0.0F), 0));
  Scratch grown(100, 3.0F);
  soil(600);
  grown.resize(600, 3.0F);
  CHECK(grown.size() == 600);
  CHECK(all(grown, 3));
}
