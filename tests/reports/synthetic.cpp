// Made-up results: curves and levels follow simple formulas that resemble what backends show.
#include "tests/reports/synthetic.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/random.h"

namespace longreach::reports {
namespace {

struct Contender {
  std::string name, type, params;
  i64 window;  ///< tokens it reaches exactly, 0 for all
  double far;  ///< share of evidence kept beyond the window
};

const std::vector<Contender> kContenders{
    {"full", "full", "", 0, 1},
    {"window", "sliding_window", "window: 256, sinks: 4", 256, 0.02},
    {"infini", "infini", "segment: 256, update: delta", 256, 0.75}};
const std::vector<i64> kLengths{512, 1024, 2048, 4096};

class Maker {
 public:
  Synthetic take() { return std::move(out_); }

  void open(const Contender& contender, const std::string& model, const std::string& task,
            i64 length, i64 seed) {
    contender_ = &contender;
    length_ = length;
    cell_ = CellInfo{};
    cell_.run_id = "7c1e9a";
    cell_.cell_id = contender.name + "-" + model + "-" + task + "-" + std::to_string(length) + "-" +
                    std::to_string(seed);
    cell_.backend = contender.name;
    cell_.backend_type = contender.type;
    cell_.backend_params = contender.params;
    cell_.baseline = contender.name == "full";
    cell_.model = model;
    cell_.weights_sha = "9f86d081884c7d65";
    cell_.n_parameters = model == "reader" ? 918784 : 262400;
    cell_.task = task;
    cell_.task_version = 1;
    cell_.context_length = length;
    cell_.seed = seed;
    cell_.lr = model == "reader" ? 3e-3 : 6e-3;
    cell_.build = "0.1.0 (3f2a1bc)";
    cell_.compiler = "GCC 12.2.0";
    cell_.flags = "-O3 -march=native -ffp-contract=fast";
    cell_.cpu = "AMD EPYC 7R13";
    cell_.isa = "AVX2";
    cell_.threads = 2;
    cell_.started_at = "2025-01-15T10:12:00Z";
    cell_.state_bytes_analytic = cell_.state_bytes_measured = static_cast<i64>(state());
    cell_.wall_s = 3.2;
    rng_ = Rng(static_cast<std::uint64_t>(seed)).fork(cell_.cell_id);
  }

  Measurement& add(const std::string& metric, const std::string& unit, double value, double half,
                   i64 n, const std::string& method) {
    Record& record = out_.records.emplace_back();
    record.cell = cell_;
    Measurement& m = record.measurement;
    m.metric = metric;
    m.unit = unit;
    m.value = value;
    m.n = n;
    m.ci_method = method;
    if (half > 0) {
      m.standard_error = half / 1.96;
      m.ci_low = value - half;
      m.ci_high = value + half;
    }
    return m;
  }

  void without_result(Status status, const std::string& reason) {
    cell_.status = status;
    cell_.reason = reason;
    out_.records.push_back({cell_, {}});
  }

  void perplexity() {
    const double reach = contender_->window ? contender_->window * (1 + 6 * contender_->far)
                                            : static_cast<double>(length_);
    const double loss = 1.62 + 0.8 / std::log2(std::min<double>(reach, length_)) +
                        0.01 * rng_.normal() + 0.015 * static_cast<double>(*cell_.seed);
    const std::string method = "bootstrap 0.95 over 40 blocks, 2000 resamples";
    const std::string protocol = "ppl/1:ctx=" + std::to_string(length_) + ":stride=512:score=tail";
    const auto lower = [&](const std::string& name, const std::string& unit, double value,
                           double half) {
      Measurement& m = add("perplexity/" + name, unit, value, half, 40, method);
      m.higher_is_better = false;
      m.protocol = protocol + (name == "byte" ? ":unit=byte" : ":unit=token");
    };
    lower("token", "1", std::exp2(loss), 0.12);
    lower("byte", "1", std::exp2(loss), 0.12);
    lower("bits_per_byte", "bits/byte", loss, 0.03);
    by_position("perplexity/by_position", "bits/byte",
                [loss](double seen) { return loss + 2 / std::log2(seen + 2); });
    if (cell_.baseline) return;
    const double against = contender_->far > 0.5 ? 0.004 : 0.035;
    lower("bits_per_byte_difference", "bits/byte", against, 0.01);
    Measurement& difference = out_.records.back().measurement;
    difference.p_value = against > 0.01 ? 0.0015 : 0.41;
    difference.p_adjusted = against > 0.01 ? 0.003 : 0.41;
    difference.detectable = 0.014;
  }

  void generation() {
    const double repeated = 0.1 + 0.3 * (1 - contender_->far);
    add("generation/rep_4", "1", repeated, 0.05, 4, "bootstrap 0.95 over 4 samples, 2000 resamples")
        .higher_is_better = false;
    SampleRecord& sample = out_.samples.emplace_back();
    sample.cell_id = cell_.cell_id;
    sample.sample_sha = "0beec7b5ea3f";
    sample.target = "the sea was calm";
    sample.output = "the sea the sea";
    sample.scores = {{"rep_4", 0.0}};
  }

  /// Nothing within the window.
  void divergence() {
    const double far = contender_->window ? 0.2 * (1 - contender_->far) : 0;
    const auto beyond = [&](double seen) { return seen > contender_->window ? far : 0; };
    const std::string blocks = "bootstrap 0.95 over 40 blocks, 2000 resamples";
    const auto of = [&](const std::string& name, const std::string& unit, double value, double half,
                        i64 n, const std::string& method) {
      Measurement& m = add("divergence/" + name, unit, value, half, n, method);
      m.higher_is_better = name == "same_top";
      m.protocol =
          "divergence/1:ctx=" + std::to_string(length_) + ":stride=512:score=tail:against=full";
    };
    of("kl", "nats/token", far, far / 5, 40, blocks);
    of("same_top", "1", 1 - far, far / 8, 40, blocks);
    of("kl_p90", "nats", 4 * far, 0, 20480, "no interval");
    by_position("divergence/by_position", "nats/token", beyond);
    by_position("divergence/same_top_by_position", "1",
                [&](double seen) { return 1 - beyond(seen); });
  }

  template <class Value>
  void by_position(const std::string& name, const std::string& unit, const Value& value) {
    Curve& curve = out_.curves.emplace_back();
    curve = {cell_.cell_id, name, "tokens", unit, {}, {}};
    for (double seen = 1; seen <= static_cast<double>(length_); seen *= 2) {
      curve.x.push_back(seen * std::sqrt(2.0));
      curve.y.push_back(value(seen));
    }
  }

  void passkey(const std::string& subtask, double distance, std::optional<double> depth) {
    const double near = contender_->window == 0 || distance < contender_->window ? 0.97 : 0;
    const double fade = 1 - 0.08 * std::log2(static_cast<double>(length_) / 512);
    const double truth = std::max(near, contender_->far * fade) * (length_ > 2048 ? 0.93 : 1);
    const i64 n = depth ? 20 : 100;
    i64 hits = 0;
    for (i64 i = 0; i < n; ++i) hits += rng_.uniform() < truth ? 1 : 0;
    const double p = static_cast<double>(hits) / static_cast<double>(n), z = 1.96;
    const double shrunk = 1 + z * z / n, centre = (p + z * z / (2 * n)) / shrunk;
    const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4.0 * n * n)) / shrunk;
    for (const std::string name : {"exact_match", "digit_accuracy", "rank"}) {
      const bool rank = name == "rank";
      Measurement& m = add("passkey/" + name, "1", rank ? 1 + 40 * (1 - p) : p, 0, n,
                           rank ? "none" : "wilson 0.95");
      if (!rank) m.ci_low = std::max(0.0, centre - half), m.ci_high = std::min(1.0, centre + half);
      m.chance = rank ? 50.5 : name == "exact_match" ? 1e-5 : 0.1;
      m.higher_is_better = !rank;
      m.subtask = subtask;
      m.depth = depth;
      m.distance = distance;
      m.segments_crossed = std::floor(distance / 256);
    }
    if (!depth) return;
    SampleRecord& sample = out_.samples.emplace_back();
    sample = {.cell_id = cell_.cell_id,
              .index = static_cast<i64>(*depth),
              .sample_sha = "5e884898da28",
              .target = "48213",
              .output = p > 0.5 ? "48213" : "4\xff 31<b>",
              .excerpt = "The pass key is 48213. […] What is the <i>pass key</i>? ",
              .scores = {{"exact_match", p > 0.5 ? 1.0 : 0.0}},
              .depth = depth,
              .distance = distance,
              .segments_crossed = std::floor(distance / 256)};
  }

  void utilization() {
    const double reach = contender_->window ? contender_->far : 1.0;
    const double doublings = std::log2(static_cast<double>(length_) / 512);
    add("utilization/gain", "nats/token", 0.04 * doublings * (0.2 + reach), 0.012, 40,
        "bootstrap 0.95 over 40 blocks, 2000 resamples")
        .higher_is_better = true;
    add("utilization/efficiency", "1", 0.9 * reach - 0.05 * doublings * reach, 0.08, 60,
        "wilson 0.95")
        .higher_is_better = true;
    add("utilization/fact_effect", "nats", 2.1 * reach, 0.3, 60,
        "bootstrap 0.95 over 60 facts, 2000 resamples")
        .higher_is_better = true;
  }

  /// Tokens whose keys and values would fill the state.
  double held() const {
    return contender_->window ? contender_->window + 4.0 + 60 * contender_->far
                              : static_cast<double>(length_);
  }
  double state() const { return held() * 4 * 2 * 2 * 32 * 4; }

  void cost() {
    const double length = static_cast<double>(length_), held = this->held(), state = this->state();
    const double prefill = 0.05 * length + 2e-5 * length * held;
    add("latency/prefill", "ms", prefill, 0.03 * prefill, 9, "median, order statistics 0.96")
        .higher_is_better = false;
    add("latency/decode", "ms/token", 0.21 + 6e-5 * held, 0.006, 31,
        "median, order statistics 0.96")
        .higher_is_better = false;
    add("memory/state_declared", "bytes", state, 0, 1, "exact").higher_is_better = false;
    add("memory/state_held", "bytes", state + 4096, 0, 1, "exact").higher_is_better = false;
    add("memory/peak_rss", "bytes", 6.4e7 + 3 * state, 0, 1, "single run").higher_is_better = false;
    add("memory/full_kv_ratio", "1", length / held, 0, 1, "exact").higher_is_better = true;
  }

  void training() {
    Curve curve{cell_.cell_id, "training/loss", "tokens", "nats/token", {}, {}};
    const double floor =
        1.2 + 0.15 * (1 - contender_->far) + 0.05 * static_cast<double>(*cell_.seed);
    for (int step = 1; step <= 600; ++step) {
      curve.x.push_back(step * 8192.0);
      curve.y.push_back(floor + 4.2 * std::exp(-step / 60.0) + 0.05 * rng_.normal());
    }
    add("training/loss", "nats/token", curve.y.back(), 0, 1, "single run").higher_is_better = false;
    add("training/tokens_per_second", "tokens/s", contender_->window ? 21300 : 18800, 0, 1,
        "single run")
        .higher_is_better = true;
    out_.curves.push_back(std::move(curve));
    if (contender_->type == "infini") gates();
  }

  void gates() {
    for (int line = 0; line < 12; ++line) {
      Curve& gate = out_.curves.emplace_back();
      gate = {cell_.cell_id, "training/gate", "tokens", "1", {}, {}, ""};
      gate.series = "layer " + std::to_string(line / 4) + " head " + std::to_string(line % 4);
      const double drift = 3 * rng_.normal();
      for (int step = 0; step <= 600; step += 3) {
        gate.x.push_back(step * 8192.0);
        gate.y.push_back(1 / (1 + std::exp(-drift * (1 - std::exp(-step / 200.0)))));
      }
    }
    add("training/gate_travel", "1", 0.31, 0, 12, "every gate of one run");
  }

 private:
  Synthetic out_;
  const Contender* contender_ = nullptr;
  i64 length_ = 0;
  CellInfo cell_;
  Rng rng_{0};
};

void measure(Maker& maker, const Contender& contender, i64 length) {
  const bool fails = contender.name == "full" && length == 4096;
  for (const i64 seed : {0, 1}) {
    maker.open(contender, "reader", "perplexity", length, seed);
    maker.perplexity();
  }
  maker.open(contender, "reader", "divergence", length, 0);
  maker.divergence();
  maker.open(contender, "reader", "generation", length, 0);
  maker.generation();
  maker.open(contender, "retriever", "passkey", length, 0);
  if (fails) {
    maker.without_result(Status::oom, "needs 9.1 GiB, the limit is 8 GiB (limits.memory)");
  } else {
    maker.passkey("near", 120, std::nullopt);
    maker.passkey("", static_cast<double>(length) / 2, std::nullopt);
    for (const double depth : {0.0, 25.0, 50.0, 75.0, 100.0}) {
      maker.passkey("", static_cast<double>(length) * (1 - depth / 100) + 30, depth);
    }
  }
  maker.open(contender, "reader", "context_utilization", length, 0);
  maker.utilization();
  maker.open(contender, "reader", "cost", length, 0);
  maker.cost();
}

}  // namespace

Synthetic synthetic() {
  Maker maker;
  for (const Contender& contender : kContenders) {
    for (const i64 seed : {0, 1}) {
      maker.open(contender, "reader", "train", 1024, seed);
      maker.training();
    }
    for (const i64 length : kLengths) measure(maker, contender, length);
  }
  maker.open(kContenders[1], "reader", "energy", 512, 0);
  maker.without_result(Status::skipped, "this machine exposes no energy counter");
  return maker.take();
}

Results Synthetic::results() const {
  return {"Window against Infini",
          "version: 1\nname: window-vs-infini\nlengths: [512, 1k, 2k, 4k]\n",
          R"({"build": {"version": "0.1.0"}, "machine": {"cpu": "AMD EPYC 7R13"}})",
          "longreach run configs/window-vs-infini.yaml --threads 2",
          records,
          samples,
          curves};
}

namespace {

/// Leaves every parameter at its default.
struct Defaults final : Fields {
  void operator()(std::string_view, i64&, Range, std::string_view) override {}
  void operator()(std::string_view, double&, Range, std::string_view) override {}
  void operator()(std::string_view, bool&, std::string_view) override {}
  void operator()(std::string_view, std::string&, std::string_view) override {}
  void operator()(std::string_view, std::vector<double>&, Range, std::string_view) override {}
  void operator()(std::string_view, std::vector<i64>&, Range, std::string_view) override {}
  void choice(std::string_view, std::size_t&, std::span<const std::string_view>,
              std::string_view) override {}
  void group(std::string_view, std::string_view, const Visit&) override {}
  void optional_group(std::string_view, bool&, std::string_view, const Visit&) override {}
};

}  // namespace

std::string written(const std::string& name, const Results& results) {
  Defaults defaults;
  std::ostringstream out;
  ReportRegistry::instance().find(name).make(defaults)->write(results, out);
  return out.str();
}

}  // namespace longreach::reports
