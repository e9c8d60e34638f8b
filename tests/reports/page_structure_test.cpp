// How the page, as a browser draws it, is put together.
#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/reports/drawn.h"

namespace longreach::reports {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

std::string section_of(const std::string& page, const std::string& heading) {
  const std::size_t begin = page.find("</span>" + heading + "</h2>");
  if (begin == std::string::npos) return "";
  return page.substr(begin, page.find("<h2", begin) - begin);
}

struct Made {
  std::vector<Record> records;

  Measurement& add(const std::string& backend, const std::string& task, i64 length,
                   const std::string& metric, double value) {
    Record& record = records.emplace_back();
    record.cell.cell_id = fmt::format("{} {} {} {}", backend, task, length, machine);
    record.cell.backend = backend;
    record.cell.baseline = backend == "full";
    record.cell.model = "clerk";
    record.cell.task = task;
    record.cell.context_length = length;
    record.cell.seed = 0;
    record.cell.machine = machine;
    record.cell.state_bytes_measured = 2048;
    Measurement& m = record.measurement;
    m.metric = metric;
    m.unit = "1";
    m.value = value;
    m.n = 20;
    m.ci_low = value - 0.1;
    m.ci_high = value + 0.1;
    m.ci_method = "made up";
    return m;
  }
  std::string drawn() const { return reports::drawn(Results{"", "", "{}", "", records, {}, {}}); }
  std::string machine = {};
};

TEST_CASE("Scores of parts make one figure, the main score is shown and the others are to open") {
  Made made;
  for (const std::string backend : {"full", "window"}) {
    for (const i64 length : {256, 512}) {
      for (const std::string score : {"exact_match", "f1", "recall"}) {
        made.add(backend, "dialogue", length, "questions/" + score, 0.5).chance = 0.1;
        for (const std::string part : {"age=1", "age=2-3", "age=4-7", "kind=stated", "kind=new"}) {
          made.add(backend, "dialogue", length, "questions/" + score, 0.4).subtask = part;
        }
      }
    }
  }
  const std::string page = made.drawn();
  const std::string lengths = section_of(page, "Retrieval by context length");
  CHECK(count(lengths, "<figure>") == 1);
  CHECK(count(lengths, "Words shared with the answer (F1)</h3>") == 1);
  CHECK(count(lengths, "Other scores of dialogue: Exact answers, Words of the answer that") == 1);
  const std::string parts = section_of(page, "Retrieval by kind of question");
  CHECK(count(parts, "<figure>") == 2);
  CHECK(count(parts, "(F1) by age in turns — dialogue — clerk</h3>") == 1);
  CHECK(count(parts, "(F1) by kind — dialogue — clerk</h3>") == 1);
  CHECK(count(parts, "at 512 tokens") == 4);  // caption and label of each
}

TEST_CASE("The summary has one score a task, and the state where no memory task ran") {
  Made made;
  for (int task = 0; task < 12; ++task) {
    for (const std::string score : {"exact_match", "found", "f1"}) {
      made.add("full", fmt::format("t{}", task), 256, "questions/" + score, 0.5);
    }
  }
  const std::string page = made.drawn();
  const std::string summary = section_of(page, "Summary");
  CHECK(count(summary, "<th scope=\"col\"") == 1 + 5 + 1);  // backend, tasks, state
  CHECK(count(summary, "Answer named<span") == 5);
  CHECK(count(summary, ">2 KiB<") == 1);
}

TEST_CASE("Times of unlike machines never share a figure, while scores do") {
  Made made;
  for (const i64 length : {256, 512, 1024}) {
    made.machine = length == 512 ? "bbbbbbbb22" : "aaaaaaaa11";
    Measurement& time = made.add("full", "time", length, "latency/decode", 3);
    time.unit = "ms/token";
    made.add("full", "find", length, "passkey/exact_match", 0.5).chance = 0.1;
  }
  const std::string page = made.drawn();
  const std::string latency = section_of(page, "Latency");
  CHECK(count(latency, "<figure>") == 2);
  CHECK(count(latency, "machine aaaaaaaa</h3>") == 1);
  CHECK(count(latency, "machine bbbbbbbb</h3>") == 1);
  CHECK(count(section_of(page, "Retrieval by context length"), "<figure>") == 1);
}

TEST_CASE("Heads are tables of layers and heads, and parts switched off are one forest") {
  Made made;
  for (const std::string backend : {"full", "infini"}) {
    for (int layer = 0; layer < 3; ++layer) {
      for (int head = 0; head < 2; ++head) {
        made.add(backend, "heads", 512, "introspection/sink_mass", 0.1).subtask =
            fmt::format("layer={}:head={}", layer, head);
      }
    }
    made.add(backend, "heads", 512, "introspection/local_off", 1.5);
  }
  made.add("infini", "heads", 512, "introspection/memory_off", 0.4);
  const std::string page = made.drawn();
  const std::string section = section_of(page, "Introspection");
  CHECK(count(section, "<figure>") == 1);
  CHECK(count(section, "Loss added without a part</h3>") == 1);
  CHECK(count(section, "class=\"heat\"") == 2 * 3 * 2);
  CHECK(count(section, "head 1</th>") == 2);
  CHECK(section_of(page, "Retrieval by context length").empty());
  CHECK(section_of(page, "Retrieval by kind of question").empty());
}

TEST_CASE("Forests show the longest length, their numbers p and the detectable difference") {
  Made made;
  for (const i64 length : {256, 512}) {
    made.add("full", "find", length, "passkey/exact_match", 0.5);
    made.add("window", "find", length, "passkey/exact_match", 0.2);
    Measurement& m = made.add("window", "find", length, "passkey/exact_match_difference", -0.3);
    m.p_adjusted = 0.00004;
    m.detectable = 0.125;
  }
  const std::string page = made.drawn();
  const std::string section = section_of(page, "Differences from the baseline");
  CHECK(count(section, "at 512 tokens, with its interval") == 2);
  CHECK(count(section, "<summary>At other lengths (1)</summary>") == 1);
  CHECK(count(section, "4e−5</td>") == 2);
  CHECK(count(section, "0.125</td>") == 2);
}

TEST_CASE("The page says how many records it leaves out, and of which kinds") {
  Made made;
  for (int i = 0; i < 11000; ++i) {
    made.add("full", "find", 256, i == 0 ? "questions/found" : "questions/recall", 0.5).subtask =
        i == 0 ? "" : "distance=16-31";
  }
  const std::string page = made.drawn();
  CHECK(count(page, "10,999 of 11,000 records, the least important kinds") == 1);
  CHECK(count(page, "questions/recall by distance (10,999)") == 1);
}

}  // namespace
}  // namespace longreach::reports
