// Free text: a file, a folder of files or JSON lines, cut into training and held-out parts.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace longreach::datasets {

struct TextParams {
  std::string path;
  double held_out = 0.05;
  std::string field = "text";
  std::string separator;
  void fields(Fields&);
};

/// Tokens between the ends of two neighbouring held-out samples of a document.
inline constexpr i64 kTargetSpacing = 512;

/// The documents at `path` in order, none empty: a file is one, a folder holds one a regular file
/// (by name; hidden files and subfolders left out), a file ending in .jsonl one a line, under
/// `field`. A file is cut wherever `separator` stands in it, unless that is empty, into documents
/// that lose the white space around them. Throws Error, naming the path (and the line), for what is
/// missing, unreadable or empty.
std::vector<std::string> read_documents(const TextParams&);

/// The registered dataset "text".
///
/// Held out are the last documents that together make up at most the share `held_out` (at least
/// one; 0 holds out none and 1 all), or, of a lone document, its last tokens.
///
/// A training sample is a random window of one document, all windows being equally likely. A
/// held-out sample ends 0, 512, 1024, ... tokens before the end of its document, and numbers count
/// down from the end with the longest text before it: so number i ends at the same token at every
/// length, and the numbers that have `length` tokens before their end are [0, size). To spread few
/// samples over the text, step evenly through the numbers that the longest length allows.
class TextDataset final : public Dataset {
 public:
  using Params = TextParams;

  /// The tokenizer must outlive the dataset.
  TextDataset(const Params&, const Tokenizer&, const Rng&);
  /// `texts` as from read_documents(), at least one.
  TextDataset(std::vector<std::string> texts, double held_out, const Tokenizer&, const Rng&);
  ~TextDataset() override;

  i64 version() const override { return 1; }
  Sample sample(Split, i64 index, i64 length) const override;
  i64 size(Split, i64 length) const override;
  std::vector<std::span<const Token>> documents(Split) const override;
  /// SHA-256 of a lone document, else of its documents' SHA-256s, one a line.
  std::string sha() const override { return sha_; }
  /// "6 documents, 4012345 tokens; held out: the last 1 by document, 780123 tokens"
  std::string description() const override;

 private:
  struct Parts;
  /// Tokenized when first asked for: a plan wants hashes only, and large vocabularies take seconds.
  const Parts& parts() const;
  std::span<const Token> training_window(i64 index, i64 length) const;
  std::span<const Token> held_out_window(i64 index, i64 length) const;

  const Tokenizer& tokenizer_;
  double held_out_;
  Rng rng_;
  std::string sha_;
  mutable std::vector<std::string> texts_;  ///< until they are tokenized
  mutable std::once_flag once_;
  mutable std::unique_ptr<const Parts> parts_;
};

}  // namespace longreach::datasets
