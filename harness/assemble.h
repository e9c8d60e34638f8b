// Makes what a configuration names: tokenizers, datasets, metrics, backends, models.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attention/backend.h"
#include "datasets/dataset.h"
#include "harness/config.h"
#include "metrics/metric.h"
#include "model/transformer.h"

namespace longreach::harness {

/// Bytes, the words of the model's training data (of a mix, those of its parts in order), or what
/// an imported model came with. Throws Error when that data has no words.
std::shared_ptr<const datasets::Tokenizer> make_tokenizer(const ModelChoice&);

/// A relative `path` among the parameters is looked for in the current directory, then in `folder`.
/// Throws Error, starting with the place in the configuration.
std::unique_ptr<datasets::Dataset> make_dataset(const Component&, const std::string& folder,
                                                const datasets::Tokenizer&, const Rng&);

std::unique_ptr<metrics::Metric> make_metric(const Component&);

/// The model's architecture under that backend, which may set the heads: what every cell of the two
/// has. The model's own is resolved. Throws Error, starting with the place of the backend.
model::Architecture architecture_of(const ModelChoice&, const BackendChoice&);

/// One for each layer of architecture_of() the two; equal choices share one. Throws Error, starting
/// with the place.
std::vector<std::shared_ptr<const attention::Backend>> make_backends(const ModelChoice&,
                                                                     const BackendChoice&);

/// Whether what is measured, or trained first, are the weights of an import.
bool starts_imported(const ModelChoice&);

/// With weights as drawn for `seed`, or as imported; the architecture is resolved and has its
/// vocabulary.
model::Transformer make_model(const ModelChoice&, const BackendChoice&, i64 seed);

/// Tokens in a segment or window of the first layer that has one, else 0.
i64 segment_of(const BackendChoice&);

/// The least number of tokens that is whole segments in every layer that has segments; 0 when no
/// layer has.
i64 memory_segment_of(const BackendChoice&);

}  // namespace longreach::harness
