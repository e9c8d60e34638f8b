// Tests metrics/latency.cpp.
#include <algorithm>
#include <catch2/catch.hpp>
#include <iostream>
#include <sstream>

#include "core/error.h"
#include "tests/datasets/files.h"
#include "tests/metrics/models.h"
#include "tests/metrics/settings.h"

namespace longreach::metrics {
namespace {

using Catch::Matchers::Contains;

const std::unique_ptr<datasets::Tokenizer> bytes = datasets::byte_tokenizer();

/// Keeps what is written to a stream while it lives.
class Capture {
 public:
  explicit Capture(std::ostream& stream) : stream_(stream), old_(stream.rdbuf(text_.rdbuf())) {}
  ~Capture() { stream_.rdbuf(old_); }
  std::string text() const { return text_.str(); }

 private:
  std::ostream& stream_;
  std::ostringstream text_;
  std::streambuf* old_;
};

TEST_CASE("Latency times both phases and writes nothing") {
  const model::Transformer model = full_model(256);
  Findings found;
  std::string out, err;
  {
    Capture output(std::cout), errors(std::cerr);
    found = make_metric("latency", {{"energy", "false"}})->measure(session(model, *bytes, 600));
    out = output.text();
    err = errors.text();
  }
  CHECK(out.empty());
  CHECK(err.empty());
  REQUIRE(found.measurements.size() == 2);
  for (const Measurement& m : found.measurements) {
    INFO(m.metric);
    CHECK(*m.value > 0);
    CHECK(m.n == 10);
    CHECK(inside_interval(m));
    CHECK(m.higher_is_better == false);
    CHECK(m.ci_method == "order statistics 0.95 of the median");
    CHECK_THAT(m.protocol, Contains("batch=1") && Contains("threads="));
  }
  CHECK(find(found, "latency/prefill").unit == "ms");
  CHECK(find(found, "latency/decode").unit == "ms/token");
  // 600 tokens at once take longer than one.
  CHECK(*find(found, "latency/prefill").value > *find(found, "latency/decode").value);
}

TEST_CASE("Every repetition is kept as a sample without a hash, scored as its phase") {
  const model::Transformer model = full_model(256);
  const Findings found =
      make_metric("latency", {{"repetitions", "5"}})->measure(session(model, *bytes, 40));
  REQUIRE(found.samples.size() == 10);
  for (const char* phase : {"prefill", "decode"}) {
    std::vector<double> times;
    for (const SampleRecord& sample : found.samples) {
      CHECK(sample.sample_sha.empty());
      REQUIRE(sample.scores.size() == 1);
      if (sample.scores[0].first == phase) times.push_back(sample.scores[0].second);
    }
    REQUIRE(times.size() == 5);
    std::sort(times.begin(), times.end());
    CHECK(times[2] == *find(found, std::string("latency/") + phase).value);
  }
}

TEST_CASE("A phase may be left out") {
  const model::Transformer model = full_model(256);
  const Session s = session(model, *bytes, 20);
  const Findings decode =
      make_metric("latency", {{"prefill", "false"}, {"energy", "false"}})->measure(s);
  CHECK(decode.measurements.size() == 1);
  CHECK(decode.measurements[0].metric == "latency/decode");
  CHECK_THROWS_AS(make_metric("latency", {{"prefill", "false"}, {"decode", "false"}}), Error);
}

TEST_CASE("The phases run at the depth they name") {
  const i64 length = 700, decoded = 5;
  // The oracle sees every token's history: how long it was is recorded.
  std::vector<i64> depths;
  const model::Transformer model = oracle_model(
      10,
      [&depths](std::span<const Token> seen) {
        depths.push_back(std::ssize(seen));
        return -1;
      },
      1);
  const std::map<std::string, std::string> settings{{"repetitions", "3"}, {"decode_tokens", "5"}};
  auto decode = settings;
  decode["prefill"] = "false";
  make_metric("latency", decode)->measure(session(model, *bytes, length));
  // Read once, then decoded in one warm-up and three repetitions, each from the same depth.
  REQUIRE(std::ssize(depths) == length + 4 * decoded);
  for (i64 i = 0; i < 4 * decoded; ++i) {
    CHECK(depths[static_cast<std::size_t>(length + i)] == length + 1 + i % decoded);
  }
  depths.clear();
  auto prefill = settings;
  prefill["decode"] = "false";
  make_metric("latency", prefill)->measure(session(model, *bytes, length));
  REQUIRE(std::ssize(depths) == 4 * length);
  CHECK(depths.back() == length);
}

TEST_CASE("Too few repetitions for the confidence say so instead of claiming it") {
  const model::Transformer model = full_model(256);
  const Findings found =
      make_metric("latency", {{"repetitions", "3"}})->measure(session(model, *bytes, 20));
  CHECK(find(found, "latency/prefill").n == 3);
  CHECK(find(found, "latency/prefill").ci_method == "range of 3 repetitions");
}

TEST_CASE("A budget cuts repetitions, to three at least") {
  const model::Transformer model = full_model(256);
  const Findings found =
      make_metric("latency", {{"budget", "0"}})->measure(session(model, *bytes, 20));
  CHECK(find(found, "latency/prefill").n == 3);
  CHECK(find(found, "latency/decode").n == 3);
}

TEST_CASE("The energy of a token is what the counters rose by while it was read or decoded") {
  // Every token draws 2 J of one package and 1 J of another, whose counter begins again at 50 J.
  const datasets::TempFolder folder;
  i64 tokens = 0;
  const auto show = [&] {
    folder.write("intel-rapl:0/energy_uj", std::to_string(2'000'000 * tokens));
    folder.write("intel-rapl:1/energy_uj", std::to_string(1'000'000 * tokens % 50'000'000));
  };
  for (const char* zone : {"intel-rapl:0", "intel-rapl:1"}) {
    std::filesystem::create_directory(folder / zone);
    folder.write(std::string(zone) + "/name", "package-0\n");
    folder.write(std::string(zone) + "/max_energy_range_uj", "50000000\n");
  }
  show();
  const model::Transformer model = oracle_model(
      10,
      [&](std::span<const Token>) {
        ++tokens;
        show();
        return -1;
      },
      1);
  const Findings found =
      make_metric("latency",
                  {{"repetitions", "7"}, {"decode_tokens", "5"}, {"powercap", folder.path()}})
          ->measure(session(model, *bytes, 20));
  REQUIRE(found.measurements.size() == 4);
  for (const char* name : {"latency/prefill_energy", "latency/decode_energy"}) {
    INFO(name);
    const Measurement& energy = find(found, name);
    CHECK(*energy.value == Approx(3));
    CHECK(energy.unit == "J/token");
    CHECK(energy.n == 7);
    CHECK(energy.higher_is_better == false);
    CHECK(*energy.ci_low == Approx(3));
    CHECK_THAT(energy.ci_method, Contains("over 7 repetitions"));
    CHECK_THAT(energy.protocol, Contains("energy=packages"));
  }
}

TEST_CASE("Where a machine exposes no energy the rows say so and hold no number") {
  const datasets::TempFolder folder;
  const model::Transformer model = full_model(256);
  const Findings found = make_metric("latency", {{"repetitions", "3"}, {"powercap", folder.path()}})
                             ->measure(session(model, *bytes, 20));
  for (const char* name : {"latency/prefill_energy", "latency/decode_energy"}) {
    const Measurement& energy = find(found, name);
    CHECK_FALSE(energy.value.has_value());
    CHECK_FALSE(energy.n.has_value());
    CHECK(energy.ci_method == "not exposed by this machine");
  }
}

TEST_CASE("Shares relate a phase's work to what the machine could do in the same time") {
  const model::Transformer model = full_model(256);
  const Session s = session(model, *bytes, 100);
  const Findings found =
      make_metric("latency", {{"shares", "true"}, {"energy", "false"}})->measure(s);
  REQUIRE(found.measurements.size() == 4);
  for (const char* name : {"latency/prefill_of_peak", "latency/decode_of_bandwidth"}) {
    const Measurement& share = find(found, name);
    INFO(name);
    CHECK(share.unit == "1");
    CHECK(share.n == 10);
    CHECK(share.higher_is_better == true);
    CHECK(inside_interval(share));
  }
  // The same two medians again, by way of the limit they imply, which no machine of today
  // misses by far.
  const double flops = model.cost(0, 100).flops - 99 * 2.0 * 256 * model.architecture().width;
  const double peak = flops / (*find(found, "latency/prefill").value / 1000) /
                      *find(found, "latency/prefill_of_peak").value;
  CHECK(peak > 1e9);
  CHECK(peak < 1e14);
  const double bytes_a_token = model.cost(100, 16).bytes_moved / 16;
  const double bandwidth = bytes_a_token / (*find(found, "latency/decode").value / 1000) /
                           *find(found, "latency/decode_of_bandwidth").value;
  CHECK(bandwidth > 1e8);
  CHECK(bandwidth < 1e13);
}

}  // namespace
}  // namespace longreach::metrics
