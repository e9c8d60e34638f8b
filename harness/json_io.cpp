// Cell infos and findings as JSON and back.
#include "harness/json_io.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace longreach::harness {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Writes the columns that are present; the two halves of a record share one list of columns.
struct Writer {
  Json& json;
  void operator()(const char* name, const std::string& value) {
    if (!value.empty()) json[name] = value;
  }
  void operator()(const char* name, bool value) {
    if (value) json[name] = value;
  }
  void operator()(const char* name, Status value) {
    json[name] = EnumNames<Status>::names[static_cast<std::size_t>(value)];
  }
  template <class T>
  void operator()(const char* name, const std::optional<T>& value) {
    if (value) json[name] = *value;
  }
};

struct Reader {
  const Json& json;
  void operator()(const char* name, std::string& value) { read(name, value); }
  void operator()(const char* name, bool& value) { read(name, value); }
  void operator()(const char* name, Status& value) {
    std::string text;
    if (!read(name, text)) return;
    const auto& names = EnumNames<Status>::names;
    const auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end()) throw error("unknown status '{}'", text);
    value = static_cast<Status>(found - names.begin());
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& value) {
    T inner{};
    if (read(name, inner)) value = inner;
  }
  template <class T>
  bool read(const char* name, T& value) {
    const auto found = json.find(name);
    if (found == json.end()) return false;
    found->get_to(value);
    return true;
  }
};

Json json_of(const Record& record) {
  Json json = Json::object();
  record.columns(Writer{json});
  return json;
}

Json json_of(const Measurement& measurement) {
  Json json = json_of(Record{.cell = {}, .measurement = measurement});
  json.erase("status");
  return json;
}

Json json_of(const CellInfo& info) { return json_of(Record{.cell = info, .measurement = {}}); }

Json json_of(const SampleRecord& sample) {
  Json json{{"cell_id", sample.cell_id},
            {"index", sample.index},
            {"sample_sha", sample.sample_sha},
            {"target", sample.target},
            {"output", sample.output}};
  Json scores = Json::array();
  for (const auto& [name, value] : sample.scores) scores.push_back(Json::array({name, value}));
  json["scores"] = scores;
  Writer write{json};
  write("depth", sample.depth);
  write("distance", sample.distance);
  write("segments_crossed", sample.segments_crossed);
  write("cluster", sample.cluster);
  write("excerpt", sample.excerpt);
  return json;
}

Json json_of(const Curve& curve) {
  Json json{{"cell_id", curve.cell_id}, {"name", curve.name}, {"x_unit", curve.x_unit},
            {"y_unit", curve.y_unit},   {"x", curve.x},       {"y", curve.y}};
  Writer{json}("series", curve.series);
  return json;
}

Record record_of(const Json& json) {
  Record record;
  record.columns(Reader{json});
  return record;
}

SampleRecord sample_of(const Json& json) {
  SampleRecord sample;
  Reader read{json};
  read("cell_id", sample.cell_id);
  read.read("index", sample.index);
  read("sample_sha", sample.sample_sha);
  read("target", sample.target);
  read("output", sample.output);
  for (const Json& score : json.at("scores")) {
    sample.scores.emplace_back(score.at(0).get<std::string>(), score.at(1).get<double>());
  }
  read("depth", sample.depth);
  read("distance", sample.distance);
  read("segments_crossed", sample.segments_crossed);
  read("cluster", sample.cluster);
  read("excerpt", sample.excerpt);
  return sample;
}

Curve curve_of(const Json& json) {
  Curve curve;
  Reader read{json};
  read("cell_id", curve.cell_id);
  read("name", curve.name);
  read("x_unit", curve.x_unit);
  read("y_unit", curve.y_unit);
  read.read("x", curve.x);
  read.read("y", curve.y);
  read("series", curve.series);
  return curve;
}

template <class Convert>
auto parsed(const std::string& text, const Convert& convert) {
  try {
    return convert(Json::parse(text));
  } catch (const Json::exception& failure) {
    throw error("not a result of ours: {}", failure.what());
  }
}

template <class T>
Json array_of(const std::vector<T>& items) {
  Json json = Json::array();
  for (const T& item : items) json.push_back(json_of(item));
  return json;
}

}  // namespace

std::string to_json(const CellInfo& info) { return dump(json_of(info)); }
std::string to_json(const Measurement& measurement) { return dump(json_of(measurement)); }
std::string to_json(const SampleRecord& sample) { return dump(json_of(sample)); }
std::string to_json(const Curve& curve) { return dump(json_of(curve)); }
std::string to_json(const Outcome& outcome) {
  Json json{{"cell", json_of(outcome.info)},
            {"measurements", array_of(outcome.findings.measurements)},
            {"samples", array_of(outcome.findings.samples)},
            {"curves", array_of(outcome.findings.curves)}};
  Writer{json}("unwritable", outcome.unwritable);
  return dump(json);
}

CellInfo cell_info_from_json(const std::string& text) {
  return parsed(text, [](const Json& json) { return record_of(json).cell; });
}
Measurement measurement_from_json(const std::string& text) {
  return parsed(text, [](const Json& json) { return record_of(json).measurement; });
}
SampleRecord sample_from_json(const std::string& text) { return parsed(text, sample_of); }
Curve curve_from_json(const std::string& text) { return parsed(text, curve_of); }
Outcome outcome_from_json(const std::string& text) {
  return parsed(text, [](const Json& json) {
    Outcome outcome;
    outcome.info = record_of(json.at("cell")).cell;
    Reader{json}("unwritable", outcome.unwritable);
    for (const Json& one : json.at("measurements")) {
      outcome.findings.measurements.push_back(record_of(one).measurement);
    }
    for (const Json& one : json.at("samples")) {
      outcome.findings.samples.push_back(sample_of(one));
    }
    for (const Json& one : json.at("curves")) outcome.findings.curves.push_back(curve_of(one));
    return outcome;
  });
}

std::string not_quotable(const Findings& findings) {
  for (const Measurement& m : findings.measurements) {
    if (!m.value) continue;
    if (!m.n) return m.metric + ": a value without n, the number of units that it is of";
    if ((!m.ci_low || !m.ci_high) && m.ci_method.empty()) {
      return m.metric + ": a value with neither an interval nor, in ci_method, why it has none";
    }
  }
  return "";
}

std::string not_finite(const Findings& findings) {
  const auto bad = [](const std::optional<double>& value) {
    return value && !std::isfinite(*value);
  };
  for (const Measurement& m : findings.measurements) {
    if (bad(m.value) || bad(m.standard_error) || bad(m.ci_low) || bad(m.ci_high) || bad(m.chance) ||
        bad(m.p_value) || bad(m.p_adjusted) || bad(m.detectable) || bad(m.depth) ||
        bad(m.distance) || bad(m.segments_crossed)) {
      return fmt::format("measurement {}{}{}", m.metric, m.subtask.empty() ? "" : " ", m.subtask);
    }
  }
  for (const SampleRecord& sample : findings.samples) {
    for (const auto& [name, value] : sample.scores) {
      if (!std::isfinite(value)) return fmt::format("score {} of sample {}", name, sample.index);
    }
  }
  for (const Curve& curve : findings.curves) {
    const auto finite = [](double value) { return std::isfinite(value); };
    if (!std::all_of(curve.y.begin(), curve.y.end(), finite)) {
      return fmt::format("curve {}{}{}", curve.name, curve.series.empty() ? "" : " ", curve.series);
    }
  }
  return "";
}

}  // namespace longreach::harness
