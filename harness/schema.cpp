// A JSON Schema of configuration files, for editors.
#include "harness/schema.h"

#include <cmath>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "attention/backend.h"
#include "core/error.h"
#include "datasets/dataset.h"
#include "harness/bench.h"
#include "harness/sections.h"
#include "harness/yaml_reader.h"
#include "metrics/metric.h"

namespace longreach::harness {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kRangePattern = R"(^ *[-+0-9.eEkKMGiBTsmuhd% ]+\.\.)";
constexpr const char* kVariablePattern = R"(\$\{[A-Za-z_][A-Za-z0-9_]*\})";

Json reference(const std::string& name) { return {{"$ref", "#/$defs/" + name}}; }
Json any_of(Json::array_t choices) { return {{"anyOf", std::move(choices)}}; }
Json list_of(Json item) { return {{"type", "array"}, {"items", std::move(item)}}; }
Json text() { return {{"type", {"string", "number", "boolean"}}}; }

std::string_view name_of(Unit unit) {
  constexpr std::array<std::string_view, 5> names{"number", "count", "bytes", "seconds", "percent"};
  return names[static_cast<std::size_t>(unit)];
}

/// Whether lists and zips stand for several entries where one value is expected.
enum class Sweeps { no, yes };

/// Collects the schema of every key visited.
class SchemaFields final : public Fields {
 public:
  explicit SchemaFields(Sweeps sweeps) : sweeps_(sweeps) {}
  void operator()(std::string_view key, i64& v, Range range, std::string_view doc) override {
    add(key, one_or_sweep(number("integer", range)), v, doc);
  }
  void operator()(std::string_view key, double& v, Range range, std::string_view doc) override {
    add(key, one_or_sweep(number("number", range)), v, doc);
  }
  void operator()(std::string_view key, bool& v, std::string_view doc) override {
    add(key, one_or_sweep({{"enum", {true, false, "true", "false"}}}), v, doc);
  }
  void operator()(std::string_view key, std::string& v, std::string_view doc) override {
    add(key, one_or_sweep(text()), v, doc);
  }
  void operator()(std::string_view key, std::vector<double>& v, Range range,
                  std::string_view doc) override {
    add(key, one_or_list(number("number", range)), v, doc);
  }
  void operator()(std::string_view key, std::vector<i64>& v, Range range,
                  std::string_view doc) override {
    add(key, one_or_list(number("integer", range)), v, doc);
  }
  Json properties = Json::object();

 protected:
  void choice(std::string_view key, std::size_t& index, std::span<const std::string_view> names,
              std::string_view doc) override {
    add(key, one_or_sweep(any_of({{{"enum", names}}, reference("variable")})), names[index], doc);
  }
  void group(std::string_view key, std::string_view doc, const Visit& visit) override {
    add(key, mapping(visit), nullptr, doc);
  }
  void optional_group(std::string_view key, bool& present, std::string_view doc,
                      const Visit& visit) override {
    const Json off = present ? Json(nullptr) : Json("none");
    add(key, any_of({{{"const", "none"}}, mapping(visit)}), off, doc);
  }

 private:
  static Json number(const char* type, Range allowed) {
    const Range range = readable(allowed);
    Json plain{{"type", type}};
    if (std::isfinite(range.min)) plain["minimum"] = range.min;
    if (std::isfinite(range.max)) plain["maximum"] = range.max;
    return any_of({plain, reference(std::string(name_of(range.unit)))});
  }
  static Json one_or_list(const Json& one) { return any_of({one, list_of(one)}); }
  Json one_or_sweep(const Json& one) const {
    return sweeps_ == Sweeps::yes ? one_or_list(one) : one;
  }
  Json mapping(const Visit& visit) const;
  void add(std::string_view key, Json schema, Json value, std::string_view doc) {
    if (properties.contains(key)) return;
    if (!doc.empty()) schema["description"] = doc;
    if (!value.is_null()) schema["default"] = std::move(value);
    properties[std::string(key)] = std::move(schema);
  }
  Sweeps sweeps_;
};

/// A mapping of these keys and no others, which may include files.
Json closed(Json properties, Sweeps sweeps) {
  properties["include"] = reference("include");
  if (sweeps == Sweeps::yes) properties["zip"] = reference("zip");
  return {{"type", {"object", "null"}},
          {"properties", std::move(properties)},
          {"additionalProperties", false}};
}

Json properties_of(const std::function<void(Fields&)>& visit, Sweeps sweeps) {
  SchemaFields fields(sweeps);
  visit(fields);
  return fields.properties;
}

Json SchemaFields::mapping(const Visit& visit) const {
  return closed(properties_of(visit, sweeps_), sweeps_);
}

const Section& section(std::string_view name) {
  for (const Section& one : sections()) {
    if (one.name == name) return one;
  }
  check(false, "a section of the schema exists");
  return sections()[0];
}

/// What is said of a key that is read by hand.
Json documented(const Section& of, const std::string& key, Json schema) {
  for (const FieldDescription& field : of.by_hand) {
    if (field.key == key) schema["description"] = field.doc;
  }
  return schema;
}

/// Exactly one of these keys, unless an included file or a zip may bring it.
void require_one(Json& entry, const std::vector<std::string>& keys) {
  Json::array_t each;
  for (const std::string& key : keys) each.push_back({{"required", {key}}});
  const Json elsewhere = any_of({{{"required", {"include"}}}, {{"required", {"zip"}}}});
  entry["if"] = {{"not", elsewhere}};
  entry["then"] = {{"oneOf", std::move(each)}};
}

/// Adds a definition "kind.name" for each thing registered; the names.
template <class Registry>
std::vector<std::string> define_all(Json& definitions, const std::string& kind) {
  for (const auto& [name, entry] : Registry::instance().entries()) {
    Json schema = closed(properties_of(entry.visit_defaults, Sweeps::yes), Sweeps::yes);
    schema["description"] = entry.summary;
    definitions[kind + "." + name] = std::move(schema);
  }
  return Registry::instance().names();
}

/// A name alone, or {name: {parameters}}; `more` are further keys with their schemas.
Json one_of(const std::string& kind, const std::vector<std::string>& names,
            const Json& more = Json::object()) {
  Json properties = more;
  for (const std::string& name : names) properties[name] = reference(kind + "." + name);
  return any_of({{{"enum", names}},
                 {{"type", "object"},
                  {"properties", std::move(properties)},
                  {"additionalProperties", false},
                  {"minProperties", 1},
                  {"maxProperties", 1}}});
}

Json model_schema() {
  const Section& model = section("model");
  Json train = properties_of(section("train").visit, Sweeps::yes);
  train["data"] = documented(section("train"), "data", reference("data"));
  const Json arch = properties_of(section("arch").visit, Sweeps::yes);
  const Json import = properties_of(section("import").visit, Sweeps::yes);
  Json properties = properties_of(model.visit, Sweeps::yes);
  properties["arch"] = documented(model, "arch", closed(arch, Sweeps::yes));
  properties["import"] =
      documented(model, "import", any_of({{{"type", "string"}}, closed(import, Sweeps::yes)}));
  properties["train"] =
      documented(model, "train", any_of({{{"const", "none"}}, closed(train, Sweeps::yes)}));
  return closed(properties, Sweeps::yes);
}

Json backend_schema(std::vector<std::string> names) {
  const Section& backend = section("backend");
  Json properties = properties_of(backend.visit, Sweeps::yes);
  const Json layers = list_of(reference("layer"));
  for (const std::string& name : names) properties[name] = reference("backend." + name);
  for (const char* stack : {"layers", "pattern"}) {
    properties[stack] = documented(backend, stack, layers);
    names.push_back(stack);
  }
  Json entry = closed(properties, Sweeps::yes);
  require_one(entry, names);
  return entry;
}

/// Also gives the definitions of metrics the keys that every task has.
Json task_schema(Json& definitions, const std::vector<std::string>& names) {
  const Section& task = section("task");
  const Range any_length{1, 0x1p30, Unit::count};
  std::vector<i64> lengths;
  SchemaFields common(Sweeps::yes);
  common("lengths", lengths, any_length, "context lengths in tokens");
  common.properties["model"] = documented(task, "<metric>.model", {{"type", "string"}});
  common.properties["data"] = documented(task, "<metric>.data", reference("data"));
  common.properties["backends"] = documented(
      task, "<metric>.backends", any_of({{{"type", "string"}}, list_of({{"type", "string"}})}));
  Json properties = properties_of(task.visit, Sweeps::yes);
  for (const std::string& name : names) {
    definitions["metric." + name]["properties"].update(common.properties);
    properties[name] = reference("metric." + name);
  }
  Json entry = closed(properties, Sweeps::yes);
  require_one(entry, names);
  return any_of({{{"enum", names}}, entry});
}

Json experiment_schema() {
  const Section& top = section("experiment");
  Json properties = properties_of(top.visit, Sweeps::no);
  properties["version"] = {{"const", 1}, {"description", "of this format"}};
  for (const auto& [key, entry] : {std::pair{"models", "model"}, std::pair{"backends", "backend"},
                                   std::pair{"tasks", "task"}}) {
    properties[key] = documented(top, key, list_of(reference(entry)));
  }
  const Json name{{"type", "string"}, {"pattern", "^[A-Za-z_][A-Za-z0-9_]*$"}};
  const Json values{{"type", "object"}, {"additionalProperties", text()}};
  properties["environment"] = documented(top, "environment", any_of({list_of(name), values}));
  Json schema = closed(properties, Sweeps::no);
  schema["if"] = {{"not", {{"required", {"include"}}}}};
  schema["then"] = {{"required", {"version", "name", "models", "backends"}}};
  return schema;
}

Json bench_schema() {
  Json entry = properties_of(section("bench").visit, Sweeps::no);
  entry["backends"] = list_of(reference("layer"));
  entry["phases"] = list_of({{"enum", EnumNames<Phase>::names}});
  Json sweep{{"type", "object"}, {"properties", entry}, {"additionalProperties", false}};
  return {{"type", "object"},
          {"properties", {{"bench", list_of(std::move(sweep))}}},
          {"additionalProperties", false}};
}

/// What is written as text where a value is read: numbers with units, ranges, variables.
void define_values(Json& definitions) {
  definitions["variable"] = {{"type", "string"}, {"pattern", kVariablePattern}};
  for (const Unit unit : {Unit::none, Unit::count, Unit::bytes, Unit::seconds, Unit::percent}) {
    definitions[std::string(name_of(unit))] = {
        {"type", "string"},
        {"pattern",
         fmt::format("{}|{}|{}", number_pattern(unit), kRangePattern, kVariablePattern)}};
  }
  definitions["include"] = {
      {"description", "files whose keys are taken where this mapping has none"},
      {"anyOf", {{{"type", "string"}}, list_of({{"type", "string"}})}}};
  const Json range{{"type", "string"}, {"pattern", kRangePattern}};
  definitions["zip"] = {
      {"description", "lists of the same length, whose values go together one by one"},
      {"type", "object"},
      {"minProperties", 1},
      {"additionalProperties", any_of({list_of(text()), range})}};
}

}  // namespace

std::string number_pattern(Unit unit) {
  constexpr const char* kNumber = R"([-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?)";
  const auto with = [&](std::string_view suffixes) {
    return fmt::format("^{}( *({}))?$", kNumber, suffixes);
  };
  switch (unit) {
    case Unit::none:
      return fmt::format("^{} *$", kNumber);
    case Unit::count:
      return with("|k|K|M|G|Ki|Mi");
    case Unit::bytes:
      return with("|B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB");
    case Unit::seconds:
      return with("|s|ms|us|m|h|d");
    case Unit::percent:
      return with("|%");
  }
  return "";
}

std::string configuration_schema() {
  Json definitions = Json::object();
  define_values(definitions);
  const auto backends = define_all<attention::AttentionRegistry>(definitions, "backend");
  const auto metrics = define_all<metrics::MetricRegistry>(definitions, "metric");
  const auto datasets = define_all<datasets::DatasetRegistry>(definitions, "dataset");
  definitions["layer"] = one_of("backend", backends);
  Json mixed = one_of("dataset", datasets);
  definitions["data"] =
      one_of("dataset", datasets,
             {{"mix", {{"type", "array"}, {"minItems", 1}, {"items", std::move(mixed)}}}});
  definitions["model"] = model_schema();
  definitions["backend"] = backend_schema(backends);
  definitions["task"] = task_schema(definitions, metrics);
  definitions["experiment"] = experiment_schema();
  definitions["bench"] = bench_schema();
  const Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                    {"title", "Longreach configuration"},
                    {"if", {{"required", {"bench"}}}},
                    {"then", reference("bench")},
                    {"else", reference("experiment")},
                    {"$defs", std::move(definitions)}};
  return schema.dump(1) + "\n";
}

}  // namespace longreach::harness
