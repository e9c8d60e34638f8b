// Turns a store into files.
#include "harness/results.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/across_lengths.h"
#include "harness/comparison.h"
#include "harness/manifest.h"
#include "reports/report.h"

namespace longreach::harness {
namespace {

namespace fs = std::filesystem;

/// What comparisons and lengths are derived within: no sample of another is needed.
std::map<std::string, std::vector<std::size_t>> groups_of(const std::vector<Measured>& cells) {
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const CellInfo& info = *cells[i].info;
    groups[fmt::format("{}|{}|{}|{}", info.task, info.model, info.seed.value_or(0),
                       info.lr.value_or(0))]
        .push_back(i);
  }
  return groups;
}

/// Reads the samples of one group at a time.
std::vector<Derived> derive(const Store& store, std::vector<Measured>& cells) {
  const StatisticsChoice statistics = statistics_of(store);
  const i64 seed = seed_of(store);
  std::vector<Derived> derived;
  std::vector<Comparison> compared;
  for (const auto& [name, members] : groups_of(cells)) {
    std::vector<Measured> group;
    for (const std::size_t i : members) {
      group.push_back(std::move(cells[i]));
      group.back().samples = store.samples(group.back().info->cell_id);
    }
    std::ranges::move(derive_across_lengths(group, statistics, seed), std::back_inserter(derived));
    std::ranges::move(comparisons(group, statistics, seed), std::back_inserter(compared));
    for (std::size_t k = 0; k < members.size(); ++k) {
      group[k].samples = {};
      cells[members[k]] = std::move(group[k]);
    }
  }
  std::ranges::move(adjusted(std::move(compared), statistics.correction),
                    std::back_inserter(derived));
  return derived;
}

/// Refers to both.
reports::Results report_input(const StoredResults& found, const std::string& manifest) {
  const Store& store = found.store;
  return {.title = store.meta("name"),
          .configuration = store.meta("written"),
          .manifest = manifest,
          .command = store.meta("command"),
          .records = reports::Rows<Record>([&](const auto& use) { found.each(use); }),
          .samples = reports::Rows<SampleRecord>([&](const auto& use) { store.each_sample(use); }),
          .curves = reports::Rows<Curve>([&](const auto& use) { store.each_curve(use); })};
}

}  // namespace

StatisticsChoice statistics_of(const Store& store) {
  StatisticsChoice statistics;
  visit_params(store.meta("statistics"), [&](Fields& f) { statistics.fields(f); });
  return statistics;
}

i64 seed_of(const Store& store) {
  return parse_integer(store.meta("seed"), Unit::none).value_or(0);
}

StoredResults read_results(const Store& store) {
  StoredResults results{store, measured_cells(store), {}};
  results.derived = derive(store, results.cells);
  return results;
}

void StoredResults::each(const std::function<void(const Record&)>& use) const {
  Record record;
  for (const Measured& cell : cells) {
    record.cell = *cell.info;
    if (cell.measurements.empty()) {
      record.measurement = {};
      use(record);
    }
    for (const Measurement& measurement : cell.measurements) {
      record.measurement = measurement;
      use(record);
    }
  }
  for (const Derived& one : derived) {
    record.cell = *one.cell;
    record.measurement = one.measurement;
    use(record);
  }
}

void write_report(const StoredResults& found, const std::string& name, std::ostream& out) {
  const std::string manifest = manifest_text(found.store);
  std::unique_ptr<reports::Report> report;
  const auto& entry = reports::ReportRegistry::instance().entries().at(name);
  visit_params("", [&](Fields& reader) { report = entry.make(reader); });
  report->write(report_input(found, manifest), out);
}

WrittenReports write_reports(const StoredResults& found, const std::string& output) {
  const std::string manifest = manifest_text(found.store);
  const reports::Results results = report_input(found, manifest);
  WrittenReports written;
  const auto attempt = [&](const std::string& path, const auto& write) {
    try {
      write();
      written.paths.push_back(path);
    } catch (const Error& failure) {
      written.problems.push_back(failure.what());
    }
  };
  for (const auto& [name, entry] : reports::ReportRegistry::instance().entries()) {
    std::unique_ptr<reports::Report> report;
    visit_params("", [&](Fields& reader) { report = entry.make(reader); });
    if (!report->of_every_run()) continue;
    const std::string path = (fs::path(output) / report->file_name()).string();
    attempt(path,
            [&] { replace_file(path, [&](std::ostream& out) { report->write(results, out); }); });
  }
  attempt((fs::path(output) / "manifest.json").string(),
          [&] { write_manifest(found.store, output); });
  return written;
}

Verdict verdict(const Store& store) {
  Verdict result;
  for (const auto& [status, count] : store.statuses()) {
    result.all_ok &= status == "ok" || status == "not run";
    result.any_invalid |= status == "invalid";
  }
  return result;
}

}  // namespace longreach::harness
