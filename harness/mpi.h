// Processes that mpirun started.
#pragma once

#include <memory>

#include "model/processes.h"

namespace longreach::harness {

/// Those that mpirun (or srun) started together with this one; this one alone when none did. Call
/// it once, and destroy the result before the program ends. Throws Error when this build has no MPI
/// (LONGREACH_MPI) and there are others.
std::unique_ptr<model::Processes> join_processes();

}  // namespace longreach::harness
