// The machine this program runs on: what timings depend on besides the build, and its fingerprint.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace longreach::harness {

/// What does not change while the machine is up. "unknown" and empty lists where it does not tell.
struct Machine {
  std::string cpu;                  ///< as the kernel names it
  std::string isa;                  ///< the vector instructions in use
  i64 cores = 0;                    ///< logical processors online, whoever may use them
  std::vector<std::string> caches;  ///< of the first core: "L1 Data 48K", with "shared by 2" if so
  i64 memory_bytes = 0;
  std::string kernel, libc;
  /// First 16 hex digits of the SHA-256 of fingerprint_text(): CellInfo::machine.
  std::string fingerprint;
};

/// Asked for once.
const Machine& this_machine();

/// What makes two machines alike, so that their timings may stand in one series: cpu, isa, cores,
/// caches, and the memory in GiB (kernels keep some MiB for themselves, more or less). Kernel and
/// libc are told, not counted: an update does not make another machine.
std::string fingerprint_text(const Machine&);

/// What may change from run to run.
struct Circumstances {
  std::string governor;                            ///< of the processors' frequency
  std::vector<int> affinity;                       ///< processors that this process may use
  i64 threads = 0;                                 ///< OpenMP
  std::map<std::string, std::string> environment;  ///< what OpenMP, malloc and the loader read
};
Circumstances circumstances();

}  // namespace longreach::harness
