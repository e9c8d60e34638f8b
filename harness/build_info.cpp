// What this program was built from.
#include "harness/build_info.h"

#include <algorithm>
#include <filesystem>
#include <link.h>
#include <omp.h>

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

std::vector<std::string> loaded_libraries() {
  std::vector<std::string> names;
  const auto add = [](dl_phdr_info* info, std::size_t, void* into) {
    const std::string path = info->dlpi_name;
    if (path.empty()) return 0;  // the program itself
    std::error_code failure;
    const std::filesystem::path whole = std::filesystem::canonical(path, failure);
    if (!failure) {  // else one of the kernel's own, which is no file
      static_cast<std::vector<std::string>*>(into)->push_back(whole.filename().string());
    }
    return 0;
  };
  dl_iterate_phdr(add, &names);
  std::ranges::sort(names);
  return names;
}

BuildInfo ask() {
  return {
      .version = LONGREACH_VERSION,
      .revision = LONGREACH_REVISION,
      .difference = LONGREACH_DIFFERENCE,
      .compiler = compiler_name(),
      .flags = LONGREACH_BUILD_FLAGS,
      .build_type = LONGREACH_BUILD_TYPE,
      .options =
          {
#include "options.inc"  // generated
          },
      .libraries =
          {
#include "libraries.inc"  // generated
          },
      .loaded = loaded_libraries(),
  };
}

}  // namespace

const BuildInfo& build_info() {
  static const BuildInfo info = ask();
  return info;
}

void describe_build(CellInfo& cell) {
  const BuildInfo& info = build_info();
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
