// Tests datasets/dataset.cpp, and what every registered dataset must do.
#include "datasets/dataset.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/sha256.h"

namespace longreach::datasets {
namespace {

TEST_CASE("Every registered dataset describes its parameters and registers without problems") {
  for (const auto& [name, entry] : DatasetRegistry::instance().entries()) {
    INFO(name);
    CHECK_FALSE(entry.summary.empty());
    CHECK_FALSE(describe(entry.visit_defaults).empty());
  }
  CHECK(DatasetRegistry::instance().problems().empty());
}

TEST_CASE("Vocabularies are those of the generators, none for free text") {
  CHECK_FALSE(task_vocabulary("passkey").empty());
  CHECK(task_vocabulary("text").empty());
  CHECK_THROWS_WITH(task_vocabulary("paskey"), Catch::Matchers::Contains("'passkey'"));
}

TEST_CASE("A sample's hash is the SHA-256 of its tokens as 32-bit little-endian numbers") {
  Sample sample;
  sample.tokens = {1, 258};
  const std::string bytes{"\x01\0\0\0\x02\x01\0\0", 8};
  CHECK(sample.sha() == sha256(bytes));
}

}  // namespace
}  // namespace longreach::datasets
