// Quality against cost: which backends the page, as a browser draws it, puts on the Pareto front.
#include <catch2/catch.hpp>
#include <map>
#include <regex>

#include "tests/reports/drawn.h"

namespace longreach::reports {
namespace {

/// Builds records of one task and model, `reader`, unless told otherwise.
struct Made {
  std::vector<Record> records;

  Record& add(const std::string& backend, i64 seed, i64 bytes, double value) {
    Record& record = records.emplace_back();
    record.cell.cell_id = backend + std::to_string(records.size());
    record.cell.backend = backend;
    record.cell.model = "reader";
    record.cell.task = "recall";
    record.cell.seed = seed;
    record.cell.context_length = 256;
    record.cell.state_bytes_measured = bytes;
    record.measurement.metric = "recall/accuracy";
    record.measurement.unit = "1";
    record.measurement.higher_is_better = true;
    record.measurement.value = value;
    record.measurement.n = 100;
    record.measurement.chance = 0.01;
    record.measurement.ci_low = std::max(0.0, value - 0.08);
    record.measurement.ci_high = std::min(1.0, value + 0.08);
    return record;
  }
  void seeds(const std::string& backend, i64 bytes, double first, double second) {
    add(backend, 0, bytes, first);
    add(backend, 1, bytes, second);
  }
  void decode(const std::string& backend, double milliseconds, const std::string& model) {
    Record& record = add(backend, 0, 1, milliseconds);
    record.cell.model = model;
    record.cell.task = "latency";
    record.measurement.metric = "latency/decode";
    record.measurement.unit = "ms/token";
    record.measurement.higher_is_better = false;
    record.measurement.chance.reset();
  }
};

std::string drawn(const std::vector<Record>& records) {
  return drawn(Results{"", "", "{}", "", records, {}, {}});
}

/// Of the figure of that title: whether each backend, cheapest first, is "yes" or "no" on the
/// front.
std::vector<std::string> fronts(const std::string& document, const std::string& title) {
  const std::size_t begin = document.find("<h3>" + title + "</h3>");
  if (begin == std::string::npos) return {};
  const std::string text = document.substr(begin, document.find("</figure>", begin) - begin);
  const std::regex row(R"(<th scope="row">.*?</span> ([^<]+)</th>.*?<td>(?:<strong>)?(yes|no))");
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), row), end; match != end; ++match) {
    found.push_back((*match)[1].str() + " " + (*match)[2].str());
  }
  return found;
}

using Rows = std::vector<std::string>;
constexpr const char* kState = "Recall accuracy against state per stream";

TEST_CASE("On the front is what no backend beats in mean accuracy or in state without losing") {
  Made made;
  made.seeds("tiny", 100, 0.5, 0.7);   // .6, the least state
  made.seeds("worse", 200, 0.9, 0.2);  // .55 for more than tiny's
  made.seeds("best of two", 400, 0.8, 0.9);
  made.seeds("same state", 400, 0.8, 0.8);
  made.seeds("same score", 500, 0.85, 0.85);
  made.seeds("large", 800, 0.9, 0.9);
  made.seeds("uneven", 50, 0.9, 0.95);
  made.records.back().measurement.n = 40;  // no mean over different n
  made.add("invalid", 0, 10, 1).cell.status = Status::invalid;
  made.decode("tiny", 3, "reader");
  made.decode("worse", 2, "reader");
  made.decode("large", 1, "another");  // timed with a model of another size
  const std::string page = drawn(made.records);
  CHECK(page.find("What state and time buy</h2>") != std::string::npos);
  CHECK(fronts(page, kState) == Rows{"uneven no", "tiny yes", "worse no", "best of two yes",
                                     "same state no", "same score no", "large yes"});
  CHECK(fronts(page, "Recall accuracy against decode time per token") ==
        Rows{"worse yes", "tiny yes"});
}

TEST_CASE(
    "Trade-offs are drawn at the longest length that all backends have, lower being better "
    "where it is") {
  Made made;
  for (const i64 length : {128, 256, 512}) {
    if (length < 512) made.add("full", 0, length, 0.9).cell.context_length = length;
    made.add("window", 0, 150, length < 512 ? 0.95 : 0.1).cell.context_length = length;
  }
  for (const auto& [backend, bytes, bits] :
       {std::tuple{"full", 256, 2.0}, std::tuple{"window", 150, 2.1},
        std::tuple{"none", 300, 2.2}}) {
    Record& record = made.add(backend, 0, bytes, bits);
    record.cell.task = "text";
    record.measurement.metric = "perplexity/bits_per_byte";
    record.measurement.unit = "bits/byte";
    record.measurement.higher_is_better = false;
  }
  const std::string page = drawn(made.records);
  CHECK(fronts(page, kState) == Rows{"window yes", "full no"});  // at 256, not 512
  CHECK(fronts(page, "Bits per byte against state per stream") ==
        Rows{"window yes", "full yes", "none no"});
}

TEST_CASE("There is no trade-off where fewer than two backends have a score and its cost") {
  Made made;
  made.add("full", 0, 100, 0.9);
  made.add("window", 0, 50, 0.8).cell.state_bytes_measured.reset();
  made.add("infini", 0, 50, 0.8).measurement.subtask = "near";
  made.add("linear", 0, 50, 30).measurement.metric = "passkey/rank";
  const std::string page = drawn(made.records);
  CHECK(page.find("Retrieval by context length") != std::string::npos);
  CHECK(page.find("What state and time buy</h2>") == std::string::npos);
  CHECK(page.find(std::string("<h3>") + kState) == std::string::npos);
}

}  // namespace
}  // namespace longreach::reports
