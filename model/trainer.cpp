// The training loop.
#include "model/trainer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/vector_math.h"
#include "model/checkpoint.h"
#include "model/loss.h"

namespace longreach::model {

/// What a step needs, kept from one step to the next.
struct Trainer::Workspace {
  ModelTape tape;
  Scratch logits;
  i64 tape_bytes = 0, state_bytes = 0;  ///< of the last batch, as in StepReport
};

namespace {

constexpr const char* kTrainingFormat = "longreach-training/1";
constexpr const char *kFirst = "optimizer.first", *kSecond = "optimizer.second";
constexpr std::string_view kNote = "note.";

void validate(const Batch& batch) {
  const std::size_t size = static_cast<std::size_t>(batch.batch * batch.tokens);
  if (size == 0 || batch.inputs.size() != size || batch.targets.size() != size ||
      batch.weights.size() != size) {
    throw error("a batch of {} x {} tokens has {} inputs, {} targets and {} weights", batch.batch,
                batch.tokens, batch.inputs.size(), batch.targets.size(), batch.weights.size());
  }
  if (!batch.repeats.empty() && batch.repeats.size() != size) {
    throw error("a batch of {} x {} tokens has {} repeats; give one a token, or none", batch.batch,
                batch.tokens, batch.repeats.size());
  }
  for (const float times : batch.repeats) {
    if (!(times > 0 && std::isfinite(times))) {
      throw error("a token that counts {} times; the repeats of a batch are positive", times);
    }
  }
}

/// Tokens [begin, end) of each stream.
Batch columns(const Batch& batch, i64 begin, i64 end) {
  Batch part{
      .batch = batch.batch, .tokens = end - begin, .inputs = {}, .targets = {}, .weights = {}};
  const auto cut = [&](const auto& from, auto& to) {
    for (auto row = from.begin(); row != from.end(); row += batch.tokens) {
      to.insert(to.end(), row + begin, row + end);
    }
  };
  cut(batch.inputs, part.inputs);
  cut(batch.targets, part.targets);
  cut(batch.weights, part.weights);
  cut(batch.repeats, part.repeats);
  return part;
}

View<const Token, 2> inputs_of(const Batch& batch) {
  return {batch.inputs.data(), {batch.batch, batch.tokens}};
}
View<const float, 2> repeats_of(const Batch& batch) {
  if (batch.repeats.empty()) return {};
  return {batch.repeats.data(), {batch.batch, batch.tokens}};
}

/// The states of the streams before each chunk, to be taken from the last on. Of layers that append
/// there is one for all of them, which a taken state must bring back.
class Borders {
 public:
  Borders(const Transformer& model, const std::vector<Batch>& chunks, i64 capacity)
      : model_(model) {
    const i64 batch = chunks[0].batch;
    const View<float, 3> no_logits(nullptr, {batch, 0, model.architecture().vocabulary});
    StreamState state = model.initial_state(batch, capacity);
    for (std::size_t i = 0; i + 1 < chunks.size(); ++i) {
      keep(state);
      model.forward(inputs_of(chunks[i]), state, no_logits, nullptr, repeats_of(chunks[i]));
    }
    states_.push_back(std::move(state));
  }

  i64 bytes() const {
    i64 sum = 0;
    for (const StreamState& state : states_) sum += state.bytes();
    return sum;
  }

  /// The state before the last chunk whose state is still here.
  StreamState take() {
    StreamState state = std::move(states_.back());
    states_.pop_back();
    return state;
  }
  void bring_back(StreamState state) {
    if (states_.empty()) return;
    each_appending([&](std::size_t layer) {
      states_.back().layers[layer].tensors = std::move(state.layers[layer].tensors);
    });
  }

 private:
  void keep(const StreamState& state) {
    StreamState kept{.position = state.position, .layers = {}, .shift = state.shift};
    for (const attention::State& layer : state.layers) {
      const bool appends = model_.backends()[kept.layers.size()]->appends();
      kept.layers.push_back(appends ? attention::State{layer.position, {}, layer.activity} : layer);
    }
    states_.push_back(std::move(kept));
  }

  template <class Work>
  void each_appending(const Work& work) const {
    for (std::size_t layer = 0; layer < model_.backends().size(); ++layer) {
      if (model_.backends()[layer]->appends()) work(layer);
    }
  }

  const Transformer& model_;
  std::vector<StreamState> states_;
};

/// As batch_loss() of trainer.h; `weights` is sum_of_weights() of the batch that this one may be a
/// part of.
double batch_loss(const Transformer& model, const Batch& batch, double weights,
                  std::span<float> grad, i64 recompute, Trainer::Workspace& room) {
  const bool learns = !grad.empty();
  const i64 length = learns && recompute > 0 ? recompute : batch.tokens;
  std::vector<Batch> chunks;
  for (i64 begin = 0; begin < batch.tokens; begin += length) {
    chunks.push_back(columns(batch, begin, std::min(begin + length, batch.tokens)));
  }
  Borders borders(model, chunks, batch.tokens);
  room.tape_bytes = 0;
  room.state_bytes = borders.bytes();

  const i64 vocabulary = model.architecture().vocabulary;
  double loss = 0;
  StreamState d_state;
  for (; !chunks.empty(); chunks.pop_back()) {
    StreamState state = borders.take();
    const Batch& chunk = chunks.back();
    const i64 rows = chunk.batch * chunk.tokens;
    room.logits.resize(static_cast<std::size_t>(rows * vocabulary));
    const View<float, 3> logits(room.logits.data(), {chunk.batch, chunk.tokens, vocabulary});
    model.forward(inputs_of(chunk), state, logits, learns ? &room.tape : nullptr,
                  repeats_of(chunk));
    loss += cross_entropy(MutableMatrix(logits.data(), rows, vocabulary), chunk.targets,
                          chunk.weights, learns ? Gradient::in_place : Gradient::none, weights);
    if (!learns) return loss;
    room.tape_bytes = std::max(room.tape_bytes, room.tape.bytes());
    if (d_state.layers.empty()) d_state = state.zero_like();  // nothing comes after
    model.backward(inputs_of(chunk), room.tape, logits, d_state, grad, repeats_of(chunk));
    borders.bring_back(std::move(state));
  }
  return loss;
}

/// Euclidean norm, summed in float64.
double norm(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

/// The name of the first parameter whose gradient is not finite.
std::string first_not_finite(const Transformer& model, std::span<const float> grad) {
  for (const Parameter& parameter : model.parameters()) {
    for (i64 i = parameter.offset; i < parameter.offset + parameter.size; ++i) {
      if (!std::isfinite(grad[static_cast<std::size_t>(i)])) return parameter.name;
    }
  }
  return "";
}

Tensor tensor_of(std::span<const float> values) {
  Tensor tensor({static_cast<i64>(values.size())});
  std::ranges::copy(values, tensor.flat().begin());
  return tensor;
}

/// Removes a tensor of `size` finite numbers from the file.
Tensor take_moment(TensorFile& file, const char* name, std::size_t size, const std::string& path) {
  const auto found = std::ranges::find(file.tensors, name, &NamedTensor::name);
  if (found == file.tensors.end()) throw error("{}: tensor '{}' is missing", path, name);
  Tensor tensor = std::move(found->tensor);
  file.tensors.erase(found);
  if (static_cast<std::size_t>(tensor.size()) != size) {
    throw error("{}: tensor '{}' holds {} numbers, the model has {}", path, name, tensor.size(),
                size);
  }
  require_finite(tensor.flat().data(), tensor.size(), fmt::format("{}: tensor '{}'", path, name));
  return tensor;
}

template <class T>
T number(const TensorFile& file, const std::string& key, const std::string& path) {
  const auto found = file.metadata.find(key);
  T value{};
  if (found != file.metadata.end()) {
    const std::string& text = found->second;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure == std::errc() && end == text.data() + text.size() && value >= 0) return value;
  }
  throw error("{}: '{}' is missing or no number", path, key);
}

}  // namespace

double batch_loss(const Transformer& model, const Batch& batch, std::span<float> grad,
                  i64 recompute) {
  validate(batch);
  Trainer::Workspace room;
  return batch_loss(model, batch, sum_of_weights(batch.weights), grad, recompute, room);
}

Trainer::Trainer(Transformer& model, const TrainParams& params, Processes& processes)
    : model_(model),
      params_(params),
      processes_(processes),
      optimizer_(model.parameters(), params),
      workspace_(std::make_unique<Workspace>()),
      grad_(model.weights().size()) {}

Trainer::~Trainer() = default;

double Trainer::seconds() const {
  const std::chrono::duration<double> since = std::chrono::steady_clock::now() - start_;
  return seconds_before_ + since.count();
}

double Trainer::loss_and_gradient(const Batch& batch) {
  std::ranges::fill(grad_, 0.0f);
  double weights = 0, loss = 0;
  processes_.together([&] {
    if (batch.batch == 0) return;
    validate(batch);
    weights = sum_of_weights(batch.weights);
  });
  weights = processes_.total(weights);
  processes_.together([&] {
    if (batch.batch == 0) return;
    loss = batch_loss(model_, batch, weights, grad_, params_.recompute, *workspace_);
  });
  processes_.sum(grad_);
  return processes_.total(loss);
}

StepReport Trainer::step(const Batch& batch) {
  double loss = 0;
  try {
    loss = loss_and_gradient(batch);
  } catch (const Error& problem) {
    throw error("training step {}: {}", steps_, problem.what());
  }
  const bool backends_only = steps_ < params_.backends_only;
  if (backends_only) {
    for (const Parameter& parameter : model_.parameters()) {
      if (!parameter.of_backend)
        std::fill_n(grad_.begin() + parameter.offset, parameter.size, 0.0f);
    }
  }
  const double length = norm(grad_);
  if (!std::isfinite(loss) || !std::isfinite(length)) {
    const std::string name = first_not_finite(model_, grad_);
    throw error("training step {}: {} is not finite; a lower lr or a smaller clip may do", steps_,
                name.empty() ? "the loss" : "the gradient of " + name);
  }
  if (params_.clip > 0 && length > params_.clip) {
    scale(static_cast<float>(params_.clip / length), grad_.data(), static_cast<i64>(grad_.size()));
  }
  const double lr = learning_rate(params_, steps_);
  optimizer_.step(lr, model_.weights(), grad_, backends_only);
  tokens_ += static_cast<i64>(processes_.total(static_cast<double>(batch.batch * batch.tokens)));
  return {.step = steps_++,
          .loss = loss,
          .lr = lr,
          .gradient_norm = length,
          .tokens = tokens_,
          .seconds = seconds(),
          .tape_bytes = workspace_->tape_bytes,
          .state_bytes = workspace_->state_bytes};
}

void Trainer::save(const std::string& path, const std::map<std::string, std::string>& notes) const {
  TensorFile file;
  file.metadata = {{"format", kTrainingFormat},
                   {"steps", fmt::format("{}", steps_)},
                   {"tokens", fmt::format("{}", tokens_)},
                   {"seconds", fmt::format("{}", seconds())}};
  for (const auto& [key, text] : notes) file.metadata[std::string(kNote) + key] = text;
  put_weights(model_, file);
  file.tensors.push_back({kFirst, tensor_of(optimizer_.moments().first)});
  file.tensors.push_back({kSecond, tensor_of(optimizer_.moments().second)});
  write_safetensors(path, file);
}

std::map<std::string, std::string> Trainer::load(const std::string& path) {
  TensorFile file = read_safetensors(path);
  if (const auto format = file.metadata.find("format");
      format == file.metadata.end() || format->second != kTrainingFormat) {
    throw error("{}: no training checkpoint of the format '{}'", path, kTrainingFormat);
  }
  const std::size_t size = grad_.size();
  const Tensor first = take_moment(file, kFirst, size, path);
  const Tensor second = take_moment(file, kSecond, size, path);
  const i64 steps = number<i64>(file, "steps", path), tokens = number<i64>(file, "tokens", path);
  const double seconds = number<double>(file, "seconds", path);
  take_weights(model_, file, path);
  optimizer_.restore(steps, first.flat(), second.flat());
  steps_ = steps;
  tokens_ = tokens;
  seconds_before_ = seconds;
  start_ = std::chrono::steady_clock::now();
  std::map<std::string, std::string> notes;
  for (const auto& [key, text] : file.metadata) {
    if (key.starts_with(kNote)) notes[key.substr(kNote.size())] = text;
  }
  return notes;
}

void train(Transformer& model, const TrainParams& params,
           const std::function<Batch(i64 step)>& next,
           const std::function<void(const StepReport&)>& report) {
  Trainer trainer(model, params);
  while (!trainer.done()) {
    const StepReport done = trainer.step(next(trainer.steps_done()));
    if (report) report(done);
  }
}

}  // namespace longreach::model
