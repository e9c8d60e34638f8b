// How a run came about: build, machine, circumstances, configuration and the hashes of all that it
// read. Each run's entry is kept in the store and never changed by a later one; manifest.json tells
// them all.
//
// An entry is the meta value of a key that starts with kRunEntries; manifest.json is the newest
// entry's members, "format", "version", "cells" (how many have which status) and "earlier_runs".
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "harness/config.h"
#include "harness/run_command.h"
#include "harness/store.h"

namespace longreach::harness {

inline constexpr std::string_view kManifestFormat = "longreach manifest";
/// Raised when `run --from` could not read older ones any more.
inline constexpr i64 kManifestVersion = 1;
/// Prefix of the keys, followed by run id, machine and process: whoever merges stores takes them
/// all.
inline constexpr std::string_view kRunEntries = "run/";

/// Remembers in the store what its reports will need besides cells, so that `report` works from
/// the output folder alone.
void store_experiment(Store&, const Experiment&, const std::string& command);

/// Adds this process's run to the store's entries. Returns its key.
std::string begin_run(Store&, const Experiment&, const RunRequest&, const std::string& run_id);

/// Notes in an entry that its run ended by itself, and when: one without was killed or still runs.
void end_run(Store&, const std::string& key);

/// Threads that each cell of such a run computes with.
i64 threads_of(const RunOptions&);

/// All that results depend on and the configuration only names: "data of perplexity", "import of
/// story", "tokenizer of story" -> SHA-256 of its content.
std::map<std::string, std::string> input_hashes(const Experiment&);

/// Build, machine and circumstances of this process, as an entry has them.
std::string provenance_json();

/// Those members of an entry, a manifest or provenance_json(): "build.libraries.fmt" -> "9.1.0".
/// The number of threads is left out: a run says its own.
std::map<std::string, std::string> provenance_of(const std::string& json);

/// manifest.json of what is stored: nothing in it comes from the process that asks.
std::string manifest_text(const Store&);

/// Writes manifest.json into `output`, whole or not at all. Returns its path. Throws Error when it
/// cannot be written.
std::string write_manifest(const Store&, const std::string& output);

}  // namespace longreach::harness
