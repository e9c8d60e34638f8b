// lm-evaluation-harness's results file, for whatever reads it: a trained model's pooled scores,
// each task at each context length. Fields: lm_eval/evaluator.py, evaluator_utils.py
// (consolidate_results) and loggers/evaluation_tracker.py of EleutherAI/lm-evaluation-harness 0.4.
#include <algorithm>
#include <ctime>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "core/error.h"
#include "reports/columns.h"
#include "reports/main_scores.h"
#include "reports/report.h"
#include "reports/trained.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

std::string status_name(Status status) {
  return std::string(EnumNames<Status>::names[static_cast<std::size_t>(status)]);
}

/// Seconds since 1970 of "2026-11-26T05:12:25Z"; null for other text.
Json unix_time(const std::string& text) {
  std::tm time{};
  std::istringstream in(text);
  in >> std::get_time(&time, "%Y-%m-%dT%H:%M:%SZ");
  return in ? Json(static_cast<double>(timegm(&time))) : Json(nullptr);
}

/// As sanitize_model_name() of lm_eval/utils.py: what paths do not like becomes "__". Never a path
/// that leaves its folder.
std::string sanitized(const std::string& name) {
  std::string out;
  bool within = false;
  for (const char c : name) {
    const bool bad = static_cast<unsigned char>(c) < 0x20 ||
                     std::string_view("\"<>:/|\\?*[]").find(c) != std::string_view::npos;
    if (!bad) out += c;
    if (bad && !within) out += "__";
    within = bad;
  }
  return out.empty() || out.starts_with('.') ? "_" + out : out;
}

/// A metric's name ends at the first comma of a key; the rest names a filter, and ours is "none".
std::string metric_key(const std::string& metric, const char* suffix) {
  std::string name = metric;
  std::ranges::replace(name, ',', ';');
  return name + suffix + ",none";
}

std::string task_name(const CellInfo& cell) {
  return cell.context_length ? fmt::format("{}@{}", cell.task, *cell.context_length) : cell.task;
}

Json config_of(const CellInfo& cell, const std::string& name) {
  return {
      {"model", "longreach"},
      {"model_args",
       fmt::format("model={},backend={},{}", cell.model, cell.backend, cell.backend_params)},
      {"model_num_parameters", to_json(cell.n_parameters ? Value(*cell.n_parameters) : Value())},
      {"model_revision", cell.weights_sha},
      {"model_sha", cell.weights_sha},
      {"batch_size", 1},
      {"batch_sizes", Json::array()},
      {"device", "cpu"},
      {"use_cache", nullptr},
      {"limit", nullptr},
      {"bootstrap_iters", nullptr},
      {"gen_kwargs", nullptr},
      {"random_seed", to_json(cell.seed ? Value(*cell.seed) : Value())},
      {"longreach_name", name}};
}

/// One trained model's file, record by record.
class Builder {
 public:
  explicit Builder(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }

  void add(const Record& record) {
    const CellInfo& cell = record.cell;
    const Measurement& m = record.measurement;
    if (cell_.cell_id.empty() || cell_.weights_sha.empty()) cell_ = cell;
    if (started_.empty() || (!cell.started_at.empty() && cell.started_at < started_)) {
      started_ = cell.started_at;
    }
    seconds_[cell.cell_id] = cell.wall_s.value_or(0);
    const std::string task = task_name(cell);
    if (cell.status != Status::ok) {
      not_ok_[task] = {{"status", status_name(cell.status)}, {"reason", cell.reason}};
      return;
    }
    if (m.metric.empty() || !m.subtask.empty() || m.depth || !m.value) return;
    if (!results_.contains(task)) begin_task(task, cell);
    Json& result = results_[task];
    const std::string key = metric_key(m.metric, "");
    if (result.contains(key)) return;
    result[key] = *m.value;
    result[metric_key(m.metric, "_stderr")] =
        m.standard_error ? Json(*m.standard_error) : Json("N/A");
    if (m.higher_is_better) {
      const std::string metric = key.substr(0, key.find(','));
      higher_is_better_[task][metric] = *m.higher_is_better;
    }
    Json& metadata = configs_[task]["metadata"];
    if (metadata["data_sha"] == "") metadata["data_sha"] = m.data_sha;
    metadata["protocols"][m.metric] = m.protocol;
    if (m.n) n_[task][m.metric] = *m.n;
  }

  File file() const {
    Json samples = Json::object(), hashes = Json::object();
    for (const auto& [task, counts] : n_.items()) {
      std::vector<std::string> metrics;
      for (const auto& [metric, n] : counts.items()) metrics.push_back(metric);
      const std::string base = configs_[task]["metadata"]["task"];
      const Json& n = counts[main_score(base, metrics)];
      samples[task] = {{"original", n}, {"effective", n}};
    }
    for (const auto& [task, config] : configs_.items()) {
      hashes[task] = config["metadata"]["data_sha"];
    }
    double seconds = 0;
    for (const auto& [cell, wall] : seconds_) seconds += wall;
    const Json root{
        {"results", results_},
        {"group_subtasks", groups_},
        {"configs", configs_},
        {"versions", versions_},
        {"n-shot", shots_},
        {"higher_is_better", higher_is_better_},
        {"n-samples", samples},
        {"config", config_of(cell_, name_)},
        {"git_hash", nullptr},
        {"date", unix_time(started_)},
        {"pretty_env_info", fmt::format("Longreach {}; {}; {}; {} ({})", cell_.build,
                                        cell_.compiler, cell_.flags, cell_.cpu, cell_.isa)},
        {"transformers_version", nullptr},
        {"lm_eval_version", nullptr},
        {"upper_git_hash", nullptr},
        {"task_hashes", hashes},
        {"model_source", "longreach"},
        {"model_name", name_},
        {"model_name_sanitized", sanitized(name_)},
        {"system_instruction", nullptr},
        {"system_instruction_sha", nullptr},
        {"fewshot_as_multiturn", nullptr},
        {"chat_template", nullptr},
        {"chat_template_sha", nullptr},
        {"start_time", nullptr},
        {"end_time", nullptr},
        {"total_evaluation_time_seconds", fmt::format("{}", seconds)},
        {"longreach", {{"schema_version", kSchemaVersion}, {"not_ok", not_ok_}}}};
    return {path(), root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"};
  }

 private:
  void begin_task(const std::string& task, const CellInfo& cell) {
    const Json version = to_json(cell.task_version ? Value(*cell.task_version) : Value());
    results_[task]["alias"] = task;
    groups_[cell.task].push_back(task);
    configs_[task] = {
        {"task", task},
        {"num_fewshot", 0},
        {"metadata",
         {{"version", version},
          {"task", cell.task},
          {"context_length", to_json(cell.context_length ? Value(*cell.context_length) : Value())},
          {"data_sha", ""},
          {"protocols", Json::object()}}}};
    versions_[task] = version.is_null() ? Json("N/A") : version;
    shots_[task] = 0;
    higher_is_better_[task] = Json::object();
  }

  /// As EvaluationTracker.save_results_aggregated() has it, with the time the first cell began.
  std::string path() const {
    std::string date = started_;
    std::ranges::replace(date, ':', '-');
    return fmt::format("{}/results_{}.json", sanitized(name_), sanitized(date));
  }

  std::string name_, started_;
  CellInfo cell_;  ///< the first with a result
  std::map<std::string, double> seconds_;
  Json results_ = Json::object(), groups_ = Json::object(), configs_ = Json::object(),
       versions_ = Json::object(), shots_ = Json::object(), higher_is_better_ = Json::object(),
       n_ = Json::object(), not_ok_ = Json::object();
};

class LmEval final : public Report {
 public:
  struct Params {
    void fields(Fields&) {}
  };
  explicit LmEval(const Params&) {}

  std::string file_name() const override { return "results.json"; }
  bool of_every_run() const override { return false; }
  bool tells_runs_apart() const override { return false; }

  void write(const Results& results, std::ostream& out) const override {
    const std::vector<File> all = files(results);
    if (all.size() == 1) {
      out << all[0].content;
      return;
    }
    std::vector<std::string> names;
    for (const File& file : all) names.push_back(file.path.substr(0, file.path.find('/')));
    throw error(
        "lm-eval: one file tells of one model and backend, and here are {} ({}); choose with "
        "--models and --backends, or give a folder to --output",
        all.size(), fmt::join(names, ", "));
  }

  std::vector<File> files(const Results& results) const override {
    Trained trained;
    results.records.each([&](const Record& record) { trained.add(record.cell); });
    std::vector<Builder> builders;
    results.records.each([&](const Record& record) {
      const std::string name = trained.name(record.cell);
      auto found = std::ranges::find(builders, name, &Builder::name);
      if (found == builders.end()) found = builders.insert(found, Builder(name));
      found->add(record);
    });
    std::vector<File> files;
    for (const Builder& builder : builders) {
      File file = builder.file();
      while (std::ranges::find(files, file.path, &File::path) != files.end()) {
        file.path.insert(file.path.find('/'), "_");  // unlike names may be sanitized alike
      }
      files.push_back(std::move(file));
    }
    return files;
  }
};

const Registered<ReportRegistry, LmEval> registered{
    "lm-eval", "lm-evaluation-harness's results JSON, a file a model and backend"};

}  // namespace
}  // namespace longreach::reports
