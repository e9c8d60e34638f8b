// Ctrl-C as a flag.
#include "harness/interrupt.h"

#include <unistd.h>

#include "harness/cli.h"

namespace longreach::harness {
namespace {

volatile std::sig_atomic_t requested = 0, keystrokes = 0;

/// Only what is safe in a signal handler.
void request(int signal) {
  requested = 1;
  if (signal != SIGINT) return;  // launchers and batch systems repeat theirs
  keystrokes = keystrokes + 1;
  if (keystrokes > 1) _exit(kExitInterrupted);
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = request;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction before {};
  sigaction(SIGHUP, nullptr, &before);
  if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

const volatile std::sig_atomic_t& interrupt_requested() { return requested; }

}  // namespace longreach::harness
