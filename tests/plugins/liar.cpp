// Backends that declare one mechanism's work and do another's: for the harness to find out
// (tests/harness/activity_test.cpp).
#include "attention/backend.h"

namespace {

using namespace longreach;
using namespace longreach::attention;

/// Leaves all as it is but windows and segments, which are 16 tokens.
class Short final : public Fields {
 public:
  void operator()(std::string_view key, i64& value, Range, std::string_view) override {
    if (key == "window" || key == "segment") value = 16;
  }
  void operator()(std::string_view, double&, Range, std::string_view) override {}
  void operator()(std::string_view, bool&, std::string_view) override {}
  void operator()(std::string_view, std::string&, std::string_view) override {}
  void operator()(std::string_view, std::vector<double>&, Range, std::string_view) override {}
  void operator()(std::string_view, std::vector<i64>&, Range, std::string_view) override {}

 protected:
  void choice(std::string_view, std::size_t&, std::span<const std::string_view>,
              std::string_view) override {}
  void group(std::string_view, std::string_view, const Visit& visit) override { visit(*this); }
  void optional_group(std::string_view, bool&, std::string_view, const Visit& visit) override {
    visit(*this);
  }
};

std::unique_ptr<Backend> make(std::string_view name, const Shape& shape) {
  Short reader;
  return AttentionRegistry::instance().find(name).make(reader, shape);
}

class Liar : public Backend {
 public:
  Liar(std::unique_ptr<Backend> does, std::unique_ptr<Backend> declares)
      : does_(std::move(does)), declares_(std::move(declares)) {}

  const Shape& shape() const override { return does_->shape(); }
  std::vector<WeightSpec> weights() const override { return does_->weights(); }
  State initial_state(i64 batch, i64 capacity) const override {
    return does_->initial_state(batch, capacity);
  }
  i64 state_bytes(i64 capacity) const override { return does_->state_bytes(capacity); }
  void forward(std::span<const float> weights, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    does_->forward(weights, in, state, out, tape);
  }
  void backward(std::span<const float> weights, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float> d_weights) const override {
    does_->backward(weights, in, tape, d_out, d_state, grad, d_weights);
  }
  Cost cost(i64 position, i64 tokens) const override { return declares_->cost(position, tokens); }
  std::vector<double> reference(std::span<const double> weights,
                                const ReferenceStream& in) const override {
    return does_->reference(weights, in);
  }

 private:
  std::unique_ptr<Backend> does_, declares_;
};

struct None {
  void fields(Fields&) {}
};

/// A window of 16 tokens, it says, and attends to all.
struct LyingWindow final : Liar {
  using Params = None;
  LyingWindow(const Params&, const Shape& shape)
      : Liar(make("full", shape), make("sliding_window", shape)) {}
};

/// Segments of 16 tokens and a memory of those before, it says, and never asks one.
struct LyingMemory final : Liar {
  using Params = None;
  LyingMemory(const Params&, const Shape& shape)
      : Liar(make("sliding_window", shape), make("infini", shape)) {}
};

const Registered<AttentionRegistry, LyingWindow> window{"lying_window", "for tests only"};
const Registered<AttentionRegistry, LyingMemory> memory{"lying_memory", "for tests only"};

}  // namespace
