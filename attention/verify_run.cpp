// Random problems for verify, and the ways to run a backend over them.
#include "attention/verify_run.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace longreach::attention {
namespace {

constexpr double kNotFinite = 1e300;

void fill_normal(std::span<float> values, Rng rng) {
  for (float& value : values) value = static_cast<float>(rng.normal());
}

template <class T>
double error_of(std::span<const float> a, std::span<const T> b, double floor) {
  if (a.size() != b.size()) return kNotFinite;
  double difference = 0, scale = floor;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    if (!std::isfinite(x) || !std::isfinite(y)) return kNotFinite;
    difference = std::max(difference, std::abs(x - y));
    scale = std::max(scale, std::abs(y));
  }
  return scale > 0 ? difference / scale : difference;
}

}  // namespace

Tensor stream_rows(const Tensor& tensor, i64 batch, i64 b) {
  std::vector<i64> shape = tensor.shape();
  if (shape.empty() || shape[0] != batch) {
    throw error("a state tensor's first extent must be the batch of {}", batch);
  }
  const i64 stride = tensor.size() / batch;
  shape[0] = 1;
  Tensor one(shape, tensor.element());
  const i64 bytes = stride * bytes_of(tensor.element());
  std::copy_n(static_cast<const char*>(tensor.data()) + b * bytes, bytes,
              static_cast<char*>(one.data()));
  return one;
}

Problem::Problem(const Backend& backend, i64 b, i64 t, const Rng& rng, bool repeated)
    : batch(b), tokens(t) {
  const auto [query_heads, kv_heads, head_dim] = backend.shape();
  q = Tensor({b, t, query_heads, head_dim});
  k = Tensor({b, t, kv_heads, head_dim});
  v = Tensor({b, t, kv_heads, head_dim});
  projected = Tensor({b, t, backend.projected_size()});
  d_out = Tensor({b, t, query_heads, head_dim});
  fill_normal(q.flat(), rng.fork("q"));
  fill_normal(k.flat(), rng.fork("k"));
  fill_normal(v.flat(), rng.fork("v"));
  fill_normal(projected.flat(), rng.fork("projected"));
  fill_normal(d_out.flat(), rng.fork("d_out"));
  if (repeated) {
    repeats = Tensor({b, t});
    Rng repeat_rng = rng.fork("repeats");
    for (float& times : repeats.flat()) {
      times = static_cast<float>(std::exp2(3 * repeat_rng.uniform()));
    }
  }
  Rng weight_rng = rng.fork("weights");
  for (const WeightSpec& spec : backend.weights()) {
    for (i64 i = 0; i < Tensor::count(spec.shape); ++i) {
      weights.push_back(spec.initial + static_cast<float>(weight_rng.normal()));
    }
  }
  d_state = backend.initial_state(b, t).zero_like();
  d_state.position = t;
  for (NamedTensor& named : d_state.tensors) {
    fill_normal(named.tensor.flat(), rng.fork("d_state").fork(named.name));
  }
}

Chunk Problem::chunk(i64 begin, i64 count) const {
  const Chunk all{q.view<4>(), k.view<4>(), v.view<4>(),
                  repeats.size() == 0 ? View<const float, 2>{} : repeats.view<2>(),
                  projected.size() == 0 ? View<const float, 3>{} : projected.view<3>()};
  return all.slice(begin, count);
}

Problem Problem::stream(i64 b) const {
  Problem one = *this;
  one.batch = 1;
  one.q = stream_rows(q, batch, b);
  one.k = stream_rows(k, batch, b);
  one.v = stream_rows(v, batch, b);
  one.projected = stream_rows(projected, batch, b);
  if (repeats.size() > 0) one.repeats = stream_rows(repeats, batch, b);
  one.d_out = stream_rows(d_out, batch, b);
  for (NamedTensor& named : one.d_state.tensors) named.tensor = stream_rows(named.tensor, batch, b);
  return one;
}

Pass run(const Backend& backend, const Problem& problem, State start, std::span<const i64> cuts,
         bool keep_tapes) {
  Pass pass{Tensor(problem.d_out.shape()), std::move(start), {cuts.begin(), cuts.end()}, {}};
  i64 position = pass.state.position;
  for (const i64 count : cuts) {
    const View<float, 4> out = pass.out.view<4>().slice(1, position, count);
    // forward() must write every output: what it leaves out stays NaN and fails the comparison.
    for (i64 b = 0; b < problem.batch; ++b) {
      for (i64 t = 0; t < count; ++t) {
        std::fill_n(&out(b, t, 0, 0), out.extent(2) * out.extent(3), std::nanf(""));
      }
    }
    Tape tape;
    backend.forward(problem.weights, problem.chunk(position, count), pass.state, out,
                    keep_tapes ? &tape : nullptr);
    if (keep_tapes) pass.tapes.push_back(std::move(tape));
    position += count;
    if (pass.state.position != position) {
      throw error("forward() left the state at position {} instead of {}", pass.state.position,
                  position);
    }
  }
  return pass;
}

Pass run(const Backend& backend, const Problem& problem, std::span<const i64> cuts,
         bool keep_tapes) {
  return run(backend, problem, backend.initial_state(problem.batch, problem.tokens), cuts,
             keep_tapes);
}

Gradients undo(const Backend& backend, const Problem& problem, const Pass& pass, State d_state,
               float held) {
  Gradients g{Tensor(problem.q.shape()),
              Tensor(problem.k.shape()),
              Tensor(problem.v.shape()),
              Tensor(problem.projected.shape()),
              std::vector<float>(problem.weights.size(), held),
              std::move(d_state)};
  for (Tensor* tensor : {&g.q, &g.k, &g.v, &g.projected}) std::ranges::fill(tensor->flat(), held);
  i64 position = pass.state.position;
  for (std::size_t i = pass.cuts.size(); i-- > 0;) {
    const i64 count = pass.cuts[i];
    position -= count;
    const ChunkGrad grad{
        g.q.view<4>().slice(1, position, count), g.k.view<4>().slice(1, position, count),
        g.v.view<4>().slice(1, position, count), g.projected.view<3>().slice(1, position, count)};
    backend.backward(problem.weights, problem.chunk(position, count), pass.tapes[i],
                     problem.d_out.view<4>().slice(1, position, count), g.state, grad, g.weights);
  }
  return g;
}

std::vector<i64> random_cuts(i64 tokens, Rng& rng) {
  std::vector<i64> cuts;
  while (tokens > 0) {
    const i64 longest = rng.below(4) == 0 ? 200 : 9;
    cuts.push_back(1 + rng.below(std::min(tokens, longest)));
    tokens -= cuts.back();
  }
  return cuts;
}

std::string describe_cuts(std::span<const i64> cuts) {
  std::string text;
  for (std::size_t i = 0, run = 0; i < cuts.size(); i += run) {
    run = 1;
    while (i + run < cuts.size() && cuts[i + run] == cuts[i]) ++run;
    text += fmt::format("{}{}", text.empty() ? "" : ",", cuts[i]);
    if (run > 1) text += fmt::format("x{}", run);
  }
  return text;
}

ReferenceProblem::ReferenceProblem(const Problem& problem)
    : weights(problem.weights.begin(), problem.weights.end()) {
  for (i64 b = 0; b < problem.batch; ++b) {
    const Problem one = problem.stream(b);
    const auto doubles = [](const Tensor& t) {
      return std::vector<double>(t.flat().begin(), t.flat().end());
    };
    streams.push_back({problem.tokens, doubles(one.q), doubles(one.k), doubles(one.v),
                       doubles(one.repeats), doubles(one.projected)});
    d_out.push_back(doubles(one.d_out));
  }
}

double ReferenceProblem::loss(const Backend& backend, std::size_t b) const {
  const std::vector<double> out = backend.reference(weights, streams[b]);
  double sum = 0;
  for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * d_out[b][i];
  return sum;
}

double relative_error(std::span<const float> a, std::span<const double> b, double floor) {
  return error_of(a, b, floor);
}
double relative_error(std::span<const float> a, std::span<const float> b, double floor) {
  return error_of(a, b, floor);
}

double largest(std::span<const float> a) {
  double most = 0;
  for (const float value : a) most = std::max(most, static_cast<double>(std::abs(value)));
  return most;
}

i64 bits_differing(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return static_cast<i64>(std::max(a.size(), b.size()));
  i64 count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    count += std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]);
  }
  return count;
}

i64 bits_differing(const Tensor& a, const Tensor& b) {
  if (a.size() != b.size() || a.element() != b.element()) return std::max(a.size(), b.size());
  if (a.element() == Element::f32) return bits_differing(a.flat(), b.flat());
  i64 count = 0;
  for (std::size_t i = 0; i < a.halves().size(); ++i) count += a.halves()[i] != b.halves()[i];
  return count;
}

i64 bits_differing(const State& a, const State& b) {
  if (a.tensors.size() != b.tensors.size()) return std::max(a.bytes(), b.bytes());
  i64 count = 0;
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    count += bits_differing(a.tensors[i].tensor, b.tensors[i].tensor);
  }
  return count;
}

}  // namespace longreach::attention
