// The executable.
#include <malloc.h>

#include "harness/cli.h"

int main(int argc, char** argv) {
  // Kernels take and give back the same scratch call after call. By default glibc returns it to the
  // system each time, and the page faults of getting it again cost about a tenth of a 1k-token
  // forward.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  return longreach::harness::command_line(argc, argv);
}
