// `run --from`: what a manifest says of how to make its results again.
#include "harness/recipe.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "harness/manifest.h"
#include "harness/plugin.h"

namespace longreach::harness {
namespace {

using Json = nlohmann::json;

std::string text_of(const std::string& path) {
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure)) {
    throw error("{}: is a folder; --from takes the manifest.json in it", path);
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw error("{}: cannot be read ({}); --from takes the manifest.json of a run", path,
                std::strerror(errno));
  }
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A manifest of ours, of a version that this program reads.
Json manifest_in(const std::string& path) {
  Json json = Json::parse(text_of(path), nullptr, false);
  const bool object = json.is_object();
  if (object && !json.contains("format") && json.contains("configuration")) {
    throw error("{}: from before manifests could be run again; `longreach run` its configuration",
                path);
  }
  if (!object || json.value("format", Json()) != kManifestFormat) {
    throw error(
        "{}: is no manifest of longreach, or a damaged one; --from takes the manifest.json "
        "of a run",
        path);
  }
  const Json version = json.value("version", Json());
  if (version.is_number_integer() && version > kManifestVersion) {
    throw error(
        "{}: written by a newer longreach (manifest version {}, this one reads {}); update "
        "longreach",
        path, version.get<i64>(), kManifestVersion);
  }
  return json;
}

/// That of all runs in the folder; shards that were merged make up the whole.
Shard shard_in(const Json& json) {
  const std::string own = json.at("shard");
  const bool same = std::ranges::all_of(
      json.at("earlier_runs"), [&own](const Json& run) { return run.value("shard", own) == own; });
  return same ? parse_shard(own) : Shard{};
}

Recipe recipe_in(const std::string& path, const Json& json) {
  Recipe recipe{.file = path,
                .configuration = json.at("configuration"),
                .written = json.at("configuration_as_written"),
                .folder = json.at("folder"),
                .selection = {.backends = json.at("selection").at("backends"),
                              .tasks = json.at("selection").at("tasks"),
                              .models = json.at("selection").at("models")},
                .shard = shard_in(json),
                .threads = json.at("threads"),
                .plugins = {},
                .inputs = json.at("inputs"),
                .provenance = provenance_of(json.dump())};
  for (const Json& plugin : json.at("plugins")) {
    recipe.plugins.push_back({plugin.at("path"), plugin.at("sha256")});
  }
  return recipe;
}

}  // namespace

Recipe read_recipe(const std::string& path) {
  const Json json = manifest_in(path);
  try {
    return recipe_in(path, json);
  } catch (const Json::exception& failure) {
    throw error(
        "{}: damaged ({}); give another manifest.json, or `longreach run` the configuration", path,
        failure.what());
  }
}

std::vector<std::string> plugins_of(const Recipe& recipe, std::vector<std::string> given) {
  std::vector<std::string> hashes;
  for (const std::string& path : given) hashes.push_back(plugin_sha(path));
  for (const Recipe::Plugin& plugin : recipe.plugins) {
    if (std::ranges::find(hashes, plugin.sha) != hashes.end()) continue;
    const bool there = std::filesystem::exists(plugin.path);
    if (!there || plugin_sha(plugin.path) != plugin.sha) {
      throw error(
          "{}: its plugin {} {}; put back the one with SHA-256 {}, or give --plugin and "
          "where that is now",
          recipe.file, plugin.path, there ? "has changed" : "is gone", plugin.sha);
    }
    given.push_back(plugin.path);
  }
  return given;
}

Experiment experiment_of(const Recipe& recipe, const Overrides& overrides) {
  Overrides as_then = overrides;
  as_then.folder = recipe.folder;
  Experiment experiment =
      read_experiment_text(recipe.configuration, recipe.file + " configuration", as_then);
  experiment.written = recipe.written;
  const std::map<std::string, std::string> now = input_hashes(experiment);
  std::string changed;
  for (const auto& [what, sha] : recipe.inputs) {
    const auto found = now.find(what);
    if (found != now.end() && found->second == sha) continue;
    changed += fmt::format(
        "{}{}: {} changed since that run; put back what it was, or `longreach run` the "
        "configuration for new results",
        changed.empty() ? "" : "\n", recipe.file, what);
  }
  if (!changed.empty()) throw Error(changed);
  return experiment;
}

std::vector<std::string> differences(const Recipe& recipe) {
  const std::map<std::string, std::string> now = provenance_of(provenance_json());
  std::vector<std::string> lines;
  const auto value = [](const auto& from, const std::string& key) {
    const auto found = from.find(key);
    return found == from.end() ? std::string("nothing") : found->second;
  };
  std::set<std::string> keys;
  for (const auto& [key, unused] : recipe.provenance) keys.insert(key);
  for (const auto& [key, unused] : now) keys.insert(key);
  for (const std::string& key : keys) {
    const std::string then_is = value(recipe.provenance, key), now_is = value(now, key);
    if (then_is != now_is) lines.push_back(fmt::format("{}: {}, was {}", key, now_is, then_is));
  }
  return lines;
}

}  // namespace longreach::harness
