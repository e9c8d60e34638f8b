// How a run came about: build, machine and configuration.
#include "harness/manifest.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "harness/build_info.h"
#include "harness/machine.h"

namespace longreach::harness {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

void store_experiment(Store& store, const Experiment& experiment, const std::string& command) {
  store.set_meta("name", experiment.name);
  store.set_meta("written", experiment.written);
  store.set_meta("edited", experiment.edited);
  store.set_meta("command", command);
  store.set_meta("seed", fmt::format("{}", experiment.seed));
  StatisticsChoice statistics = experiment.statistics;
  store.set_meta("statistics", canonical([&statistics](Fields& f) { statistics.fields(f); }));
}

std::string manifest_text(const Store& store) {
  const BuildInfo build = build_info();
  const Machine& machine = this_machine();
  Json json;
  json["name"] = store.meta("name");
  json["command"] = store.meta("command");
  json["run_id"] = store.meta("run_id");
  json["build"] = {{"version", build.version},   {"revision", build.revision},
                   {"compiler", build.compiler}, {"flags", build.flags},
                   {"type", build.build_type},   {"libraries", build.libraries}};
  json["machine"] = {{"cpu", machine.cpu},
                     {"isa", machine.isa},
                     {"fingerprint", machine.fingerprint},
                     {"threads", circumstances().threads}};
  json["schema_version"] = kSchemaVersion;
  json["store_version"] = kStoreVersion;
  json["seed"] = store.meta("seed");
  json["statistics"] = store.meta("statistics");
  json["configuration_as_written"] = store.meta("written");
  json["configuration"] = store.meta("edited");
  Json cells = Json::array();
  for (const std::string& id : store.plan()) {
    const std::optional<CellInfo> info = store.find(id);
    const std::string status =
        info ? std::string(EnumNames<Status>::names[static_cast<std::size_t>(info->status)])
             : "not run";
    cells.push_back({{"cell_id", id}, {"status", status}});
  }
  json["cells"] = cells;
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace longreach::harness
