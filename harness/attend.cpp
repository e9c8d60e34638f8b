// `longreach attend`: one backend on tensors from outside.
#include "harness/attend.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>
#include <numeric>
#include <optional>

#include "attention/backend.h"
#include "core/error.h"
#include "core/half.h"
#include "harness/backend_text.h"
#include "model/safetensors.h"

namespace longreach::harness {
namespace {

using attention::Backend;
using attention::ProjectionSpec;
using attention::State;
using attention::WeightSpec;
using model::TensorFile;

/// A file's tensors, checked as they are taken.
class Inputs {
 public:
  explicit Inputs(const std::string& path) : path_(path), file_(model::read_safetensors(path)) {
    for (const NamedTensor& named : file_.tensors) {
      require_finite(named.tensor.flat().data(), static_cast<long>(named.tensor.size()),
                     fmt::format("{}: tensor '{}'", path_, named.name));
    }
  }

  /// Rank 4 with no empty extent.
  const Tensor& rows(const std::string& name) const {
    const Tensor* tensor = file_.find(name);
    if (tensor == nullptr) {
      throw error("{}: no tensor '{}'; q, k and v are needed", path_, name);
    }
    const std::vector<i64>& shape = tensor->shape();
    if (shape.size() != 4 || tensor->size() == 0) {
      throw error("{}: '{}' is [{}]; expected [streams, tokens, heads, head size], none of them 0",
                  path_, name, fmt::join(shape, ", "));
    }
    return *tensor;
  }

  /// The tensor in that shape, or nullptr when absent.
  const Tensor* optional(const std::string& name, const std::vector<i64>& shape) const {
    const Tensor* tensor = file_.find(name);
    if (tensor != nullptr && tensor->shape() != shape) {
      throw error("{}: '{}' is [{}]; expected [{}]", path_, name, fmt::join(tensor->shape(), ", "),
                  fmt::join(shape, ", "));
    }
    return tensor;
  }

  i64 metadata(const std::string& key, i64 otherwise, i64 least) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end()) return otherwise;
    const std::optional<i64> value = parse_integer(found->second, Unit::none);
    if (!value || *value < least || *value > kLongest) {
      throw error("{}: metadata '{}' is '{}'; expected a whole number in [{}, {}]", path_, key,
                  found->second, least, kLongest);
    }
    return *value;
  }

  void refuse_unknown(const std::vector<std::string>& known) const {
    for (const NamedTensor& named : file_.tensors) {
      if (std::ranges::find(known, named.name) == known.end()) {
        throw error("{}: unknown tensor '{}'{}", path_, named.name, suggestion(named.name, known));
      }
    }
  }

  const std::string& path() const { return path_; }

 private:
  static constexpr i64 kLongest = i64{1} << 24;
  std::string path_;
  TensorFile file_;
};

attention::Shape shape_of(const Inputs& inputs) {
  const std::vector<i64> q = inputs.rows("q").shape(), k = inputs.rows("k").shape();
  if (k[0] != q[0] || k[1] != q[1] || k[3] != q[3]) {
    throw error("{}: 'k' is [{}]; expected streams, tokens and head size as in 'q' [{}]",
                inputs.path(), fmt::join(k, ", "), fmt::join(q, ", "));
  }
  inputs.rows("v");
  inputs.optional("v", k);
  const attention::Shape shape{q[2], k[2], q[3]};
  try {
    attention::validate(shape);
  } catch (const Error& thrown) {
    throw error("{}: {}", inputs.path(), thrown.what());
  }
  return shape;
}

std::vector<float> read_weights(const Inputs& inputs, const std::vector<WeightSpec>& specs) {
  std::vector<float> weights;
  for (const WeightSpec& spec : specs) {
    if (const Tensor* given = inputs.optional("weights." + spec.name, spec.shape)) {
      weights.insert(weights.end(), given->flat().begin(), given->flat().end());
    } else {
      weights.insert(weights.end(), static_cast<std::size_t>(Tensor::count(spec.shape)),
                     spec.initial);
    }
  }
  return weights;
}

/// Replaces the tensors of `state` that the file has under `prefix`; says whether any was there.
bool read_state(const Inputs& inputs, const std::string& prefix, State& state) {
  bool any = false;
  for (NamedTensor& named : state.tensors) {
    if (const Tensor* given = inputs.optional(prefix + named.name, named.tensor.shape())) {
      if (named.tensor.element() == Element::f32) {
        named.tensor = *given;
      } else {
        narrow(given->flat().data(), named.tensor.element(), named.tensor.halves().data(),
               given->size());
        require_finite(
            widened(named.tensor).data(), static_cast<long>(given->size()),
            fmt::format(
                "{}: tensor '{}', rounded to {}", inputs.path(), prefix + named.name,
                EnumNames<Element>::names[static_cast<std::size_t>(named.tensor.element())]));
      }
      any = true;
    }
  }
  return any;
}

std::vector<i64> cuts_of(const AttendOptions& options, i64 tokens) {
  if (options.chunks.empty()) return {tokens};
  for (const i64 length : options.chunks) {
    if (length < 1) throw error("--chunks: a length of {}; each must be at least 1", length);
  }
  const i64 sum = std::accumulate(options.chunks.begin(), options.chunks.end(), i64{0});
  if (sum != tokens) {
    throw error("--chunks: {} sum to {}; expected the {} tokens of 'q'",
                fmt::join(options.chunks, ","), sum, tokens);
  }
  return options.chunks;
}

std::vector<std::string> known_names(const Backend& backend, const State& state) {
  std::vector<std::string> known{"q", "k", "v", "repeats", "d_out"};
  for (const ProjectionSpec& spec : backend.projections()) {
    known.push_back("projected." + spec.name);
  }
  for (const WeightSpec& spec : backend.weights()) known.push_back("weights." + spec.name);
  for (const NamedTensor& named : state.tensors) {
    known.push_back("state." + named.name);
    known.push_back("d_state." + named.name);
  }
  return known;
}

void add_state(TensorFile& file, const std::string& prefix, const State& state) {
  for (const NamedTensor& named : state.tensors) {
    file.tensors.push_back({prefix + named.name, named.tensor});
  }
}

/// [B, T], or an empty view when absent.
View<const float, 2> read_repeats(const Inputs& inputs, i64 batch, i64 tokens) {
  const Tensor* repeats = inputs.optional("repeats", {batch, tokens});
  if (repeats == nullptr) return {};
  for (const float times : repeats->flat()) {
    if (!(times > 0)) {
      throw error("{}: 'repeats' holds {}; a token counts a positive number of times",
                  inputs.path(), times);
    }
  }
  return repeats->view<2>();
}

/// Copies `count` columns of rows [B, T, columns].
void copy_columns(const Tensor& from, i64 from_first, Tensor& to, i64 to_first, i64 count) {
  const auto source = from.view<3>();
  const auto target = to.view<3>();
  for (i64 b = 0; b < source.extent(0); ++b) {
    for (i64 t = 0; t < source.extent(1); ++t) {
      std::copy_n(source.row(b, t).begin() + from_first, count,
                  target.row(b, t).begin() + to_first);
    }
  }
}

/// [B, T, P]; 0 where a projection is absent.
Tensor read_projected(const Inputs& inputs, const Backend& backend, i64 batch, i64 tokens) {
  Tensor all({batch, tokens, backend.projected_size()});
  i64 first = 0;
  for (const ProjectionSpec& spec : backend.projections()) {
    const Tensor* given = inputs.optional("projected." + spec.name, {batch, tokens, spec.size});
    if (given != nullptr) copy_columns(*given, 0, all, first, spec.size);
    first += spec.size;
  }
  return all;
}

/// One stream batch and how it is cut.
struct Stream {
  attention::Chunk all;
  std::vector<i64> cuts;
};

/// Undoes the calls from the last, and adds the gradients to `file`.
void add_gradients(const Backend& backend, const std::vector<float>& weights, const Stream& stream,
                   const std::vector<attention::Tape>& tapes, const Tensor& d_out, State d_state,
                   TensorFile& file) {
  const auto like = [](View<const float, 4> x) {
    return Tensor({x.extent(0), x.extent(1), x.extent(2), x.extent(3)});
  };
  Tensor d_q = like(stream.all.q), d_k = like(stream.all.k), d_v = like(stream.all.v);
  Tensor d_projected({stream.all.batch(), stream.all.tokens(), backend.projected_size()});
  std::vector<float> d_weights(weights.size());
  i64 end = stream.all.tokens();
  for (std::size_t i = stream.cuts.size(); i-- > 0;) {
    const i64 count = stream.cuts[i], begin = end - count;
    const attention::ChunkGrad grad{
        d_q.view<4>().slice(1, begin, count), d_k.view<4>().slice(1, begin, count),
        d_v.view<4>().slice(1, begin, count), d_projected.view<3>().slice(1, begin, count)};
    backend.backward(weights, stream.all.slice(begin, count), tapes[i],
                     d_out.view<4>().slice(1, begin, count), d_state, grad, d_weights);
    end = begin;
  }
  file.tensors.push_back({"d_q", std::move(d_q)});
  file.tensors.push_back({"d_k", std::move(d_k)});
  file.tensors.push_back({"d_v", std::move(d_v)});
  i64 first = 0;
  for (const ProjectionSpec& spec : backend.projections()) {
    Tensor gradient({stream.all.batch(), stream.all.tokens(), spec.size});
    copy_columns(d_projected, first, gradient, 0, spec.size);
    first += spec.size;
    file.tensors.push_back({"d_projected." + spec.name, std::move(gradient)});
  }
  auto next = d_weights.begin();
  for (const WeightSpec& spec : backend.weights()) {
    Tensor gradient(spec.shape);
    std::copy_n(next, gradient.size(), gradient.flat().begin());
    next += gradient.size();
    file.tensors.push_back({"d_weights." + spec.name, std::move(gradient)});
  }
  add_state(file, "d_state.", d_state);
}

}  // namespace

void attend(const AttendOptions& options) {
  const Inputs inputs(options.in);
  const std::unique_ptr<Backend> backend =
      make_backend("--backend", options.backend, shape_of(inputs));
  const Tensor& q = inputs.rows("q");
  const i64 batch = q.shape()[0], tokens = q.shape()[1];
  const Tensor projected = read_projected(inputs, *backend, batch, tokens);
  const Stream stream{{q.view<4>(), inputs.rows("k").view<4>(), inputs.rows("v").view<4>(),
                       read_repeats(inputs, batch, tokens), projected.view<3>()},
                      cuts_of(options, tokens)};

  const i64 position = inputs.metadata("position", 0, 0);
  const i64 capacity = inputs.metadata("capacity", position + tokens, position + tokens);
  State state = backend->initial_state(batch, capacity);
  inputs.refuse_unknown(known_names(*backend, state));
  state.position = position;
  if (!read_state(inputs, "state.", state) && position > 0) {
    throw error("{}: metadata position: {} needs the state there; give state.{} and the others",
                inputs.path(), position, state.tensors.front().name);
  }
  const std::vector<float> weights = read_weights(inputs, backend->weights());
  State d_state = state.zero_like();
  d_state.position = position + tokens;
  const Tensor* d_out = inputs.optional("d_out", q.shape());
  const bool backward = read_state(inputs, "d_state.", d_state) || d_out != nullptr;

  Tensor out(q.shape());
  std::vector<attention::Tape> tapes(stream.cuts.size());
  i64 begin = 0;
  for (std::size_t i = 0; i < stream.cuts.size(); ++i) {
    const i64 count = stream.cuts[i];
    backend->forward(weights, stream.all.slice(begin, count), state,
                     out.view<4>().slice(1, begin, count), backward ? &tapes[i] : nullptr);
    begin += count;
  }

  TensorFile file;
  file.metadata = {{"position", fmt::format("{}", state.position)},
                   {"capacity", fmt::format("{}", capacity)}};
  file.tensors.push_back({"out", std::move(out)});
  add_state(file, "state.", state);
  if (backward) {
    add_gradients(*backend, weights, stream, tapes, d_out != nullptr ? *d_out : Tensor(q.shape()),
                  std::move(d_state), file);
  }
  model::write_safetensors(options.out, file);
}

}  // namespace longreach::harness
