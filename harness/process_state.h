// What the kernel tells of processes and of the memory that they share.
#pragma once

#include <optional>
#include <sys/types.h>

#include "core/tensor.h"

namespace longreach::harness {

struct ProcessState {
  i64 resident = 0;       ///< bytes in memory now, files that it maps included
  i64 peak_resident = 0;  ///< the most so far
  i64 cpu_ticks = 0;      ///< time that all its threads computed, in the kernel's clock ticks
};

/// Nothing once the process has ended, or where there is no /proc.
std::optional<ProcessState> process_state(pid_t);

/// Bytes that processes here may use together: the machine's memory, or less in a container.
i64 available_memory();

/// How often the kernel ended a process for want of memory since the machine or container started.
i64 out_of_memory_kills();

/// Makes an absurd allocation of this process fail at once, where `memory` bytes are to be resident
/// at most: limits its address space to several times that, since thread stacks, arenas and mapped
/// weights reserve far more than they use. 0 = no limit. Safe between fork() and exec().
void limit_address_space(i64 memory);

}  // namespace longreach::harness
