// Makes registered datasets from settings.
#pragma once

#include "datasets/dataset.h"
#include "tests/settings.h"

namespace longreach::datasets {

inline std::unique_ptr<Dataset> make_dataset(const std::string& type, tests::Settings settings,
                                             const Tokenizer& tokenizer, const Rng& rng) {
  return tests::make<DatasetRegistry>(type, std::move(settings), tokenizer, rng);
}

}  // namespace longreach::datasets
