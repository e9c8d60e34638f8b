// What a run left behind, for `export`.
#include "harness/export_source.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "core/error.h"
#include "harness/manifest.h"
#include "harness/results.h"
#include "harness/store.h"
#include "reports/csv.h"
#include "reports/jsonl.h"

namespace longreach::harness {
namespace {

namespace fs = std::filesystem;

/// Throws Error that names the file, for it as for what it holds.
template <class Read>
auto read_from(const std::string& path, const Read& read) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw error("{}: cannot be read", path);
  try {
    return read(file);
  } catch (const Error& failure) {
    throw error("{}: {}", path, failure.what());
  }
}

std::vector<Record> read_records_file(const std::string& path) {
  return path.ends_with(".csv") ? read_from(path, reports::read_csv)
                                : read_from(path, reports::read_records);
}

/// What of a cell changes whenever it is run again.
using Signs = std::tuple<Status, std::string, std::string>;
Signs signs_of(const CellInfo& info) { return {info.status, info.started_at, info.run_id}; }

bool tell_of_same_cells(const std::vector<Record>& records, const Store& store) {
  std::map<std::string, Signs> told;
  for (const Record& record : records) told.emplace(record.cell.cell_id, signs_of(record.cell));
  std::size_t stored = 0;
  for (const std::string& id : store.plan()) {
    const std::optional<CellInfo> info = store.find(id);
    if (!info) continue;
    ++stored;
    const auto found = told.find(id);
    if (found == told.end() || found->second != signs_of(*info)) return false;
  }
  return stored == told.size();
}

std::string text_of(const nlohmann::json& manifest, const char* member) {
  const auto found = manifest.find(member);
  return found != manifest.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

ExportSource::ExportSource(const std::string& path)
    : path_(path), is_folder_(fs::is_directory(path)) {
  if (!fs::exists(path)) throw error("{}: no such folder or file", path);
  if (!is_folder_ && !fs::is_regular_file(path)) {
    throw error("{}: neither a run's output folder nor a file of records", path);
  }
  if (!is_folder_) {
    records = read_records_file(path);
    name = fs::path(path).stem().string();
  } else if (fs::exists(fs::path(path) / "store.sqlite")) {
    read_store();
  } else {
    read_files();
  }
}

ExportSource::~ExportSource() = default;
ExportSource::ExportSource(ExportSource&&) noexcept = default;

void ExportSource::read_store() {
  store_ = std::make_unique<Store>(path_, Store::Open::existing);
  name = store_->meta("name");
  configuration = store_->meta("written");
  manifest = manifest_text(*store_);
  command = store_->meta("command");
  const std::string file = (fs::path(path_) / "records.jsonl").string();
  try {
    if (fs::exists(file)) records = read_records_file(file);
  } catch (const Error&) {
    records.clear();  // cut short, or not ours: the store has it all
  }
  if (!records.empty() && tell_of_same_cells(records, *store_)) return;
  records.clear();
  read_results(*store_).each([this](const Record& record) { records.push_back(record); });
}

void ExportSource::read_files() {
  const fs::path folder(path_);
  const bool jsonl = fs::exists(folder / "records.jsonl");
  if (!jsonl && !fs::exists(folder / "records.csv")) {
    throw error("{}: has no store.sqlite, records.jsonl or records.csv; is it a run's output?",
                path_);
  }
  records = read_records_file((folder / (jsonl ? "records.jsonl" : "records.csv")).string());
  name = fs::weakly_canonical(folder).filename().string();
  if (!fs::exists(folder / "manifest.json")) return;
  std::ifstream in(folder / "manifest.json", std::ios::binary);
  manifest.assign(std::istreambuf_iterator<char>(in), {});
  const nlohmann::json told = nlohmann::json::parse(manifest, nullptr, false);
  if (!told.is_object()) {
    throw error("{}: not a JSON object; take it away to export the records alone",
                (folder / "manifest.json").string());
  }
  if (std::string own = text_of(told, "name"); !own.empty()) name = std::move(own);
  configuration = text_of(told, "configuration_as_written");
  command = text_of(told, "command");
}

void ExportSource::require(const std::string& file) const {
  if (store_ || (is_folder_ && fs::exists(fs::path(path_) / file))) return;
  if (is_folder_) throw error("{}: has no {}", path_, file);
  throw error("{}: has records alone; {} lies in a run's folder", path_, file);
}

reports::Rows<SampleRecord> ExportSource::samples() const {
  return reports::Rows<SampleRecord>([this](const auto& use) {
    const std::string file = (fs::path(path_) / "samples.jsonl").string();
    if (store_) {
      store_->each_sample(use);
    } else if (is_folder_ && fs::exists(file)) {
      read_from(file, [&](std::istream& in) { reports::read_samples(in, use); });
    }
  });
}

reports::Rows<Curve> ExportSource::curves() const {
  return reports::Rows<Curve>([this](const auto& use) {
    const std::string file = (fs::path(path_) / "curves.jsonl").string();
    if (store_) {
      store_->each_curve(use);
    } else if (is_folder_ && fs::exists(file)) {
      read_from(file, [&](std::istream& in) { reports::read_curves(in, use); });
    }
  });
}

bool ExportSource::damaged() const { return store_ && !store_->damaged().empty(); }

}  // namespace longreach::harness
