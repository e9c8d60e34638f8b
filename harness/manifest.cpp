// How a run came about.
#include "harness/manifest.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/assemble.h"
#include "harness/build_info.h"
#include "harness/machine.h"
#include "harness/plugin.h"
#include "harness/runner.h"

namespace longreach::harness {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json build_json() {
  const BuildInfo& build = build_info();
  return {{"version", build.version},       {"revision", build.revision},
          {"difference", build.difference}, {"compiler", build.compiler},
          {"flags", build.flags},           {"type", build.build_type},
          {"options", build.options},       {"libraries", build.libraries},
          {"loaded", build.loaded}};
}

Json machine_json() {
  const Machine& machine = this_machine();
  return {{"fingerprint", machine.fingerprint},
          {"cpu", machine.cpu},
          {"isa", machine.isa},
          {"cores", machine.cores},
          {"caches", machine.caches},
          {"memory_bytes", machine.memory_bytes},
          {"kernel", machine.kernel},
          {"libc", machine.libc}};
}

Json circumstances_json() {
  const Circumstances now = circumstances();
  return {{"governor", now.governor},
          {"affinity", now.affinity},
          {"threads", now.threads},
          {"environment", now.environment}};
}

Json plugins_json(const std::vector<std::string>& paths) {
  Json plugins = Json::array();
  for (const std::string& path : paths) {
    plugins.push_back({{"path", path}, {"sha256", plugin_sha(path)}});
  }
  return plugins;
}

std::string statistics_text(StatisticsChoice statistics) {
  return canonical([&statistics](Fields& f) { statistics.fields(f); });
}

/// The members of manifest.json that a later run of the same configuration would repeat.
constexpr std::array<std::string_view, 2> kLongMembers{"configuration_as_written", "configuration"};

}  // namespace

void store_experiment(Store& store, const Experiment& experiment, const std::string& command) {
  store.set_meta("name", experiment.name);
  store.set_meta("written", experiment.written);
  store.set_meta("edited", experiment.edited);
  store.set_meta("command", command);
  store.set_meta("seed", fmt::format("{}", experiment.seed));
  store.set_meta("statistics", statistics_text(experiment.statistics));
}

i64 threads_of(const RunOptions& options) {
  return options.threads > 0 ? options.threads : circumstances().threads;
}

std::map<std::string, std::string> input_hashes(const Experiment& experiment) {
  std::map<std::string, std::string> hashes;
  for (const ModelChoice& model : experiment.models) {
    hashes["tokenizer of " + model.name] = make_tokenizer(model)->sha();
    if (model.import) hashes["import of " + model.name] = model.import->sha;
    if (model.training) hashes["data of " + model.name + ".train"] = model.training->data.sha;
  }
  for (const TaskChoice& task : experiment.tasks) {
    if (task.data) hashes["data of " + task.name] = task.data->sha;
  }
  return hashes;
}

std::string begin_run(Store& store, const Experiment& experiment, const RunRequest& request,
                      const std::string& run_id) {
  const Selection& chosen = request.selection;
  const RunOptions& options = request.options;
  const Json entry = {
      {"run_id", run_id},
      {"command", request.command},
      {"working_folder", std::filesystem::current_path().string()},
      {"started_at", utc_now()},
      {"ended_at", nullptr},
      {"build", build_json()},
      {"machine", machine_json()},
      {"circumstances", circumstances_json()},
      {"threads", threads_of(options)},
      {"limit", options.limit},
      {"shard", fmt::format("{}/{}", request.shard.index, request.shard.count)},
      {"selection",
       {{"backends", chosen.backends}, {"tasks", chosen.tasks}, {"models", chosen.models}}},
      {"plugins", plugins_json(options.plugins)},
      {"inputs", input_hashes(experiment)},
      {"seed", experiment.seed},
      {"statistics", statistics_text(experiment.statistics)},
      {"file", experiment.file},
      {"folder", experiment.folder},
      {"output", experiment.output},
      {"configuration_as_written", experiment.written},
      {"configuration", experiment.edited}};
  // Shards of one run may begin in the same second, and are merged later.
  std::string key =
      fmt::format("{}{}/{}/{}", kRunEntries, run_id, this_machine().fingerprint, getpid());
  while (!store.meta(key).empty()) key += "+";
  store.set_meta(key, dump(entry, -1));
  store.set_meta("newest_run", key);
  return key;
}

void end_run(Store& store, const std::string& key) {
  Json entry = Json::parse(store.meta(key));
  entry["ended_at"] = utc_now();
  store.set_meta(key, dump(entry, -1));
}

std::string provenance_json() {
  return dump({{"build", build_json()},
               {"machine", machine_json()},
               {"circumstances", circumstances_json()}},
              -1);
}

std::map<std::string, std::string> provenance_of(const std::string& json) {
  std::map<std::string, std::string> told;
  const auto text = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  const Json members = Json::parse(json);
  for (const char* section : {"build", "machine", "circumstances"}) {
    for (const auto& [name, value] : members.at(section).items()) {
      const std::string path = fmt::format("{}.{}", section, name);
      if (!value.is_object()) told[path] = text(value);
      if (!value.is_object()) continue;
      for (const auto& [key, part] : value.items()) told[path + "." + key] = text(part);
    }
  }
  told.erase("circumstances.threads");
  told.erase("circumstances.environment.OMP_NUM_THREADS");
  return told;
}

std::string manifest_text(const Store& store) {
  std::map<std::string, std::string> entries;
  for (const std::string& key : store.meta_keys()) {
    if (key.starts_with(kRunEntries)) entries.emplace(key, store.meta(key));
  }
  Json json = {{"format", kManifestFormat},
               {"version", kManifestVersion},
               {"name", store.meta("name")},
               {"schema_version", kSchemaVersion},
               {"store_version", kStoreVersion}};
  const std::string newest = store.meta("newest_run");
  if (entries.contains(newest)) {
    json.update(Json::parse(entries.at(newest)));
    entries.erase(newest);
  } else {  // a store from before entries: what it has
    json["command"] = store.meta("command");
    json["run_id"] = store.meta("run_id");
    json["configuration_as_written"] = store.meta("written");
    json["configuration"] = store.meta("edited");
  }
  json["cells"] = store.statuses();
  json["earlier_runs"] = Json::array();
  for (const auto& [key, text] : entries) {
    Json entry = Json::parse(text);
    for (const std::string_view member : kLongMembers) {
      if (entry.value(member, "") == json.value(member, "")) entry.erase(member);
    }
    json["earlier_runs"].push_back(std::move(entry));
  }
  return dump(json, 2);
}

std::string write_manifest(const Store& store, const std::string& output) {
  const std::string path = (std::filesystem::path(output) / "manifest.json").string();
  replace_file(path, manifest_text(store) + "\n");
  return path;
}

}  // namespace longreach::harness
