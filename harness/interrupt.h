// Ctrl-C and a polite kill, as a flag that long work looks at.
#pragma once

#include <csignal>

namespace longreach::harness {

/// From now on SIGINT and SIGTERM only raise the flag.
void catch_interrupts();
/// Not 0 once one of them came.
const volatile std::sig_atomic_t& interrupt_requested();

}  // namespace longreach::harness
