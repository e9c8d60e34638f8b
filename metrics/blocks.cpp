// The target blocks of blocks.h.
#include "metrics/blocks.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/sha256.h"
#include "metrics/streams.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

/// `count` of `all`, evenly spread.
std::vector<Block> evenly(const std::vector<Block>& all, i64 count) {
  const i64 available = std::ssize(all);
  std::vector<Block> blocks;
  for (i64 i = 0; i < count; ++i) {
    blocks.push_back(all[static_cast<std::size_t>((2 * i + 1) * available / (2 * count))]);
  }
  return blocks;
}

std::span<const Token> last_tokens(const Documents& documents, const Block& block, i64 count) {
  check(0 < count && count <= block.end, "a block lies inside its document");
  return documents[block.document].subspan(static_cast<std::size_t>(block.end - count),
                                           static_cast<std::size_t>(count));
}

/// Whether nothing but the tokenizer's opening tokens precedes the targets.
bool opens_document(const datasets::Tokenizer& tokenizer, const Documents& documents,
                    const Block& block) {
  const std::vector<Token> opening = tokenizer.opening();
  return !opening.empty() && block.end - block.targets == std::ssize(opening) &&
         std::equal(opening.begin(), opening.end(), documents[block.document].begin());
}

}  // namespace

std::vector<Block> spread_blocks(const Documents& documents, i64 context, i64 targets, i64 most,
                                 std::string_view where) {
  std::vector<Block> all;
  i64 longest = 0;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    const i64 length = std::ssize(documents[d]);
    longest = std::max(longest, length);
    for (i64 end = context + 1; end <= length; end += targets) {
      all.push_back({d, end, context, targets});
    }
  }
  if (all.empty()) {
    throw error(
        "{}: no held-out document has the {} tokens that a context of {} and its target need; the "
        "longest has {} (hold out more text or give shorter lengths)",
        where, context + 1, context, longest);
  }
  const i64 available = std::ssize(all);
  return evenly(all, most == 0 ? available : std::min(most, available));
}

i64 spread_count(const Documents& documents, i64 context, i64 targets, i64 most) {
  i64 available = 0;
  for (const auto& document : documents) {
    const i64 room = std::ssize(document) - context - 1;
    if (room >= 0) available += room / targets + 1;
  }
  return most == 0 ? available : std::min(most, available);
}

std::vector<Block> document_blocks(const Documents& documents, i64 context, i64 tokens,
                                   std::string_view where) {
  std::vector<Block> all;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    const i64 length = std::ssize(documents[d]);
    for (i64 begin = 1; begin < length; begin += context) {
      const i64 targets = std::min(context, length - begin);
      all.push_back({d, begin + targets, targets, targets});
    }
  }
  if (all.empty()) {
    throw error("{}: no held-out document has a second token to predict; hold out more text",
                where);
  }
  const auto fits = [&](i64 count) {
    i64 targets = 0;
    for (const Block& block : evenly(all, count)) targets += block.targets;
    return tokens == 0 || targets <= tokens;
  };
  i64 low = 1, high = std::ssize(all);  // windows of several sizes: about the most that fit
  while (low < high) {
    const i64 middle = (low + high + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return evenly(all, low);
}

std::vector<Block> with_context(std::vector<Block> blocks, i64 context) {
  for (Block& block : blocks) block.context = context;
  return blocks;
}

Block in_full(Block block) {
  block.targets = block.context;
  return block;
}

std::vector<std::vector<std::size_t>> batches(std::span<const Block> blocks) {
  std::map<std::pair<i64, i64>, std::vector<std::size_t>> alike;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    alike[{blocks[b].context, blocks[b].targets}].push_back(b);
  }
  std::vector<std::vector<std::size_t>> out;
  for (const auto& [counts, numbers] : alike) {
    const auto at_once = static_cast<std::size_t>(streams_at_once(counts.first));
    for (std::size_t first = 0; first < numbers.size(); first += at_once) {
      const auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(first);
      const std::size_t count = std::min(at_once, numbers.size() - first);
      out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(count));
    }
  }
  return out;
}

std::vector<std::vector<double>> block_losses(const model::Transformer& model,
                                              const Documents& documents,
                                              std::span<const Block> blocks) {
  std::vector<std::vector<double>> losses(blocks.size());
  for (const std::vector<std::size_t>& batch : batches(blocks)) {
    TokenRows windows;
    for (const std::size_t b : batch) windows.add(window_of(documents, blocks[b]));
    auto streams =
        model::tail_log_probabilities(model, windows.view(), blocks[batch.front()].targets);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      for (double& value : streams[i]) value = -value;
      losses[batch[i]] = std::move(streams[i]);
    }
  }
  return losses;
}

i64 longest_length(const Prospect& prospect) {
  i64 longest = prospect.context_length;
  for (const i64 length : prospect.lengths) longest = std::max(longest, length);
  return longest;
}

i64 longest_length(const Session& session) {
  return longest_length(
      {.data = session.data, .context_length = session.context_length, .lengths = session.lengths});
}

i64 same_target_count(const Prospect& prospect, i64 targets, i64 most) {
  if (prospect.data == nullptr) return 0;
  return spread_count(prospect.data->documents(datasets::Split::test), longest_length(prospect),
                      targets, most);
}

std::vector<Block> same_target_blocks(const Session& session, const Documents& documents,
                                      i64 targets, i64 most, std::string_view where) {
  return with_context(spread_blocks(documents, longest_length(session), targets, most, where),
                      session.context_length);
}

std::span<const Token> targets_of(const Documents& documents, const Block& block) {
  return last_tokens(documents, block, block.targets);
}

std::span<const Token> window_of(const Documents& documents, const Block& block) {
  return last_tokens(documents, block, block.context + 1);
}

i64 text_bytes(const datasets::Tokenizer& tokenizer, const Documents& documents,
               const Block& block) {
  if (!opens_document(tokenizer, documents, block)) {
    return std::ssize(tokenizer.decode(targets_of(documents, block)));
  }
  const auto end = static_cast<std::size_t>(block.end);
  return std::ssize(tokenizer.decode_document(documents[block.document].first(end)));
}

i64 text_words(const datasets::Tokenizer& tokenizer, const Documents& documents,
               const Block& block) {
  // A few tokens before the targets tell whether their first letter goes on with a word.
  constexpr i64 kBefore = 4;
  const bool opens = opens_document(tokenizer, documents, block);
  const i64 before = opens ? 0 : std::min(kBefore, block.end - block.targets);
  const std::span<const Token> tokens = last_tokens(documents, block, block.targets + before);
  const std::string text = tokenizer.decode(tokens);
  const std::size_t own = tokenizer.decode(tokens.first(static_cast<std::size_t>(before))).size();
  i64 words = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool space = std::string_view(" \t\n\v\f\r").find(text[i]) != std::string_view::npos;
    words += i >= own && !space && !inside;
    inside = !space;
  }
  return words;
}

std::string block_sha(const Documents& documents, const Block& block) {
  return sha256(
      fmt::format("{}:{}:{}", block.document, block.end, sha256(targets_of(documents, block))));
}

std::string block_name(const Block& block) {
  return fmt::format("document {}, tokens {} to {}", block.document, block.end - block.targets,
                     block.end - 1);
}

std::string blocks_sha(const Documents& documents, std::span<const Block> blocks) {
  std::string shas;
  for (const Block& block : blocks) shas += block_sha(documents, block) + '\n';
  return sha256(shas);
}

std::string set_sha(std::span<const SampleRecord> samples) {
  std::string shas;
  for (const SampleRecord& sample : samples) shas += sample.sample_sha + '\n';
  return sha256(shas);
}

}  // namespace longreach::metrics
