// The executable.
#include <limits>
#include <malloc.h>

#include "harness/cli.h"

int main(int argc, char** argv) {
  // Kernels take and give back the same scratch call after call. By default glibc maps large blocks
  // anew each time and returns what is free to the system, and the page faults of getting it again
  // cost about a tenth of a 1k-token forward.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  return longreach::harness::command_line(argc, argv);
}
