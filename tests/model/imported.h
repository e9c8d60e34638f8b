// Holds what was imported against the float64 definition of what was written.
#pragma once

#include <catch2/catch.hpp>

#include "model/import.h"
#include "tests/model/checkpoints.h"
#include "tests/model/naive_transformer.h"

namespace longreach::model {

/// Imports `path` into a model made from nothing but its headers, and compares its logits with the
/// definition of `source`, whose weights and rotary positions the files were written from.
inline void check_imported_logits(const std::string& path, const Transformer& source) {
  const ImportedModel headers = read_model_headers(path);
  Transformer model = blank_model(headers.architecture, headers.rope);
  import_weights(path, model);
  const std::vector<Token> tokens = random_tokens(24, headers.architecture.vocabulary, 4);
  const i64 count = std::ssize(tokens);
  StreamState state = model.initial_state(1, count);
  Tensor logits({1, count, headers.architecture.vocabulary});
  model.forward({tokens.data(), {1, count}}, state, logits.view<3>(), nullptr);
  const std::vector<Doubles> expected = NaiveTransformer(source).logits(tokens);
  for (i64 t = 0; t < count; ++t) {
    const Doubles& row = expected[static_cast<std::size_t>(t)];
    for (std::size_t i = 0; i < row.size(); ++i) {
      const float found = logits.view<3>().row(0, t)[i];
      REQUIRE(static_cast<double>(found) == Approx(row[i]).margin(5e-5));
    }
  }
}

}  // namespace longreach::model
