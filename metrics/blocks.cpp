// The target blocks of blocks.h.
#include "metrics/blocks.h"

#include <algorithm>

#include "core/error.h"
#include "core/sha256.h"
#include "metrics/streams.h"
#include "model/scoring.h"

namespace longreach::metrics {

std::vector<Block> spread_blocks(const Documents& documents, i64 context, i64 spacing, i64 most,
                                 std::string_view where) {
  std::vector<Block> all;
  i64 longest = 0;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    const i64 length = static_cast<i64>(documents[d].size());
    longest = std::max(longest, length);
    for (i64 end = context + 1; end <= length; end += spacing) all.push_back({d, end});
  }
  if (all.empty()) {
    throw error(
        "{}: no held-out document has the {} tokens that a context of {} and its target need; the "
        "longest has {} (hold out more text or give shorter lengths)",
        where, context + 1, context, longest);
  }
  const i64 available = static_cast<i64>(all.size());
  const i64 count = most == 0 ? available : std::min(most, available);
  std::vector<Block> blocks;
  for (i64 i = 0; i < count; ++i) {
    blocks.push_back(all[static_cast<std::size_t>((2 * i + 1) * available / (2 * count))]);
  }
  return blocks;
}

std::vector<std::vector<double>> block_losses(const model::Transformer& model,
                                              const Documents& documents,
                                              std::span<const Block> blocks, i64 context,
                                              i64 targets) {
  std::vector<std::vector<double>> losses;
  const auto at_once = static_cast<std::size_t>(streams_at_once(context));
  for (std::size_t first = 0; first < blocks.size(); first += at_once) {
    TokenRows windows;
    for (const Block& block : blocks.subspan(first, std::min(at_once, blocks.size() - first))) {
      windows.add(targets_of(documents, block, context + 1));
    }
    for (auto& stream : model::tail_log_probabilities(model, windows.view(), targets)) {
      for (double& value : stream) value = -value;
      losses.push_back(std::move(stream));
    }
  }
  return losses;
}

i64 longest_length(const Session& session) {
  i64 longest = session.context_length;
  for (const i64 length : session.lengths) longest = std::max(longest, length);
  return longest;
}

std::span<const Token> targets_of(const Documents& documents, const Block& block, i64 targets) {
  check(0 < targets && targets <= block.end, "a block lies inside its document");
  return documents[block.document].subspan(static_cast<std::size_t>(block.end - targets),
                                           static_cast<std::size_t>(targets));
}

std::string block_sha(const Documents& documents, const Block& block, i64 targets) {
  return sha256(fmt::format("{}:{}:{}", block.document, block.end,
                            sha256(targets_of(documents, block, targets))));
}

std::string block_name(const Block& block, i64 targets) {
  return fmt::format("document {}, tokens {} to {}", block.document, block.end - targets,
                     block.end - 1);
}

std::string set_sha(std::span<const SampleRecord> samples) {
  std::string shas;
  for (const SampleRecord& sample : samples) shas += sample.sample_sha + '\n';
  return sha256(shas);
}

}  // namespace longreach::metrics
