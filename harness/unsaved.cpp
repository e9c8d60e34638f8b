// What becomes of an outcome that the store does not take.
//
// unsaved/CELL.json has two lines: the SHA-256 of the second, and the outcome as JSON.
#include "harness/unsaved.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <unistd.h>

#include "core/sha256.h"

namespace longreach::harness {
namespace {

namespace fs = std::filesystem;

/// Whether the store took it; else why not.
std::optional<std::string> refusal(Store& store, const Outcome& outcome) {
  try {
    store.finish(outcome);
    return std::nullopt;
  } catch (const Error& failure) {
    return failure.what();
  }
}

void write_outcome(const fs::path& path, const Outcome& outcome) {
  fs::create_directories(path.parent_path());
  const std::string json = to_json(outcome);
  replace_file(path.string(), fmt::format("{}\n{}\n", sha256(json), json));
}

/// Where it was kept, and what to do with it there.
std::string keep(const std::string& output, const Outcome& outcome) {
  const std::string name = outcome.info.cell_id + ".json";
  const fs::path own = fs::path(output) / "unsaved" / name;
  try {
    write_outcome(own, outcome);
    return fmt::format("its result is kept in {} and taken in by the next run", own.string());
  } catch (const std::exception&) {
  }
  try {
    const fs::path elsewhere =
        fs::temp_directory_path() / fmt::format("longreach-unsaved-{}", getpid()) / name;
    write_outcome(elsewhere, outcome);
    return fmt::format("its result is kept in {}; move it to {} before the next run",
                       elsewhere.string(), own.string());
  } catch (const std::exception&) {
    return "its result could be kept nowhere, and the next run runs it again";
  }
}

/// Nothing when the file is not what write_outcome() writes.
std::optional<Outcome> read_outcome(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string digest, json;
  if (!std::getline(file, digest) || !std::getline(file, json) || digest != sha256(json)) {
    return std::nullopt;
  }
  return outcome_from_json(json);
}

}  // namespace

void store_or_keep(Store& store, const std::string& output, const Outcome& outcome,
                   const Store::Tell& tell, std::span<const double> waits) {
  std::optional<std::string> refused = refusal(store, outcome);
  for (const double seconds : waits) {
    if (!refused) return;
    tell(fmt::format("{}; trying again in {} s", *refused, seconds));
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    refused = refusal(store, outcome);
  }
  if (!refused) return;
  throw WriteError(fmt::format("{}; the run stops. Cell {} is done: {}", *refused,
                               outcome.info.cell_id, keep(output, outcome)));
}

void take_in_unsaved(Store& store, const std::string& output, const Store::Tell& tell) {
  const fs::path folder = fs::path(output) / "unsaved";
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const fs::path& path = entry.path();
    if (path.extension() != ".json") continue;
    const std::optional<Outcome> outcome = read_outcome(path);
    if (!outcome) {
      fs::rename(path, path.string() + ".damaged");
      tell(fmt::format("{}: not whole, and put aside; its cell is run again", path.string()));
      continue;
    }
    const std::optional<CellInfo> known = store.find(outcome->info.cell_id);
    if (!known || known->status != Status::ok) store.finish(*outcome);
    fs::remove(path);
    tell(fmt::format("{}: taken in", path.string()));
  }
  fs::remove(folder, none);  // only when nothing is left in it
}

}  // namespace longreach::harness
