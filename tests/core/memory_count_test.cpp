#include "core/memory_count.h"

#include <catch2/catch.hpp>

#include "core/tensor.h"

using namespace longreach;

TEST_CASE("Tensors are counted while they live, and at their peak") {
  const i64 before = MemoryCount::live();
  MemoryCount::restart();
  {
    const Tensor held({10, 100});
    CHECK(MemoryCount::live() - before == 4000);
    { const Tensor more({500}, Element::bf16); }
    CHECK(MemoryCount::live() - before == 4000);
  }
  CHECK(MemoryCount::live() == before);
  CHECK(MemoryCount::peak() - before == 5000);
}
