// The compressive memory of Infini-attention (arXiv 2404.07143v2, equations 7 to 9) for one stream
// and key/value head, forward and backward. Symbols are the paper's: M memory, z normalizer,
// sigma the feature map; "features" are rows of sigma(Q) or sigma(K), all positive.
#pragma once

#include <array>
#include <cmath>
#include <string_view>

#include "core/fields.h"
#include "core/tensor.h"

namespace longreach::attention {

/// (8) M += sigma(K)^T V, or (9) the delta rule M += sigma(K)^T (V - sigma(K) M / (sigma(K) z)).
enum class Update { linear, delta };

/// (10) g = sigmoid(beta) and 1 - g = sigmoid(-beta), each exact where the other rounds to 1.
struct Gate {
  explicit Gate(float beta) : memory(1 / (1 + std::exp(-beta))), local(1 / (1 + std::exp(beta))) {}
  float memory, local;
};

/// One (M, z), or its gradient. A view: holds nothing.
struct Memory {
  float* matrix;      ///< [F, D]: features by values
  float* normalizer;  ///< [F]
  i64 f, d;
  /// True until the first write: sigma is positive, so one key makes every element of z positive.
  bool empty() const;
  void clear() const;
};

/// (7) A_mem = sigma(Q) M / (sigma(Q) z), row-wise; also what the delta rule retrieves for its
/// keys. The memory must not be empty.
struct Retrieval {
  Retrieval(const float* features, i64 rows, const Memory& memory);

  /// Given the gradient of `values`, adds to those of the features [rows, F] and of the memory.
  void backward(const float* features, const Memory& memory, Scratch d_values, float* d_features,
                const Memory& d_memory) const;

  Scratch values;        ///< [rows, D]
  Scratch denominators;  ///< [rows]
};

/// Writes `rows` keys and values, one batched step against the memory before it; z += sum sigma(K).
/// What is added to M and z is added `times` over, as if each row stood there so many times. Under
/// (8) that is what so many writes one after the other would do. Under (9) it is one step with
/// copies, all held against the same memory: a binding known at half its value stays there, which
/// is where writes one after the other settle, but one unknown is written whole.
void write(const float* features, const float* values, i64 rows, Update, float times,
           const Memory& memory);

/// Gradient of write(). `memory` is as before the write; `d_memory` arrives as the gradient of the
/// memory after and leaves as that of the memory before. Adds to d_features and d_values.
void write_backward(const float* features, const float* values, i64 rows, Update, float times,
                    const Memory& memory, const Memory& d_memory, float* d_features,
                    float* d_values);

}  // namespace longreach::attention

namespace longreach {
template <>
struct EnumNames<attention::Update> {
  static constexpr std::array<std::string_view, 2> names{"linear", "delta"};
};
}  // namespace longreach
