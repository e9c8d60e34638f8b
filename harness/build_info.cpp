// What this program was built from.
#include "harness/build_info.h"

#include <CLI/Version.hpp>
#include <Eigen/Core>
#include <nlohmann/json.hpp>
#include <omp.h>
#include <sqlite3.h>

#include "core/error.h"
#include "harness/machine.h"
#include "revision.h"  // generated

namespace longreach::harness {
namespace {

std::string compiler_name() {
#if defined(__clang__)
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

}  // namespace

BuildInfo build_info() {
  BuildInfo info;
  info.version = LONGREACH_VERSION;
  info.revision = LONGREACH_REVISION;
  info.compiler = compiler_name();
  info.flags = LONGREACH_BUILD_FLAGS;
  info.build_type = LONGREACH_BUILD_TYPE;
  info.libraries = {
      {"CLI11", CLI11_VERSION},
      {"Eigen",
       fmt::format("{}.{}.{}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION)},
      {"fmt",
       fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
      {"nlohmann-json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR,
                                    NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
      {"SQLite", sqlite3_libversion()},
  };
  return info;
}

void describe_build(CellInfo& cell) {
  const BuildInfo info = build_info();
  cell.build = fmt::format("{} {} {}", info.version, info.revision, info.build_type);
  cell.compiler = info.compiler;
  cell.flags = info.flags;
  const Machine& machine = this_machine();
  cell.cpu = machine.cpu;
  cell.isa = machine.isa;
  cell.machine = machine.fingerprint;
  cell.threads = omp_get_max_threads();
}

}  // namespace longreach::harness
