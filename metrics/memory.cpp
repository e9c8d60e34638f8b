// Memory: the state a stream holds at a depth, the weights, and the process's peak.
#include <fstream>
#include <string>

#include "core/error.h"
#include "metrics/estimate.h"
#include "metrics/metric.h"
#include "metrics/streams.h"
#include "model/scoring.h"

namespace longreach::metrics {
namespace {

/// The largest resident set this process has had, in bytes. The harness gives a cell a process of
/// its own, so this is what the cell took, program and weights included. Not getrusage(), which
/// counts from before exec(), when the process was a copy of the runner.
double peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  throw error("/proc/self/status does not tell this process's peak memory (VmHWM)");
}

/// Keys and values of every token, layer and key/value head in float32.
double full_kv_bytes(const model::Architecture& given, i64 tokens) {
  const model::Architecture a = given.resolved();
  return 2.0 * static_cast<double>(a.layers * a.kv_heads * a.head_dim * tokens) * sizeof(float);
}

class Memory final : public Metric {
 public:
  struct Params {
    void fields(Fields&) {}
  };

  explicit Memory(const Params&) {}

  i64 version() const override { return 2; }
  Work work(const Prospect& prospect) const override {
    Work work;
    work.passes = {{.tokens = prospect.context_length}};
    return work;
  }

  /// Throws Error when the backend holds another number of bytes than it declares.
  Findings measure(const Session& session) const override {
    const i64 length = session.context_length;
    const i64 declared = session.model.state_bytes(length);
    const i64 held = stream(session).bytes();
    if (declared != held) {
      throw error(
          "memory: the state holds {} bytes after {} tokens, but {} are declared; "
          "the backend's state_bytes() must equal what initial_state() allocates",
          held, length, declared);
    }
    const double full = full_kv_bytes(session.model.architecture(), length);
    const auto weights = static_cast<double>(session.model.weights().size_bytes());
    Findings findings;
    const auto add = [&](std::string_view what, std::string_view unit, bool more_is_better,
                         double value) {
      Measurement& m = findings.measurements.emplace_back();
      m.metric = fmt::format("memory/{}", what);
      m.unit = unit;
      m.higher_is_better = more_is_better;
      m.protocol = fmt::format("memory/{}:tokens={}:batch=1", version(), length);
      set_exact(m, value);
    };
    add("state_declared", "bytes", false, static_cast<double>(declared));
    add("state_held", "bytes", false, static_cast<double>(held));
    if (held > 0) add("full_kv_ratio", "1", true, full / static_cast<double>(held));
    add("weights", "bytes", false, weights);
    add("peak_rss", "bytes", false, peak_resident_bytes());
    return findings;
  }

 private:
  static model::StreamState stream(const Session& session) {
    Rng rng = session.rng.fork("tokens");
    std::vector<Token> tokens(static_cast<std::size_t>(session.context_length));
    const i64 vocabulary = session.model.architecture().vocabulary;
    for (Token& token : tokens) token = static_cast<Token>(rng.below(vocabulary));
    TokenRows rows;
    rows.add(tokens);
    model::StreamState state = session.model.initial_state(1, session.context_length);
    model::prefill(session.model, rows.view(), state);
    return state;
  }
};

const Registered<MetricRegistry, Memory> registered{
    "memory", "Bytes of state declared and held, of the weights, and the process's peak"};

}  // namespace
}  // namespace longreach::metrics
