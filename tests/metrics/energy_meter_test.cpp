// Tests metrics/energy_meter.h on folders that look like powercap's.
#include "metrics/energy_meter.h"

#include <catch2/catch.hpp>

#include "tests/datasets/files.h"

namespace longreach::metrics {
namespace {

struct Powercap {
  datasets::TempFolder folder;

  void zone(const std::string& zone, const std::string& name, const std::string& microjoules,
            const std::string& range = "") const {
    std::filesystem::create_directory(folder / zone);
    folder.write(zone + "/name", name + "\n");
    folder.write(zone + "/energy_uj", microjoules + "\n");
    if (!range.empty()) folder.write(zone + "/max_energy_range_uj", range + "\n");
  }
  std::optional<EnergyMeter> open() const { return EnergyMeter::open(folder.path()); }
};

}  // namespace

TEST_CASE("Joules are what all packages have drawn since the meter was opened") {
  const Powercap power;
  power.zone("intel-rapl:0", "package-0", "5000000", "262143328850");
  power.zone("intel-rapl:1", "package-1", "100", "262143328850");
  auto meter = power.open();
  REQUIRE(meter.has_value());
  CHECK(meter->joules() == 0.0);
  power.zone("intel-rapl:0", "package-0", "7500000");
  power.zone("intel-rapl:1", "package-1", "1000100");
  CHECK(*meter->joules() == Approx(3.5));
  power.zone("intel-rapl:1", "package-1", "1500100");
  CHECK(*meter->joules() == Approx(4));
}

TEST_CASE("A part of a package, its second interface and the whole machine are not counted twice") {
  const Powercap power;
  power.zone("intel-rapl:0", "package-0", "0");
  power.zone("intel-rapl:0:0", "core", "0");
  power.zone("intel-rapl-mmio:0", "package-0", "0");
  power.zone("intel-rapl:1", "psys", "0");
  power.zone("dtpm", "package", "0");
  auto meter = power.open();
  REQUIRE(meter.has_value());
  power.zone("intel-rapl:0", "package-0", "2000000");
  for (const char* other : {"intel-rapl:0:0", "intel-rapl-mmio:0", "intel-rapl:1", "dtpm"}) {
    power.folder.write(std::string(other) + "/energy_uj", "9000000");
  }
  CHECK(*meter->joules() == Approx(2));
}

TEST_CASE("A counter that begins again goes on from the end of its range, each time") {
  const Powercap power;
  power.zone("intel-rapl:0", "package-0", "9000000", "10000000");
  auto meter = power.open();
  REQUIRE(meter.has_value());
  power.zone("intel-rapl:0", "package-0", "500000");
  CHECK(*meter->joules() == Approx(1.5));
  power.zone("intel-rapl:0", "package-0", "400000");
  CHECK(*meter->joules() == Approx(11.4));
}

TEST_CASE("Nothing is measured where there is no counter or one of them cannot be read") {
  CHECK_FALSE(EnergyMeter::open("/nowhere/at/all").has_value());
  const Powercap none, part;
  CHECK_FALSE(none.open().has_value());
  none.zone("intel-rapl:0:0", "core", "5");
  CHECK_FALSE(none.open().has_value());
  part.zone("intel-rapl:0", "package-0", "5");
  part.zone("intel-rapl:1", "package-1", "not for you");
  CHECK_FALSE(part.open().has_value());
  // What may not be opened reads as a folder does, to root too.
  std::filesystem::remove(part.folder / "intel-rapl:1/energy_uj");
  std::filesystem::create_directory(part.folder / "intel-rapl:1/energy_uj");
  CHECK_FALSE(part.open().has_value());
}

TEST_CASE("A counter that goes away or falls without a known range gives no number") {
  const Powercap power;
  power.zone("intel-rapl:0", "package-0", "5");
  auto meter = power.open();
  REQUIRE(meter.has_value());
  power.zone("intel-rapl:0", "package-0", "4");
  CHECK_FALSE(meter->joules().has_value());
  std::filesystem::remove(power.folder / "intel-rapl:0/energy_uj");
  CHECK_FALSE(meter->joules().has_value());
}

}  // namespace longreach::metrics
