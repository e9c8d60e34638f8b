// The union of several output folders.
#include "harness/merge.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <unistd.h>

#include "core/error.h"
#include "harness/cell.h"
#include "harness/equality.h"
#include "harness/manifest.h"
#include "harness/output_lock.h"
#include "harness/runner.h"
#include "harness/shard.h"
#include "harness/store.h"
#include "model/checkpoint.h"

namespace longreach::harness {
namespace {

namespace fs = std::filesystem;

bool has_store(const std::string& folder) { return fs::exists(fs::path(folder) / "store.sqlite"); }

/// One of the folders, held against runs while it is read.
struct Source {
  Source(const std::string& name, Store::Open mode) : folder(name), store(name, mode), lock(name) {}
  std::string folder;
  Store store;
  OutputLock lock;
};

/// Where two outcomes of one cell were found does not matter for what they say.
Stored findings_of(Outcome outcome) {
  CellInfo& info = outcome.info;
  for (std::string* where :
       {&info.build, &info.compiler, &info.flags, &info.cpu, &info.isa, &info.machine}) {
    where->clear();
  }
  info.threads.reset();
  Stored stored;
  stored.add(std::move(outcome));
  return stored;
}

class Union {
 public:
  explicit Union(const std::vector<std::unique_ptr<Source>>& sources) : sources_(sources) {
    for (std::size_t s = 0; s < sources.size(); ++s) {
      for (const std::string& id : sources[s]->store.stored_cells()) choose(id, s);
    }
  }

  /// Which source each cell is taken from, by id.
  const std::map<std::string, std::size_t>& chosen() const { return chosen_; }
  const std::vector<std::string>& conflicts() const { return conflicts_; }

  /// The first plan whole, so that a run can go on with what nobody has done; of the others what is
  /// stored and not in it, each behind the cell that it follows in its own plan.
  std::vector<std::string> plan() const {
    std::list<std::string> ids;
    std::map<std::string, std::list<std::string>::iterator> places;
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      auto after = ids.begin();
      for (const std::string& id : sources_[s]->store.plan()) {
        if (const auto place = places.find(id); place != places.end()) {
          after = std::next(place->second);
        } else if (s == 0 || chosen_.contains(id)) {
          places[id] = ids.insert(after, id);
        }
      }
    }
    return {ids.begin(), ids.end()};
  }

 private:
  void choose(const std::string& id, std::size_t s) {
    const auto [place, added] = chosen_.emplace(id, s);
    if (added) return;
    const Source& first = *sources_[place->second];
    const Source& second = *sources_[s];
    const Outcome a = *first.store.outcome(id), b = *second.store.outcome(id);
    const auto found = [](const Outcome& outcome) {
      return outcome.info.status == Status::ok || outcome.info.status == Status::invalid;
    };
    if (found(a) && found(b)) {
      const std::string difference = equal_but_for_times(findings_of(a), findings_of(b));
      if (difference.empty()) return;
      conflicts_.push_back(fmt::format("{} (the first is {}, the second {})", difference,
                                       first.folder, second.folder));
    } else if (found(b)) {
      place->second = s;
    }
  }

  const std::vector<std::unique_ptr<Source>>& sources_;
  std::map<std::string, std::size_t> chosen_;
  std::vector<std::string> conflicts_;
};

/// Links `from` under a second name, or copies it where that cannot be; `to` appears whole.
void link_or_copy(const std::string& from, const std::string& to) {
  const std::string temporary = fmt::format("{}.{}", to, getpid());
  std::error_code failure;
  fs::remove(temporary, failure);
  fs::create_hard_link(from, temporary, failure);
  if (failure) fs::copy_file(from, temporary, fs::copy_options::overwrite_existing, failure);
  if (!failure) fs::rename(temporary, to, failure);
  if (!failure) return;
  std::error_code ignored;
  fs::remove(temporary, ignored);
  throw error("{}: cannot be written ({}); check its folder and the disk's free space", to,
              failure.message());
}

/// Whether the weights of a train cell lie in `folder` as they were when they were measured.
bool weights_in(const std::string& folder, const CellInfo& info) {
  const std::string path = weights_path(folder, info.cell_id);
  return fs::exists(path) && model::saved_weights_sha(path) == info.weights_sha;
}

/// Brings the weights of each training into `output`; a line for each that nobody has.
std::vector<std::string> gather_weights(const Union& all,
                                        const std::vector<std::unique_ptr<Source>>& sources,
                                        const std::string& output) {
  std::vector<std::string> missing;
  for (const auto& [id, s] : all.chosen()) {
    const CellInfo info = *sources[s]->store.find(id);
    if (info.task != "training" || info.status != Status::ok) continue;
    if (weights_in(output, info)) continue;
    const auto owner = std::ranges::find_if(
        sources, [&](const auto& source) { return weights_in(source->folder, info); });
    if (owner == sources.end()) {
      missing.push_back(fmt::format("{}: missing, or not those that were trained",
                                    weights_path(sources[s]->folder, id)));
      continue;
    }
    const std::string to = weights_path(output, id);
    fs::create_directories(fs::path(to).parent_path());
    link_or_copy(weights_path((*owner)->folder, id), to);
    if (!weights_in(output, info)) throw error("{}: changed while being copied; merge again", to);
  }
  return missing;
}

/// What reports are made of besides cells; of a union that is new, the commands that made it.
void gather_meta(Store& target, const std::vector<std::unique_ptr<Source>>& sources,
                 const std::string& command) {
  const bool is_new = target.meta("command").empty();
  std::set<std::string> have;
  std::ranges::copy(target.meta_keys(), std::inserter(have, have.end()));
  std::vector<std::string> commands;
  for (const auto& source : sources) {
    for (std::string key : source->store.meta_keys()) {
      const std::string value = source->store.meta(key);
      // Shards that began in the same second on like machines give their runs one name.
      while (key.starts_with(kRunEntries) && have.contains(key) && target.meta(key) != value) {
        key += '+';
      }
      if (have.insert(key).second) target.set_meta(key, value);
    }
    if (&source->store != &target) commands.push_back(source->store.meta("command"));
  }
  commands.push_back(command);
  if (is_new) target.set_meta("command", fmt::format("{}", fmt::join(commands, "; ")));
}

/// `output` first, where it has a store.
std::vector<std::unique_ptr<Source>> open_all(const std::string& output,
                                              const std::vector<std::string>& folders) {
  std::vector<std::unique_ptr<Source>> sources;
  std::set<fs::path> seen{fs::weakly_canonical(output)};
  // `create` also completes one that was cut off while it was made.
  if (has_store(output)) {
    sources.push_back(std::make_unique<Source>(output, Store::Open::create));
  }
  for (const std::string& folder : folders) {
    if (!seen.insert(fs::weakly_canonical(folder)).second) {
      throw error("{}: named twice among the folders to merge", folder);
    }
    sources.push_back(std::make_unique<Source>(folder, Store::Open::existing));
  }
  return sources;
}

}  // namespace

Merged merge(const std::string& output, const std::vector<std::string>& folders,
             const std::string& command) {
  const bool made_anew = !has_store(output);
  const std::vector<std::unique_ptr<Source>> sources = open_all(output, folders);
  const Union all(sources);
  Merged merged;
  merged.conflicts = all.conflicts();
  if (!merged.conflicts.empty()) return merged;

  std::optional<OutputLock> lock;
  std::optional<Store> made;
  if (made_anew) {
    lock.emplace(output);
    made.emplace(output, Store::Open::create);
  }
  Store& target = made_anew ? *made : sources.front()->store;
  merged.without_weights = gather_weights(all, sources, output);
  target.all_or_nothing([&] {
    const std::vector<std::string> plan = all.plan();
    for (const auto& [id, s] : all.chosen()) {
      ++merged.cells;
      if (&sources[s]->store == &target) continue;
      target.finish(*sources[s]->store.outcome(id));
      ++merged.added;
    }
    target.set_plan(plan);
    gather_meta(target, sources, command);
    merged.planned = std::ssize(plan);
  });
  return merged;
}

std::vector<std::string> shards_in(const std::string& output) {
  std::set<i64> counts;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(output, unreadable)) {
    const std::string name = entry.path().filename().string();
    i64 index = 0, count = 0;
    if (std::sscanf(name.c_str(), "shard-%ld-of-%ld", &index, &count) == 2) counts.insert(count);
  }
  if (counts.empty()) {
    throw error("{}: has no folder shard-1-of-...; name the folders to merge", output);
  }
  if (counts.size() > 1) {
    throw error("{}: has shards of {}; name the folders to merge", output,
                fmt::join(counts, " and of "));
  }
  std::vector<std::string> shards;
  for (i64 i = 1; i <= *counts.begin(); ++i) {
    shards.push_back(shard_folder(output, {i, *counts.begin()}));
    if (!has_store(shards.back())) {
      throw error("{}: has not run yet; run it, or name the folders to merge", shards.back());
    }
  }
  return shards;
}

}  // namespace longreach::harness
