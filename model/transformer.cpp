// The model around its layers: embedding, residual stream, final norm, output; forward and
// backward.
#include "model/transformer.h"

#include <cmath>
#include <utility>

#include "core/error.h"
#include "model/block.h"
#include "model/layers.h"
#include "model/layout.h"

namespace longreach::model {

struct Transformer::Layout {
  Offsets offsets;
};

struct ModelTape::Content {
  i64 position = 0, batch = 0, tokens = 0;
  std::vector<Activations> layers;
  Scratch final_input, final_inverse;  ///< the residual stream after the layers [N, width]; 1 / rms
  Scratch final_normed;                ///< [N, width]
};

ModelTape::ModelTape() : content(std::make_unique<Content>()) {}
ModelTape::~ModelTape() = default;
ModelTape::ModelTape(ModelTape&&) noexcept = default;
ModelTape& ModelTape::operator=(ModelTape&&) noexcept = default;

i64 ModelTape::bytes() const {
  std::size_t floats =
      content->final_input.size() + content->final_inverse.size() + content->final_normed.size();
  i64 sum = static_cast<i64>(floats * sizeof(float));
  for (const Activations& layer : content->layers) sum += layer.bytes();
  return sum;
}

i64 StreamState::bytes() const {
  i64 sum = 0;
  for (const attention::State& layer : layers) sum += layer.bytes();
  for (const Tensor& tensor : shift) sum += tensor.bytes();
  return sum;
}

StreamState StreamState::zero_like() const {
  StreamState zero;
  zero.position = position;
  for (const attention::State& layer : layers) zero.layers.push_back(layer.zero_like());
  for (const Tensor& tensor : shift) zero.shift.emplace_back(tensor.shape());
  return zero;
}

namespace {

/// The rows of a view whose first two dimensions are dense, as one matrix.
template <class M, class T>
M rows_of(View<T, 3> view) {
  check(view.extent(0) == 1 || view.stride(0) == view.extent(1) * view.stride(1),
        "logits must be dense over streams and tokens");
  return M(view.data(), view.extent(0) * view.extent(1), view.extent(2), view.stride(1));
}

void require_known(View<const Token, 2> tokens, i64 vocabulary, i64 position) {
  for (i64 b = 0; b < tokens.extent(0); ++b) {
    for (i64 t = 0; t < tokens.extent(1); ++t) {
      const Token token = tokens(b, t);
      if (token < 0 || token >= vocabulary) {
        throw error("token {} at position {} of stream {} is outside the model's vocabulary of {}",
                    token, position + t, b, vocabulary);
      }
    }
  }
}

/// `first` is the position of the first logits of each stream.
void require_finite_logits(View<const float, 3> logits, i64 first) {
  const i64 each = logits.extent(1), rows = logits.extent(0) * each, vocabulary = logits.extent(2);
  i64 bad = rows;
#pragma omp parallel for schedule(static) reduction(min : bad) if (rows >= kParallelRows)
  for (i64 row = 0; row < rows; ++row) {
    const float* values = logits.row(row / each, row % each).data();
    float sum = 0;  // 0 x is 0 for every finite x and NaN for the others
#pragma omp simd reduction(+ : sum)
    for (i64 i = 0; i < vocabulary; ++i) sum += 0.0f * values[i];
    if (!(sum == 0)) bad = std::min(bad, row);
  }
  if (bad < rows) {
    throw error(
        "a logit at position {} of stream {} is not finite: the weights have diverged or a kernel "
        "overflowed; a lower learning rate may do",
        first + bad % each, bad / each);
  }
}

/// Rows of the last `count` tokens of each stream of x [B * T, width].
Scratch last_rows(const Scratch& x, i64 batch, i64 tokens, i64 count, i64 width) {
  Scratch last;
  last.reserve(static_cast<std::size_t>(batch * count * width));
  for (i64 b = 0; b < batch; ++b) {
    const float* end = x.data() + (b + 1) * tokens * width;
    last.insert(last.end(), end - count * width, end);
  }
  return last;
}

}  // namespace

Transformer::Transformer(const Architecture& architecture,
                         std::vector<std::shared_ptr<const attention::Backend>> backends)
    : architecture_(architecture.resolved()), backends_(std::move(backends)) {
  check(static_cast<i64>(backends_.size()) == architecture_.layers, "one backend for each layer");
  const attention::Shape want = architecture_.attention_shape();
  for (const auto& backend : backends_) {
    const attention::Shape& have = backend->shape();
    check(have.query_heads == want.query_heads && have.kv_heads == want.kv_heads &&
              have.head_dim == want.head_dim,
          "a backend was made for another shape");
  }
  ParameterPlan plan = plan_parameters(architecture_, backends_);
  weights_ = constant_values(plan);
  parameters_ = std::move(plan.parameters);
  layout_ = std::make_shared<const Layout>(std::move(plan.offsets));
  activity_ = std::make_shared<ActivityAccount>(backends_.size());
}

Transformer::Transformer(const Architecture& architecture,
                         std::vector<std::shared_ptr<const attention::Backend>> backends,
                         const Rng& rng)
    : Transformer(architecture, std::move(backends)) {
  draw_values(plan_parameters(architecture_, backends_), rng, weights_);
}

const Architecture& Transformer::architecture() const { return architecture_; }
const std::vector<std::shared_ptr<const attention::Backend>>& Transformer::backends() const {
  return backends_;
}
const std::vector<Parameter>& Transformer::parameters() const { return parameters_; }
std::span<float> Transformer::weights() { return weights_; }
std::span<const float> Transformer::weights() const { return weights_; }

void Transformer::count_with(const Transformer& other) {
  check(other.backends_.size() == backends_.size(), "as many layers");
  activity_ = other.activity_;
}

StreamState Transformer::initial_state(i64 batch, i64 capacity) const {
  StreamState state;
  for (const auto& backend : backends_) {
    state.layers.push_back(backend->initial_state(batch, capacity));
    state.shift.emplace_back(
        std::vector<i64>{batch, architecture_.token_shift - 1, architecture_.width});
  }
  return state;
}

i64 state_bytes(const Architecture& architecture,
                std::span<const std::shared_ptr<const attention::Backend>> backends, i64 capacity) {
  i64 sum = 0;
  for (const auto& backend : backends) sum += backend->state_bytes(capacity);
  return sum + architecture.layers * (architecture.token_shift - 1) * architecture.width *
                   static_cast<i64>(sizeof(float));
}

i64 Transformer::state_bytes(i64 capacity) const {
  return model::state_bytes(architecture_, backends_, capacity);
}

void Transformer::forward(View<const Token, 2> tokens, StreamState& state, View<float, 3> logits,
                          ModelTape* tape, View<const float, 2> repeats) const {
  const i64 batch = tokens.extent(0), count = tokens.extent(1), n = batch * count;
  const i64 width = architecture_.width, vocabulary = architecture_.vocabulary;
  const i64 wanted = logits.extent(1);
  check(wanted <= count, "more logits wanted than tokens given");
  check(repeats.data() == nullptr || (repeats.extent(0) == batch && repeats.extent(1) == count),
        "repeats of another chunk");
  if (n == 0) return;
  require_known(tokens, vocabulary, state.position);
  const float* weights = weights_.data();
  const Offsets& at = layout_->offsets;

  Activations scratch;
  Scratch x(static_cast<std::size_t>(n * width));
  embed(tokens, Matrix(weights + at.embedding, vocabulary, width),
        MutableMatrix(x.data(), n, width));
  if (tape != nullptr) {
    tape->content->position = state.position;
    tape->content->batch = batch;
    tape->content->tokens = count;
    tape->content->layers.resize(at.layers.size());
  }
  std::vector<LayerActivity> calls(at.layers.size());
  for (std::size_t layer = 0; layer < at.layers.size(); ++layer) {
    const LayerTensors<const float> tensors(weights, at.layers[layer]);
    const Block block{architecture_, *backends_[layer], batch, count, repeats};
    Activations& kept = tape != nullptr ? tape->content->layers[layer] : scratch;
    // Counted for this call alone: a state may be one that went back to an earlier position.
    const attention::Activity before = std::exchange(state.layers[layer].activity, {});
    block.attention_forward(tensors, x, state.layers[layer], state.shift[layer], kept,
                            tape != nullptr);
    block.mlp_forward(tensors, x, kept, tape != nullptr);
    calls[layer].did = state.layers[layer].activity;
    calls[layer].declared = backends_[layer]->cost(state.position, count).activity;
    state.layers[layer].activity += before;
  }
  activity_->add(state.position, count, calls);
  state.position += count;
  if (wanted == 0) return;

  check(logits.extent(0) == batch && logits.extent(2) == vocabulary, "logits of another shape");
  check(tape == nullptr || wanted == count, "a tape needs the logits of every token");
  if (wanted < count) x = last_rows(x, batch, count, wanted, width);
  const i64 rows = batch * wanted;
  Scratch own;
  Scratch& normed = tape != nullptr ? tape->content->final_normed : own;
  rms_norm(Matrix(x.data(), rows, width), weights + at.norm, architecture_.norm_epsilon,
           MutableMatrix(room(normed, rows * width), rows, width),
           tape != nullptr ? room(tape->content->final_inverse, rows) : nullptr);
  parallel_multiply_nt(Matrix(normed.data(), rows, width),
                       Matrix(weights + at.output, vocabulary, width),
                       rows_of<MutableMatrix>(logits), Into::overwrite);
  require_finite_logits(logits, state.position - wanted);
  if (tape != nullptr) tape->content->final_input = std::move(x);
}

void Transformer::backward(View<const Token, 2> tokens, const ModelTape& tape,
                           View<const float, 3> d_logits, StreamState& d_state,
                           std::span<float> grad, View<const float, 2> repeats) const {
  const ModelTape::Content& kept = *tape.content;
  const i64 n = kept.batch * kept.tokens;
  const i64 width = architecture_.width, vocabulary = architecture_.vocabulary;
  check(tokens.extent(0) == kept.batch && tokens.extent(1) == kept.tokens &&
            d_logits.extent(0) == kept.batch && d_logits.extent(1) == kept.tokens,
        "backward() of another chunk than the tape's");
  check(grad.size() == weights_.size(), "a gradient of another model");
  if (n == 0) return;
  const float* weights = weights_.data();
  const Offsets& at = layout_->offsets;

  const Matrix d_out = rows_of<Matrix>(d_logits);
  Scratch d_normed(static_cast<std::size_t>(n * width));
  Scratch d_x(static_cast<std::size_t>(n * width), 0.0f);
  parallel_multiply_tn(d_out, Matrix(kept.final_normed.data(), n, width),
                       MutableMatrix(grad.data() + at.output, vocabulary, width), Into::add);
  parallel_multiply(d_out, Matrix(weights + at.output, vocabulary, width),
                    MutableMatrix(d_normed.data(), n, width), Into::overwrite);
  rms_norm_backward(Matrix(kept.final_input.data(), n, width), weights + at.norm,
                    kept.final_inverse.data(), Matrix(d_normed.data(), n, width),
                    MutableMatrix(d_x.data(), n, width), grad.data() + at.norm);

  BlockScratch scratch;
  for (std::size_t layer = at.layers.size(); layer-- > 0;) {
    const LayerTensors<const float> tensors(weights, at.layers[layer]);
    const LayerTensors<float> gradients(grad.data(), at.layers[layer]);
    const Block block{architecture_, *backends_[layer], kept.batch, kept.tokens, repeats};
    block.mlp_backward(tensors, kept.layers[layer], d_x, gradients, scratch);
    block.attention_backward(tensors, kept.layers[layer], d_x, d_state.layers[layer],
                             d_state.shift[layer], gradients, scratch);
  }
  embed_backward(tokens, Matrix(d_x.data(), n, width),
                 MutableMatrix(grad.data() + at.embedding, vocabulary, width));
  d_state.position = kept.position;
}

i64 parameter_count(const Architecture& architecture,
                    const std::vector<std::shared_ptr<const attention::Backend>>& backends) {
  return plan_parameters(architecture, backends).size;
}

attention::Cost product_cost(const Architecture& a,
                             std::span<const std::shared_ptr<const attention::Backend>> backends,
                             i64 tokens, i64 logits) {
  i64 projected = 0;
  for (const auto& backend : backends) projected += backend->projected_size();
  const i64 attention = (2 * a.heads + 2 * a.kv_heads) * a.head_dim * a.width;
  const i64 mlp = (a.mlp == Mlp::swiglu ? 3 : 2) * a.hidden * a.width;
  const i64 layers = a.layers * (attention + mlp) + projected * a.width;
  const i64 biases = a.qkv_bias ? a.layers * (a.heads + 2 * a.kv_heads) * a.head_dim : 0;
  const double products = static_cast<double>(layers) * static_cast<double>(tokens) +
                          static_cast<double>(a.vocabulary * a.width) * static_cast<double>(logits);
  const double sums = static_cast<double>(biases) * static_cast<double>(tokens);
  return {.flops = 2 * products + sums,
          .bytes_moved = static_cast<double>(sizeof(float)) * (products + sums),
          .activity = {}};
}

attention::Cost Transformer::cost(i64 position, i64 tokens) const {
  attention::Cost cost = product_cost(architecture_, backends_, tokens, tokens);
  for (const auto& backend : backends_) {
    const attention::Cost layer = backend->cost(position, tokens);
    cost.flops += layer.flops;
    cost.bytes_moved += layer.bytes_moved;
    cost.activity += layer.activity;
  }
  return cost;
}

}  // namespace longreach::model
