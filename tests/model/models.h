// Small models, streams and files for the tests of this folder.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "model/trainer.h"
#include "tests/attention/backends.h"

namespace longreach::model {

inline std::vector<std::string> backend_names() {
  return attention::AttentionRegistry::instance().names();
}

/// A registered backend whose windows and segments end inside streams of a dozen tokens.
inline std::shared_ptr<const attention::Backend> make_backend(const std::string& name,
                                                              const attention::Shape& shape) {
  tests::SettingsReader reader({{"window", "4"}, {"sinks", "1"}, {"segment", "4"}});
  return attention::AttentionRegistry::instance().find(name).make(reader, shape);
}

inline Transformer make_model(const Architecture& architecture, const std::string& backend,
                              std::uint64_t seed = 1) {
  const Architecture a = architecture.resolved();
  const auto one = make_backend(backend, a.attention_shape());
  std::vector<std::shared_ptr<const attention::Backend>> backends(
      static_cast<std::size_t>(a.layers), one);
  return Transformer(a, backends, Rng(seed));
}

/// Grouped heads, three-way shift, SwiGLU, own output matrix.
inline Architecture grouped() {
  return {.vocabulary = 11,
          .layers = 2,
          .width = 10,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 4,
          .hidden = 13,
          .mlp = Mlp::swiglu,
          .token_shift = 3};
}

/// One key/value head a query head, no shift, GELU, tied output.
inline Architecture plain() {
  return {.vocabulary = 9,
          .layers = 2,
          .width = 8,
          .heads = 2,
          .hidden = 12,
          .mlp = Mlp::gelu,
          .token_shift = 1,
          .tied = true};
}

/// Grouped heads, no shift, SwiGLU, own output matrix, biases: what Qwen2 is.
inline Architecture biased() {
  Architecture a = grouped();
  a.token_shift = 1;
  a.qkv_bias = true;
  return a;
}

inline std::vector<Token> random_tokens(i64 count, i64 vocabulary, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Token> tokens;
  for (i64 i = 0; i < count; ++i) tokens.push_back(static_cast<Token>(rng.below(vocabulary)));
  return tokens;
}

/// Random tokens and targets; every third weight is 0, the others are 0.5 or 2.
inline Batch random_batch(i64 batch, i64 tokens, i64 vocabulary, std::uint64_t seed) {
  const i64 size = batch * tokens;
  Batch out{batch,
            tokens,
            random_tokens(size, vocabulary, seed),
            random_tokens(size, vocabulary, seed + 1),
            {}};
  for (i64 i = 0; i < size; ++i)
    out.weights.push_back(i % 3 == 0 ? 0.0f : i % 2 == 0 ? 0.5f : 2.0f);
  return out;
}

/// Moves every weight off its start, so that no scale is 1 and no gate is even.
inline void scatter_weights(Transformer& model, std::uint64_t seed) {
  Rng rng(seed);
  for (float& weight : model.weights()) weight += static_cast<float>(0.2 * rng.normal());
}

/// A folder of this test's own, gone when the test ends.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "longreach-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The message of the Error that `run` throws, or "" when it throws none.
template <class Run>
std::string message_of(const Run& run) {
  try {
    run();
  } catch (const Error& problem) {
    return problem.what();
  }
  return "";
}

}  // namespace longreach::model
