// Runs one cell in this process.
#include "harness/cell.h"

#include <algorithm>
#include <filesystem>
#include <new>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/assemble.h"
#include "harness/build_info.h"
#include "harness/imports.h"
#include "harness/training.h"
#include "model/checkpoint.h"

namespace longreach::harness {
namespace {

metrics::Statistics statistics_of(const Experiment& experiment) {
  return {.confidence = experiment.statistics.confidence,
          .bootstrap = experiment.statistics.bootstrap};
}

void describe_model(const model::Transformer& model, CellInfo& info) {
  info.n_parameters = static_cast<i64>(model.weights().size());
  info.weights_sha = model::weights_sha(model);
}

void require_finite(const Findings& findings) {
  const std::string name = not_finite(findings);
  if (!name.empty()) throw error("{}: not a finite number", name);
}

void mark_invalid(Outcome& outcome, const std::string& mismatch) {
  if (mismatch.empty()) return;
  outcome.info.status = Status::invalid;
  outcome.info.reason = mismatch;
}

/// The dataset that the cell was planned for. Throws Error for another by now.
std::unique_ptr<datasets::Dataset> unchanged_data(const Component& component,
                                                  const Experiment& experiment,
                                                  const datasets::Tokenizer& tokenizer,
                                                  const Rng& rng) {
  auto data = make_dataset(component, experiment.folder, tokenizer, rng);
  if (data->sha() == component.sha) return data;
  throw error("{}: its data changed while the run went on; run again to plan with what it is now",
              component.where);
}

/// What a training needs; made by each of its processes.
struct TrainingParts {
  TrainingParts(const Experiment& experiment, const Cell& cell)
      : choice(experiment.models[cell.model]),
        backend(experiment.backends[cell.backend]),
        rng(Rng(static_cast<std::uint64_t>(cell.seed)).fork("training")),
        tokenizer(make_tokenizer(choice)),
        data(unchanged_data(choice.training->data, experiment, *tokenizer, rng.fork("data"))),
        model(make_model(choice, backend, cell.seed)) {}

  const ModelChoice& choice;
  const BackendChoice& backend;
  const Rng rng;
  const std::shared_ptr<const datasets::Tokenizer> tokenizer;
  const std::unique_ptr<datasets::Dataset> data;
  model::Transformer model;
};

void run_train(const Experiment& experiment, const Cell& cell, const std::string& output,
               const TrainingWatch& watch, model::Processes& processes, Outcome& outcome) {
  const std::string path = weights_path(output, cell.id);
  const std::string checkpoint = checkpoint_path(output, cell.id);
  std::optional<TrainingParts> parts;
  processes.together([&] {
    parts.emplace(experiment, cell);
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    if (failure) throw write_error(folder.string(), failure.value());
  });
  const Training& training = *parts->choice.training;
  outcome.info.tokenizer_sha = parts->tokenizer->sha();
  outcome.findings = train_model(parts->model, {.training = training,
                                                .lr = *cell.lr,
                                                .segment = memory_segment_of(parts->backend),
                                                .data = *parts->data,
                                                .statistics = statistics_of(experiment),
                                                .rng = parts->rng,
                                                .checkpoint = checkpoint,
                                                .id = cell.id,
                                                .watch = watch,
                                                .processes = processes,
                                                .compares = starts_imported(parts->choice)});
  for (Measurement& m : outcome.findings.measurements) m.data_sha = training.data.sha;
  std::string mismatch = check_activity(parts->model, training.length);
  if (processes.total(mismatch.empty() ? 0 : 1) > 0 && mismatch.empty()) {
    mismatch = "another process's model did other than its backends declare";
  }
  mark_invalid(outcome, mismatch);
  processes.together([&] {
    require_finite(outcome.findings);  // before there are weights that measurements would use
    if (processes.rank() != 0) return;
    if (!mismatch.empty()) {
      std::filesystem::remove(checkpoint);
      return;
    }
    model::save_checkpoint(parts->model, path);
    std::filesystem::remove(checkpoint);
  });
  describe_model(parts->model, outcome.info);
}

/// The cell's model with the cell's weights, as drawn or trained, under that backend.
model::Transformer model_under(const Experiment& experiment, const Cell& cell,
                               const std::string& output, const BackendChoice& backend) {
  model::Transformer model = make_model(experiment.models[cell.model], backend, cell.seed);
  if (cell.trained.empty()) return model;
  const std::string path = weights_path(output, cell.trained);
  try {
    model::load_checkpoint(model, path);
  } catch (const Error& failure) {
    if (backend.weights_of.empty()) {
      throw error("{} (delete {} to train again, with --retry failed)", failure.what(), path);
    }
    throw error("{} ({} cannot run with the weights of {})", failure.what(), backend.name,
                backend.weights_of);
  }
  return model;
}

void run_measure(const Experiment& experiment, const Cell& cell, const std::string& output,
                 Outcome& outcome) {
  const ModelChoice& choice = experiment.models[cell.model];
  const BackendChoice& backend = experiment.backends[cell.backend];
  const TaskChoice& task = experiment.tasks[cell.task];
  const auto tokenizer = make_tokenizer(choice);
  outcome.info.tokenizer_sha = tokenizer->sha();
  const model::Transformer model = model_under(experiment, cell, output, backend);
  describe_model(model, outcome.info);
  const i64 length = *cell.length;
  outcome.info.state_bytes_analytic = model.state_bytes(length);
  outcome.info.flops = model.cost(0, length).flops;

  const Rng rng = Rng(static_cast<std::uint64_t>(experiment.seed)).fork(task.name);
  std::unique_ptr<datasets::Dataset> data;
  if (task.data) {
    data = unchanged_data(*task.data, experiment, *tokenizer, rng.fork("data"));
  }
  const auto metric = make_metric(task.metric);
  std::optional<model::Transformer> baseline;
  const bool compares = metric->needs_baseline();
  if (compares && !backend.baseline) {
    baseline.emplace(model_under(experiment, cell, output, *experiment.baseline()));
  }
  const metrics::Session session{.model = model,
                                 .tokenizer = *tokenizer,
                                 .data = data.get(),
                                 .context_length = length,
                                 .lengths = task.lengths,
                                 .rng = rng,
                                 .statistics = statistics_of(experiment),
                                 .segment = segment_of(backend),
                                 .baseline = baseline   ? &*baseline
                                             : compares ? &model
                                                        : nullptr,
                                 .baseline_name = experiment.statistics.baseline};
  outcome.findings = metric->measure(session);
  require_finite(outcome.findings);
  outcome.info.state_bytes_measured = model.initial_state(1, length).bytes();
  std::string mismatch = check_activity(model, length);
  if (mismatch.empty() && baseline) {
    mismatch = check_activity(*baseline, length);
    if (!mismatch.empty()) mismatch = "the baseline's " + mismatch;
  }
  mark_invalid(outcome, mismatch);
}

}  // namespace

CellInfo cell_info(const Experiment& experiment, const Cell& cell) {
  const BackendChoice backend =
      with_positions_of(experiment.models[cell.model], experiment.backends[cell.backend]);
  CellInfo info;
  info.cell_id = cell.id;
  info.backend = backend.name;
  info.backend_type = backend.type();
  info.backend_params = backend.settings();
  info.baseline = backend.baseline;
  info.model = experiment.models[cell.model].name;
  info.seed = cell.seed;
  info.lr = cell.lr;
  if (cell.kind == CellKind::train) {
    info.task = "training";
    info.context_length = experiment.models[cell.model].training->length;
  } else {
    info.task = experiment.tasks[cell.task].name;
    info.task_version = experiment.tasks[cell.task].metric.version;
    info.context_length = cell.length;
  }
  describe_build(info);
  return info;
}

std::string weights_path(const std::string& output, const std::string& train_cell) {
  return (std::filesystem::path(output) / "models" / (train_cell + ".safetensors")).string();
}

std::string checkpoint_path(const std::string& output, const std::string& train_cell) {
  return (std::filesystem::path(output) / "models" / (train_cell + ".training.safetensors"))
      .string();
}

std::string check_activity(const model::Transformer& model, i64 capacity) {
  const i64 held = model.initial_state(1, capacity).bytes(), stated = model.state_bytes(capacity);
  if (held != stated) {
    return fmt::format("the state holds {} bytes where the formula says {}", held, stated);
  }
  return model.activity().mismatch();
}

Outcome run_cell(const Experiment& experiment, const Cell& cell, const std::string& output,
                 const TrainingWatch& watch, model::Processes& processes) {
  Outcome outcome;
  outcome.info = cell_info(experiment, cell);
  const auto stop = [&outcome](Status status, std::string reason) {
    outcome.info.status = status;
    outcome.info.reason = std::move(reason);
    outcome.findings = {};
  };
  try {
    if (cell.kind == CellKind::train) {
      run_train(experiment, cell, output, watch, processes, outcome);
    } else {
      run_measure(experiment, cell, output, outcome);
    }
    if (const std::string why = not_quotable(outcome.findings); !why.empty()) throw Error(why);
    for (SampleRecord& sample : outcome.findings.samples) sample.cell_id = cell.id;
    for (Curve& curve : outcome.findings.curves) curve.cell_id = cell.id;
  } catch (const Interrupted&) {
    throw;
  } catch (const std::bad_alloc&) {
    stop(Status::oom, "out of memory");
  } catch (const WriteError& failure) {
    stop(Status::failed, failure.what());
    outcome.unwritable = true;
  } catch (const std::exception& failure) {
    stop(Status::failed, failure.what());
  }
  return outcome;
}

}  // namespace longreach::harness
