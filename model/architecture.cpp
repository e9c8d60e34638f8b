// What shapes a transformer may have.
#include "core/error.h"
#include "model/transformer.h"

namespace longreach::model {
namespace {

constexpr i64 kMaxTokenShift = 3;

i64 default_hidden(const Architecture& a) {
  if (a.mlp == Mlp::gelu) return 4 * a.width;
  const i64 third = (8 * a.width + 2) / 3;  // as many weights as 4 width would give two matrices
  return (third + 15) / 16 * 16;
}

}  // namespace

void Architecture::fields(Fields& f) {
  f("layers", layers, between(1, 512), "layers");
  f("width", width, between(1, 65536), "channels of the residual stream");
  f("heads", heads, between(1, 1024), "query heads");
  f("kv_heads", kv_heads, between(0, 1024), "key/value heads, a divisor of heads; 0: as heads");
  f("head_dim", head_dim, between(0, 4096), "channels of a head, even; 0: width / heads");
  f("hidden", hidden, between(0, 1048576),
    "channels inside the MLP; 0: 8/3 width in sixteens (swiglu), 4 width (gelu)");
  f("mlp", mlp, "swiglu or gelu");
  f("token_shift", token_shift, between(1, kMaxTokenShift),
    "how many tokens queries, keys and values are made of, the current one included");
  f("tied", tied, "the output matrix is the embedding");
  f("norm_epsilon", norm_epsilon, between(0, 1), "added to the mean square in RMS norms");
  f("qkv_bias", qkv_bias, "biases on queries, keys and values");
}

Architecture Architecture::resolved() const {
  Architecture a = *this;
  if (a.vocabulary < 1) throw error("vocabulary: {} tokens; at least 1 is needed", a.vocabulary);
  if (a.layers < 1) throw error("layers: {}; at least 1 is needed", a.layers);
  if (a.width < 1) throw error("width: {}; at least 1 is needed", a.width);
  if (a.heads < 1) throw error("heads: {}; at least 1 is needed", a.heads);
  if (a.kv_heads == 0) a.kv_heads = a.heads;
  if (a.head_dim == 0) {
    if (a.width % a.heads != 0) {
      throw error("width {} is no multiple of heads {}; change either or give head_dim", a.width,
                  a.heads);
    }
    a.head_dim = a.width / a.heads;
  }
  if (a.hidden == 0) a.hidden = default_hidden(a);
  if (a.hidden < 1) throw error("hidden: {}; at least 1 is needed", a.hidden);
  if (a.token_shift < 1 || a.token_shift > kMaxTokenShift || a.token_shift > a.width) {
    throw error("token_shift: {}; 1 to {} will do, and no more than width {}", a.token_shift,
                kMaxTokenShift, a.width);
  }
  if (!(a.norm_epsilon >= 0)) throw error("norm_epsilon: {}; at least 0 is needed", a.norm_epsilon);
  attention::validate(a.attention_shape());
  return a;
}

attention::Shape Architecture::attention_shape() const { return {heads, kv_heads, head_dim}; }

}  // namespace longreach::model
