// Ctrl-C and a polite kill, as a flag that long work looks at.
#pragma once

#include <csignal>

namespace longreach::harness {

/// From now on SIGINT, SIGTERM and, unless it is ignored (nohup), SIGHUP only raise the flag. A
/// second SIGINT ends the program at once, with exit code 130.
void catch_interrupts();
/// Not 0 once one of them came.
const volatile std::sig_atomic_t& interrupt_requested();

}  // namespace longreach::harness
