// Ctrl-C as a flag.
#include "harness/interrupt.h"

namespace longreach::harness {
namespace {

volatile std::sig_atomic_t requested = 0;

void request(int) { requested = 1; }

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = request;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

const volatile std::sig_atomic_t& interrupt_requested() { return requested; }

}  // namespace longreach::harness
