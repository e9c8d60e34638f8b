// The float64 references: definitions written out plainly, token by token.
#pragma once

#include <functional>
#include <vector>

#include "attention/backend.h"
#include "attention/compressive_memory.h"
#include "attention/feature_map.h"
#include "attention/rope.h"
#include "attention/selected_blocks.h"

namespace longreach::attention {

/// A number as a cache holds it.
double stored(double x, Element element);

/// A key that a query sees, and the positions at which the two are turned when they meet.
struct ReferenceKey {
  i64 index;
  i64 query_position, key_position;
};

/// softmax(q . k / sqrt(D)) v over the keys `seen(t)` for every token and head: [T, Hq, D].
std::vector<double> reference_softmax(const Shape& shape, const ReferenceStream& in,
                                      const std::function<std::vector<ReferenceKey>(i64 t)>& seen,
                                      const Rope& rope);

struct InfiniRule {
  i64 segment;
  Update update;
  bool bypass;  ///< A = A_dot, not (1 - g) A_dot, while the memory is empty
};

/// Infini-attention (arXiv 2404.07143v2, equations 6 to 10), gates [Hq] before the sigmoid.
std::vector<double> reference_infini(const Shape& shape, const InfiniRule& rule,
                                     std::span<const double> gates, const ReferenceStream& in,
                                     const Rope& rope, const FeatureMap& sigma);

enum class Summary { mean, bounds };

struct BlockTopKRule {
  BlockRule blocks;
  Summary summary = Summary::mean;
  Element cache = Element::f32;  ///< a block is chosen by its keys as they are stored
};

/// Softmax over chosen blocks, a window and sinks; attention/block_topk.cpp says which.
std::vector<double> reference_block_topk(const Shape& shape, const BlockTopKRule& rule,
                                         const ReferenceStream& in, const Rope& rope);

struct CompressSelectRule {
  BlockRule blocks{.block = 32, .top = 4, .local = 1, .sinks = 1};
  i64 window = 64;
};

/// Compressed, selected and window attention; attention/compress_select.cpp says how. Weights as
/// the backend's.
std::vector<double> reference_compress_select(const Shape& shape, const CompressSelectRule& rule,
                                              std::span<const double> weights,
                                              const ReferenceStream& in, const Rope& rope);

/// As the class comment in hierarchical.cpp says; bias [Hq, levels + 1], and as many numbers of a
/// token and head in `projected`, which may be empty.
std::vector<double> reference_hierarchical(const Shape& shape, i64 segment, i64 levels,
                                           std::span<const double> bias, const ReferenceStream& in,
                                           const Rope& rope, const FeatureMap& sigma);

struct AdaptiveRule {
  i64 segment, kept;
  bool relevance, feedback;
  Update update;
  Element cache;
};

/// As the class comment in adaptive.cpp says; gates [Hq] before the sigmoid.
std::vector<double> reference_adaptive(const Shape& shape, const AdaptiveRule& rule,
                                       std::span<const double> gates, const ReferenceStream& in,
                                       const Rope& rope, const FeatureMap& sigma);

}  // namespace longreach::attention
