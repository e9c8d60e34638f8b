// Tests metrics/memory.cpp.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<datasets::Tokenizer> bytes = datasets::byte_tokenizer();

TEST_CASE("Full attention holds exactly the keys and values of every token") {
  const model::Transformer model = full_model(256);
  const Findings found = make_metric("memory")->measure(session(model, *bytes, 600));
  // Keys and values, 2 layers, 2 key/value heads of 8 floats, 600 tokens.
  const double full = 2.0 * 2 * 2 * 8 * 4 * 600;
  CHECK(*find(found, "memory/state_declared").value == full);
  CHECK(*find(found, "memory/state_held").value == full);
  CHECK(*find(found, "memory/full_kv_ratio").value == 1);
  CHECK(find(found, "memory/full_kv_ratio").higher_is_better == true);
  CHECK(find(found, "memory/state_held").ci_method == "exact");
  CHECK(find(found, "memory/state_held").n == 1);
}

TEST_CASE("A smaller state shows as the compression ratio it is") {
  // The oracle keeps one float a token; full attention of its shape 2 * 10 floats.
  const model::Transformer model = oracle_model(
      10, [](std::span<const Token>) { return -1; }, 1);
  const Findings found = make_metric("memory")->measure(session(model, *bytes, 50));
  CHECK(*find(found, "memory/state_held").value == 50 * 4);
  CHECK(*find(found, "memory/full_kv_ratio").value == 20);
}

TEST_CASE("Weights and the resident peak are counted in bytes") {
  const model::Transformer model = full_model(256);
  const Findings found = make_metric("memory")->measure(session(model, *bytes, 50));
  i64 parameters = 0;
  for (const auto& parameter : model.parameters()) parameters += parameter.size;
  CHECK(*find(found, "memory/weights").value == 4.0 * static_cast<double>(parameters));
  CHECK(*find(found, "memory/peak_rss").value > *find(found, "memory/weights").value);
}

TEST_CASE("A backend that holds more than it declares is refused") {
  const model::Transformer model = oracle_model(
      10, [](std::span<const Token>) { return -1; }, 1, 0, -4);
  CHECK_THROWS_WITH(make_metric("memory")->measure(session(model, *bytes, 50)),
                    Contains("200 bytes") && Contains("196 are declared"));
}

}  // namespace
}  // namespace longreach::metrics
