// Blocks of text to be predicted, at fixed places of the held-out documents.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "datasets/dataset.h"
#include "metrics/metric.h"

namespace longreach::metrics {

using Documents = std::vector<std::span<const Token>>;

/// The `targets` tokens of a document that end before token `end` are to be predicted.
struct Block {
  std::size_t document = 0;
  i64 end = 0;
};

/// At most `most` blocks (0: all there are), evenly spread over all that lie `spacing` tokens apart
/// and have `context` tokens before their last target. Throws Error, opening with `where`, when no
/// document is that long.
std::vector<Block> spread_blocks(const Documents&, i64 context, i64 spacing, i64 most,
                                 std::string_view where);

/// -log p in nats of each block's last `targets` tokens, [blocks][targets]. The model starts empty
/// and reads the `context` tokens before the last target, so the first target sees context -
/// targets + 1 tokens and the last one all. targets <= context.
std::vector<std::vector<double>> block_losses(const model::Transformer&, const Documents&,
                                              std::span<const Block>, i64 context, i64 targets);

/// The longest context length of the task, this cell's included.
i64 longest_length(const Session&);

std::span<const Token> targets_of(const Documents&, const Block&, i64 targets);

/// Hash of a block's place and target tokens, hex: equal for every backend and context length.
std::string block_sha(const Documents&, const Block&, i64 targets);

/// "document 0, tokens 1024 to 1535", for people.
std::string block_name(const Block&, i64 targets);

/// Hash of samples by their hashes, hex.
std::string set_sha(std::span<const SampleRecord>);

}  // namespace longreach::metrics
