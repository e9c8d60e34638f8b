// Tests of attention/verify.h: the gate passes every registered backend and catches broken ones.
#include "attention/verify.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "tests/attention/backends.h"

namespace longreach::attention {
namespace {

enum class Fault {
  none,
  leaks_the_future,
  counts_segments_from_the_call,
  ignores_the_memory,
  scales_a_value_gradient,
  scales_the_state_gradient,
  drops_the_state_gradient,
  overwrites_gradients,
  mixes_streams,
  declares_fewer_bytes,
  counts_a_key_too_many,
  costs_more_at_once,
  leaves_the_last_output,
  overflows_late,
  throws_on_one_token,
  throws_on_long_groups,
  throws_on_hundreds_of_tokens,
  writes_tokens_densely,
  reads_a_neighbouring_head,
  writes_beside_a_gradient,
  writes_past_the_end_of_a_row,
  depends_on_the_capacity,
  differs_without_a_tape,
  remembers_the_longest_stream,
  mixes_states,
  counts_every_token_once,
  forgets_repeats_backwards,
  claims_to_append,
  scales_a_projection_gradient,
  overwrites_projection_gradients,
  looks_ahead_in_projections,
};

bool of_projections(Fault fault) { return fault >= Fault::scales_a_projection_gradient; }

Tensor dense(View<const float, 4> x) {
  Tensor copy({x.extent(0), x.extent(1), x.extent(2), x.extent(3)});
  for (i64 b = 0; b < x.extent(0); ++b) {
    for (i64 t = 0; t < x.extent(1); ++t) {
      for (i64 h = 0; h < x.extent(2); ++h) {
        std::ranges::copy(x.row(b, t, h), copy.view<4>().row(b, t, h).begin());
      }
    }
  }
  return copy;
}

Chunk unrepeated(Chunk in) {
  in.repeats = {};
  return in;
}

/// A registered backend with one mistake.
class Faulty : public Backend {
 public:
  Faulty(std::unique_ptr<Backend> inner, Fault fault) : inner_(std::move(inner)), fault_(fault) {}
  const Shape& shape() const override { return inner_->shape(); }
  std::vector<WeightSpec> weights() const override { return inner_->weights(); }
  bool appends() const override { return fault_ == Fault::claims_to_append || inner_->appends(); }
  std::vector<ProjectionSpec> projections() const override { return inner_->projections(); }
  State initial_state(i64 batch, i64 capacity) const override {
    return inner_->initial_state(batch, capacity);
  }
  i64 state_bytes(i64 capacity) const override {
    return inner_->state_bytes(capacity) - (fault_ == Fault::declares_fewer_bytes ? 4 : 0);
  }
  void forward(std::span<const float> weights, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    if (fault_ == Fault::throws_on_one_token && in.tokens() == 1) throw std::runtime_error("one");
    if (fault_ == Fault::throws_on_long_groups && in.tokens() >= 7 && shape().group() > 1) {
      throw std::runtime_error("long");
    }
    if (fault_ == Fault::throws_on_hundreds_of_tokens && in.tokens() >= 250) {
      throw std::runtime_error("hundreds");
    }
    const i64 begin = state.position, last = in.tokens() - 1;
    if (fault_ == Fault::counts_segments_from_the_call) state.position = 0;
    if (fault_ == Fault::ignores_the_memory && begin >= 10) set_all(state["memory"], 0);
    const float kept = out(0, last, 0, 0);
    inner_->forward(weights, fault_ == Fault::counts_every_token_once ? unrepeated(in) : in, state,
                    out, tape);
    stray(in, begin, state, out, tape != nullptr);
    state.position = begin + in.tokens();
    if (fault_ == Fault::leaks_the_future) out(0, 0, 0, 0) += 1e-6F * in.v(0, last, 0, 0);
    if (fault_ == Fault::mixes_streams) out(0, 0, 0, 0) += 1e-6F * in.v(in.batch() - 1, 0, 0, 0);
    if (fault_ == Fault::counts_a_key_too_many) ++state.activity.keys_scored;
    if (fault_ == Fault::looks_ahead_in_projections) {
      out(0, 0, 0, 0) += 1e-6F * in.projected(0, last, 0);
    }
    if (fault_ == Fault::leaves_the_last_output) out(0, last, 0, 0) = kept;
    if (fault_ == Fault::overflows_late && begin > 1000) {
      out(0, last, 0, 0) = std::numeric_limits<float>::infinity();
    }
  }
  void backward(std::span<const float> weights, const Chunk& in, const Tape& tape,
                View<const float, 4> d_out, State& d_state, const ChunkGrad& grad,
                std::span<float> d_weights) const override {
    if (fault_ == Fault::overwrites_projection_gradients) {
      std::ranges::fill(grad.projected.row(0, 0), 0.0F);
    }
    if (fault_ == Fault::overwrites_gradients) std::ranges::fill(d_weights, 0.0F);
    inner_->backward(weights, fault_ == Fault::forgets_repeats_backwards ? unrepeated(in) : in,
                     tape, d_out, d_state, grad, d_weights);
    if (fault_ == Fault::scales_a_projection_gradient) {
      for (float& x : grad.projected.row(0, 0)) x *= 0.9F;
    }
    if (fault_ == Fault::scales_a_value_gradient) {
      for (float& x : grad.v.row(0, 0, 0)) x *= 0.9F;
    }
    if (fault_ == Fault::writes_beside_a_gradient && in.tokens() > 1) {
      // Where rows lie densely, the last element of the token before.
      for (i64 b = 0; b < in.batch(); ++b) grad.q.row(b, 1, 0).data()[-1] *= 1 + 1e-6F;
    }
    for (NamedTensor& named : d_state.tensors) {
      for (float& x : named.tensor.flat()) {
        if (fault_ == Fault::scales_the_state_gradient) x *= 0.9F;
        if (fault_ == Fault::drops_the_state_gradient) x = 0;
      }
    }
  }
  Cost cost(i64 position, i64 tokens) const override {
    Cost cost = inner_->cost(position, tokens);
    if (fault_ == Fault::costs_more_at_once)
      cost.flops += 1e-3 * cost.flops * static_cast<double>(tokens);
    return cost;
  }
  std::vector<double> reference(std::span<const double> weights,
                                const ReferenceStream& in) const override {
    return inner_->reference(weights, in);
  }

 private:
  /// The faults that need only the inputs, the state and the outputs of a call.
  void stray(const Chunk& in, i64 begin, State& state, View<float, 4> out, bool taped) const {
    float& first = out(0, 0, 0, 0);
    if (fault_ == Fault::writes_tokens_densely) {
      // Right wherever the heads of a token lie side by side.
      const i64 token = out.extent(2) * out.extent(3);
      for (i64 t = 0; t < out.extent(1); ++t) {
        for (i64 h = 0; h < out.extent(2); ++h) {
          const std::span<float> row = out.row(0, t, h);
          std::ranges::copy(row, &first + t * token + h * out.extent(3));
        }
      }
    }
    if (fault_ == Fault::writes_past_the_end_of_a_row) {
      // As whole vectors would. Where rows lie densely the next one makes it good.
      const Tensor right = dense(out);
      for (i64 b = 0; b < out.extent(0); ++b) {
        for (i64 t = 0; t < out.extent(1); ++t) {
          for (i64 h = 0; h < out.extent(2); ++h) {
            const std::span<float> row = out.row(b, t, h);
            std::ranges::copy(right.view<4>().row(b, t, h), row.begin());
            if (t + 1 < out.extent(1)) row.data()[row.size()] = 0;
          }
        }
      }
    }
    if (fault_ == Fault::reads_a_neighbouring_head && in.tokens() > 1) {
      // Where rows lie densely, the last element of the token before; 0 times a number is 0.
      out(0, 1, 0, 0) += 0 * in.v.row(0, 1, 0).data()[-1];
    }
    if (fault_ == Fault::depends_on_the_capacity && state.tensors[0].tensor.shape()[2] >= 70) {
      first += 1;
    }
    if (fault_ == Fault::differs_without_a_tape && !taped) first += 1e-3F;
    if (fault_ == Fault::remembers_the_longest_stream) {
      longest_ = std::max(longest_, begin + in.tokens());
      if (longest_ > begin + in.tokens()) first += 1e-6F;
    }
    if (fault_ == Fault::mixes_states && begin == 0 && in.batch() > 1) {
      const std::span<float> memory = state["memory"].flat();
      memory[memory.size() / static_cast<std::size_t>(in.batch())] += 1e-5F * in.v(0, 0, 0, 0);
    }
  }

  std::unique_ptr<Backend> inner_;
  Fault fault_;
  mutable i64 longest_ = 0;
};

/// Intact but for the n-th of all calls of forward() that `calls` counts, over all its copies.
class Once final : public Faulty {
 public:
  Once(std::unique_ptr<Backend> inner, int& calls, int n, bool throws)
      : Faulty(std::move(inner), Fault::none), calls_(calls), n_(n), throws_(throws) {}
  void forward(std::span<const float> weights, const Chunk& in, State& state, View<float, 4> out,
               Tape* tape) const override {
    Faulty::forward(weights, in, state, out, tape);
    if (++calls_ != n_) return;
    if (throws_) throw std::runtime_error("once");
    out(0, 0, 0, 0) += 1;
  }

 private:
  int& calls_;
  int n_;
  bool throws_;
};

std::vector<std::string> failing(Fault fault, const VerifyOptions& options) {
  const BackendFactory make = [fault](const Shape& shape) {
    if (of_projections(fault)) {
      return std::make_unique<Faulty>(make_backend("gated_delta", {}, shape), fault);
    }
    // The one whose state has the capacity's size.
    auto inner = fault == Fault::depends_on_the_capacity
                     ? make_backend("full", {}, shape)
                     : make_backend("infini", {{"segment", "5"}}, shape);
    return std::make_unique<Faulty>(std::move(inner), fault);
  };
  std::vector<std::string> names;
  for (const Check& check : verify(make, options)) {
    if (!check.passed) names.push_back(check.name);
  }
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

/// The checks of every variant. Gradients that are cut, and states stored only as halves, have no
/// differences to be held against.
const std::set<std::string> kAlways{
    "runs",      "output",   "chunked output", "chunked state", "chunked gradient",
    "causality", "batch",    "accumulation",   "repeatable",    "tape",
    "layout",    "capacity", "state bytes",    "activity",      "additive cost"};

/// Each name once.
std::set<std::string> names_of(const std::vector<Check>& checks) {
  std::set<std::string> names;
  for (const Check& check : checks) CHECK(names.insert(check.name).second);
  return names;
}

/// The defaults of a registered type.
Variant plain(const std::string& type) {
  const std::vector<Variant> all = variants(type);
  const auto found = std::ranges::find(all, "defaults", &Variant::parameters);
  REQUIRE(found != all.end());
  return *found;
}

VerifyOptions quick() {
  VerifyOptions options;
  options.quick = true;
  return options;
}

}  // namespace

/// Every twelfth registered backend: ctest runs the shares side by side, and each within its time.
constexpr std::size_t kShares = 12;
void check_share(std::size_t share) {
  VerifyOptions options;
  options.seeds = 1;
  options.long_stream = 4096;
  const std::vector<std::string> names = AttentionRegistry::instance().names();
  for (std::size_t i = share; i < names.size(); i += kShares) {
    for (const VariantVerdict& verdict : verify_registered(names[i], options)) {
      for (const Check& check : verdict.checks) {
        INFO(names[i] << " with " << verdict.parameters << ": " << check.name << " error "
                      << check.error << " tolerance " << check.tolerance << " at " << check.detail);
        CHECK(check.passed);
      }
      CHECK(std::ranges::includes(names_of(verdict.checks), kAlways));
    }
  }
}

TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 1 of 12") {
  check_share(0);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 2 of 12") {
  check_share(1);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 3 of 12") {
  check_share(2);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 4 of 12") {
  check_share(3);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 5 of 12") {
  check_share(4);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 6 of 12") {
  check_share(5);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 7 of 12") {
  check_share(6);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 8 of 12") {
  check_share(7);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 9 of 12") {
  check_share(8);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 10 of 12") {
  check_share(9);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 11 of 12") {
  check_share(10);
}
TEST_CASE(
    "Every registered backend conforms under every variant of its parameters, share 12 of 12") {
  check_share(11);
}

TEST_CASE("A variant without halves and cuts gets every check, and one name for each") {
  std::set<std::string> expected = kAlways;
  expected.insert({"gradient", "state gradient"});
  for (const std::string& type : AttentionRegistry::instance().names()) {
    CAPTURE(type);
    CHECK(names_of(verify(plain(type), quick())) == expected);
  }
  VerifyOptions longer;
  longer.seeds = 0;
  longer.long_stream = 100;
  CHECK(names_of(verify(plain("full"), longer)) == std::set<std::string>{"long stream"});
}

TEST_CASE("A failure is reported by the smallest case that fails") {
  VerifyOptions options;
  options.seeds = 1;
  options.long_stream = 0;
  // Fixed shapes see the first; the second takes one that is drawn, of hundreds of tokens.
  const auto [fault, detail] = GENERATE(table<Fault, std::string>({
      {Fault::throws_on_long_groups, "heads 2/1 x 2, batch 1, 7 tokens, seed 1: long"},
      {Fault::throws_on_hundreds_of_tokens, "heads 1/1 x 2, batch 1, 250 tokens, seed 1: hundreds"},
  }));
  const BackendFactory make = [fault = fault](const Shape& shape) {
    return std::make_unique<Faulty>(make_backend("infini", {{"segment", "5"}}, shape), fault);
  };
  const std::vector<Check> checks = verify(make, options);
  const auto runs = std::ranges::find(checks, "runs", &Check::name);
  REQUIRE(runs != checks.end());
  CHECK_FALSE(runs->passed);
  CHECK(runs->detail == detail);
}

TEST_CASE("The gate passes an intact backend behind a wrapper") {
  CHECK(failing(Fault::none, quick()).empty());
}

TEST_CASE("The gate names the check that a broken backend fails") {
  const auto [fault, name] = GENERATE(table<Fault, std::string>({
      {Fault::leaks_the_future, "causality"},
      {Fault::counts_segments_from_the_call, "chunked output"},
      {Fault::counts_segments_from_the_call, "chunked state"},
      {Fault::ignores_the_memory, "chunked output"},
      {Fault::scales_a_value_gradient, "gradient"},
      {Fault::scales_the_state_gradient, "chunked gradient"},
      {Fault::scales_the_state_gradient, "state gradient"},
      {Fault::drops_the_state_gradient, "chunked gradient"},
      {Fault::overwrites_gradients, "accumulation"},
      {Fault::mixes_streams, "batch"},
      {Fault::declares_fewer_bytes, "state bytes"},
      {Fault::counts_a_key_too_many, "activity"},
      {Fault::costs_more_at_once, "additive cost"},
      {Fault::leaves_the_last_output, "output"},
      {Fault::throws_on_one_token, "runs"},
      {Fault::differs_without_a_tape, "tape"},
      {Fault::counts_every_token_once, "output"},
      {Fault::forgets_repeats_backwards, "gradient"},
      {Fault::claims_to_append, "repeatable"},
      {Fault::scales_a_projection_gradient, "gradient"},
      {Fault::overwrites_projection_gradients, "accumulation"},
      {Fault::looks_ahead_in_projections, "causality"},
  }));
  CAPTURE(name);
  CHECK(contains(failing(fault, quick()), name));
}

TEST_CASE("A mistake that only one check can see fails that one alone") {
  const auto [fault, name] = GENERATE(table<Fault, std::string>({
      {Fault::writes_tokens_densely, "layout"},
      {Fault::reads_a_neighbouring_head, "layout"},
      {Fault::writes_beside_a_gradient, "layout"},
      {Fault::writes_past_the_end_of_a_row, "layout"},
      {Fault::depends_on_the_capacity, "capacity"},
      {Fault::remembers_the_longest_stream, "repeatable"},
      {Fault::mixes_states, "batch"},
  }));
  CHECK(failing(fault, quick()) == std::vector<std::string>{name});
}

TEST_CASE("A failure of one call only is reported though no smaller case repeats it") {
  // The first or the hundredth call of forward() in all that the gate runs, and no other.
  const int which = GENERATE(1, 100);
  const bool throws = GENERATE(false, true);
  int calls = 0;
  const BackendFactory make = [&](const Shape& shape) {
    return std::make_unique<Once>(make_backend("infini", {{"segment", "5"}}, shape), calls, which,
                                  throws);
  };
  const std::vector<Check> checks = verify(make, quick());
  CAPTURE(which, throws, calls);
  REQUIRE(calls > which);
  CHECK(std::ranges::any_of(checks, [](const Check& check) { return !check.passed; }));
}

TEST_CASE("A faulty state gradient alone leaves the gradient of one call right") {
  // One call from an empty state never uses d_state, so only the chunked checks can see it.
  CHECK_FALSE(contains(failing(Fault::scales_the_state_gradient, quick()), "gradient"));
}

TEST_CASE("The long stream catches an overflow that short ones do not reach") {
  VerifyOptions options;
  options.seeds = 1;
  options.long_stream = 4096;
  CHECK(failing(Fault::overflows_late, options) == std::vector<std::string>{"long stream"});
}

TEST_CASE("A failed check says where and carries no NaN") {
  const BackendFactory make = [](const Shape& shape) {
    return std::make_unique<Faulty>(make_backend("infini", {{"segment", "5"}}, shape),
                                    Fault::leaves_the_last_output);
  };
  for (const Check& check : verify(make, quick())) {
    CHECK(std::isfinite(check.error));
    if (check.name == "output") CHECK(check.detail.find(", seed 1") != std::string::npos);
  }
}

TEST_CASE("Variants cover the defaults, small sizes and each choice") {
  std::vector<std::string> texts;
  for (const Variant& variant : variants("infini")) texts.push_back(variant.parameters);
  CHECK(contains(texts, "defaults"));
  CHECK(contains(texts, "segment: 5"));
  CHECK(contains(texts, "segment: 1"));
  CHECK(contains(texts, "segment: 5, update: delta"));
  CHECK(contains(texts, "segment: 5, first_segment: bypass"));
  CHECK(contains(texts, "segment: 5, rope: none"));
  CHECK(contains(texts, "segment: 5, bptt: 1"));
}

TEST_CASE("A change that is refused alone is verified beside the field it needs") {
  for (const char* type : {"full", "sliding_window", "infini", "retention"}) {
    const auto has = [&](const std::string& end) {
      return std::ranges::any_of(variants(type), [&](const Variant& variant) {
        return variant.parameters.ends_with(end);
      });
    };
    CAPTURE(type);
    CHECK(has("rope.scaling: linear"));
    CHECK(has("rope.scaling: ntk"));
    CHECK_FALSE(has("rope.scaling: yarn"));
    CHECK(has("rope.scaling: yarn, rope.original_length: 2"));
    CHECK_FALSE(has("rope.scaling: llama3"));
    CHECK(has("rope.scaling: llama3, rope.original_length: 2"));
  }
}

TEST_CASE("A variant that cuts gradients is held to everything but their definition") {
  for (const Variant& variant : variants("infini")) {
    CHECK(variant.truncated == (variant.parameters.find("bptt") != std::string::npos));
    if (!variant.truncated) continue;
    std::vector<std::string> names;
    for (const Check& check : verify(variant, quick())) {
      CAPTURE(check.name, check.detail);
      CHECK(check.passed);
      names.push_back(check.name);
    }
    CHECK(contains(names, "chunked gradient"));
    CHECK(!contains(names, "gradient"));
  }
}

TEST_CASE("Variants of an unknown type suggest the nearest name") {
  CHECK_THROWS_WITH(variants("infinni"), Catch::Contains("did you mean 'infini'"));
}

}  // namespace longreach::attention
