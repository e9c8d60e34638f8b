// One run at a time in an output folder, and what is said to the second.
#include "harness/output_lock.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "core/error.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;

TEST_CASE("An output folder takes one run at a time, and the second is told of the first") {
  const TempFolder folder;
  {
    const OutputLock lock(folder / "out");
    CHECK_THROWS_WITH(OutputLock(folder / "out"), Contains("another run is writing here (process " +
                                                           std::to_string(getpid()) + " on ") &&
                                                      Contains(" since 20"));
  }
  CHECK_NOTHROW(OutputLock(folder / "out"));
}

TEST_CASE("The lock of a run that was killed holds nobody up, and its words are replaced") {
  const TempFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    const OutputLock lock(folder / "out");
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK_THAT(read_file(folder / "out/.lock"), Contains(std::to_string(child)));
  const OutputLock lock(folder / "out");
  CHECK_THAT(read_file(folder / "out/.lock"), Contains("process " + std::to_string(getpid())));
}

TEST_CASE("A run killed while it starts a process does not hold up the next one") {
  const TempFolder folder;
  const pid_t run = fork();
  if (run == 0) {
    const OutputLock lock(folder / "out");
    if (fork() == 0) {  // with the lock, as every process before it becomes another program
      usleep(100000);
      _exit(0);
    }
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(run, &status, 0);
  CHECK_NOTHROW(OutputLock(folder / "out"));
}

TEST_CASE("A file system without locks is not taken for another run") {
  for (const int reason : {ENOLCK, ENOSYS, EOPNOTSUPP}) {
    CHECK_THAT(lock_refusal("out", reason, "process 1 on a since b"),
               Contains("out: its file system cannot lock a file") && Contains("flock") &&
                   !Contains("another run is writing"));
  }
  CHECK(lock_refusal("out", EWOULDBLOCK, "") ==
        "out: another run is writing here; wait for it or choose another --output");
}
