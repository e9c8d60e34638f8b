// Stored cells put together again.
#include "harness/measured.h"

#include <algorithm>
#include <map>

namespace longreach::harness {

std::vector<std::string> Measured::scores() const {
  std::vector<std::string> names;
  for (const SampleRecord& sample : samples) {
    for (const auto& [name, value] : sample.scores) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

const Measurement* Measured::of(const std::string& score) const {
  const auto found =
      std::find_if(measurements.begin(), measurements.end(),
                   [&score](const Measurement& m) { return m.metric.ends_with("/" + score); });
  return found == measurements.end() ? nullptr : &*found;
}

std::vector<double> Measured::depths(const std::string& metric) const {
  std::vector<double> depths;
  for (const Measurement& m : measurements) {
    if (m.metric == metric && m.depth) depths.push_back(*m.depth);
  }
  std::sort(depths.begin(), depths.end());
  depths.erase(std::unique(depths.begin(), depths.end()), depths.end());
  return depths;
}

std::vector<Measured::Scored> Measured::scored(const std::string& score) const {
  std::vector<Scored> found;
  for (const SampleRecord& sample : samples) {
    for (const auto& [name, value] : sample.scores) {
      if (name == score) found.push_back({&sample, value});
    }
  }
  return found;
}

std::vector<Measured> measured_cells(const Stored& stored) {
  std::vector<Measured> cells;
  std::map<std::string, std::size_t> place;
  for (const Record& record : stored.records) {
    const auto [at, added] = place.emplace(record.cell.cell_id, cells.size());
    if (added) cells.push_back({std::make_shared<const CellInfo>(record.cell), {}, {}});
    cells[at->second].measurements.push_back(record.measurement);
  }
  for (const SampleRecord& sample : stored.samples) {
    if (const auto found = place.find(sample.cell_id); found != place.end()) {
      cells[found->second].samples.push_back(sample);
    }
  }
  return cells;
}

std::vector<Measured> measured_cells(const Store& store) {
  std::vector<Measured> cells;
  store.each_cell([&](CellInfo info, std::vector<Measurement> measurements) {
    cells.push_back(
        {std::make_shared<const CellInfo>(std::move(info)), std::move(measurements), {}});
  });
  return cells;
}

}  // namespace longreach::harness
