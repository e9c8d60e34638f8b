// Which samples report.html holds.
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "reports/columns.h"
#include "reports/page_data.h"
#include "reports/page_table.h"

namespace longreach::reports {
namespace {

using Json = nlohmann::ordered_json;

/// Bytes kept of a sample's texts each, and of all samples.
constexpr std::size_t kTextBytes = 600, kAllBytes = 1'500'000;
/// Characters of a hash, enough to tell a run's samples apart.
constexpr std::size_t kHashCharacters = 16;

std::string shortened(const std::string& text) {
  return text.size() <= kTextBytes ? text : text.substr(0, kTextBytes) + "…";
}

/// Without what is in the middle, at spaces where there are any: an excerpt ends with the question.
std::string shortened_inside(const std::string& text) {
  if (text.size() <= kTextBytes) return text;
  constexpr std::size_t half = kTextBytes / 2;
  const std::string_view left_out = "[…]";
  const std::size_t space = text.rfind(' ', half), next = text.find(' ', text.size() - half);
  std::string head = text.substr(0, space == std::string::npos ? half : space);
  if (!head.ends_with(left_out)) head.append(" ").append(left_out);
  return head + " " + text.substr(next == std::string::npos ? text.size() - half : next + 1);
}

/// Shares a number of samples out over cells, and in each over the depths of the evidence.
class Shares {
 public:
  void count(const SampleRecord& sample) {
    const auto [at, added] = cells_.try_emplace(sample.cell_id);
    if (added) at->second.place = static_cast<i64>(cells_.size()) - 1;
    ++at->second.total;
    at->second.depths.insert(depth_of(sample));
  }
  /// Begins to hand out about `limit`.
  void deal(i64 limit) {
    cells_wanted_ = limit;
    share_ = std::max<i64>(1, limit / std::max<i64>(1, std::ssize(cells_)));
    for (auto& [id, cell] : cells_) cell.taken.clear(), cell.taken_in_all = 0;
  }
  /// The samples again, in the same order.
  bool take(const SampleRecord& sample) {
    Cell& cell = cells_.at(sample.cell_id);
    if (cell.place >= cells_wanted_) return false;
    const i64 depths = std::ssize(cell.depths), each = (share_ + depths - 1) / depths;
    if (cell.taken_in_all >= std::max(share_, depths <= share_ ? each * depths : 0)) return false;
    i64& taken = cell.taken[depth_of(sample)];
    if (taken == each) return false;
    ++taken, ++cell.taken_in_all;
    return true;
  }
  Json totals() const {
    Json out = Json::object();
    for (const auto& [id, cell] : cells_) out[id] = cell.total;
    return out;
  }

 private:
  struct Cell {
    i64 place = 0, total = 0, taken_in_all = 0;
    std::set<double> depths;
    std::map<double, i64> taken;
  };
  static double depth_of(const SampleRecord& sample) {
    return std::isfinite(sample.depth.value_or(-1)) ? sample.depth.value_or(-1) : -1;
  }
  std::map<std::string, Cell> cells_;
  i64 share_ = 0, cells_wanted_ = 0;
};

Value number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Value(*value) : Value();
}

/// Scores as one text: most of a cell's samples have one of a few.
std::string scores_of(const SampleRecord& sample) {
  Json scores = Json::object();
  for (const auto& [name, value] : sample.scores)
    scores[name] = std::isfinite(value) ? Json(rounded(value)) : Json();
  return dump(scores);
}

class SampleTable {
 public:
  void add(const SampleRecord& s) {
    const std::vector<Value> row{s.cell_id,
                                 s.index,
                                 s.sample_sha.substr(0, kHashCharacters),
                                 shortened(s.target),
                                 shortened(s.output),
                                 shortened_inside(s.excerpt),
                                 scores_of(s),
                                 number(s.depth),
                                 number(s.distance),
                                 number(s.segments_crossed)};
    for (std::size_t i = 0; i < row.size(); ++i) columns_[i].add(row[i]);
    ++rows_;
  }
  Json json() const { return page_table(rows_, columns_); }

 private:
  std::vector<PageColumn> columns_ = {PageColumn("cell_id"),    PageColumn("index"),
                                      PageColumn("sample_sha"), PageColumn("target"),
                                      PageColumn("output"),     PageColumn("excerpt"),
                                      PageColumn("scores"),     PageColumn("depth"),
                                      PageColumn("distance"),   PageColumn("segments_crossed")};
  i64 rows_ = 0;
};

}  // namespace

Json page_samples(const Rows<SampleRecord>& samples, i64 limit) {
  Shares shares;
  i64 total = 0;
  samples.each([&](const SampleRecord& sample) {
    if (sample.sample_sha.empty()) return;
    ++total;
    shares.count(sample);
  });
  while (true) {
    SampleTable table;
    shares.deal(limit);
    samples.each([&](const SampleRecord& sample) {
      if (!sample.sample_sha.empty() && shares.take(sample)) table.add(sample);
    });
    Json shown = table.json();
    if (limit <= 1 || dump(shown).size() <= kAllBytes) {
      return {{"total", total}, {"totals", shares.totals()}, {"shown", std::move(shown)}};
    }
    limit /= 2;
  }
}

}  // namespace longreach::reports
