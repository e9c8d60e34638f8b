// What a machine's fingerprint counts.
#include "harness/machine.h"

#include <catch2/catch.hpp>
#include <functional>

#include "harness/build_info.h"

using namespace longreach;
using harness::Machine;

TEST_CASE("A machine tells its processor, cores, caches and memory") {
  const Machine& machine = harness::this_machine();
  CHECK_FALSE(machine.cpu.empty());
  CHECK_FALSE(machine.isa.empty());
  CHECK(machine.cores >= 1);
  CHECK(machine.memory_bytes > (i64{1} << 27));
  CHECK(machine.libc.starts_with("glibc 2."));
  CHECK(machine.fingerprint.size() == 16);
  CHECK_FALSE(harness::circumstances().affinity.empty());
}

TEST_CASE(
    "Another processor, cache, core count or memory is another machine, and a kernel is not") {
  const Machine machine{.cpu = "A",
                        .isa = "AVX3",
                        .cores = 8,
                        .caches = {"L1 Data 48K"},
                        .memory_bytes = i64{16} << 30,
                        .kernel = "Linux 6.1",
                        .libc = "glibc 2.36",
                        .fingerprint = {}};
  const std::string text = harness::fingerprint_text(machine);
  const auto with = [&](const std::function<void(Machine&)>& change) {
    Machine other = machine;
    change(other);
    return harness::fingerprint_text(other);
  };
  CHECK(with([](Machine& m) { m.cpu = "B"; }) != text);
  CHECK(with([](Machine& m) { m.isa = "AVX2"; }) != text);
  CHECK(with([](Machine& m) { m.cores = 4; }) != text);
  CHECK(with([](Machine& m) { m.caches.push_back("L2 Unified 1024K"); }) != text);
  CHECK(with([](Machine& m) { m.memory_bytes *= 2; }) != text);
  CHECK(with([](Machine& m) { m.kernel = "Linux 6.2"; }) == text);
  CHECK(with([](Machine& m) { m.memory_bytes -= i64{100} << 20; }) ==
        text);  // a kernel's own share
}

TEST_CASE("Every record names the machine that it was measured on") {
  CellInfo info;
  harness::describe_build(info);
  CHECK(info.machine == harness::this_machine().fingerprint);
  CHECK(info.cpu == harness::this_machine().cpu);
}
