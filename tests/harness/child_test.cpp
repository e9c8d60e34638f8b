// Processes of cells: what is told of their ends.
#include "harness/child.h"

#include <catch2/catch.hpp>

#include "harness/cell_process.h"

using namespace longreach;
using namespace longreach::harness;
using Catch::Matchers::Contains;

namespace {

CellInfo explained(const ChildResult& child, Limits limits = {}) {
  limits.memory = i64{8} << 30;
  CellInfo info;
  explain(child, limits, info);
  return info;
}

}  // namespace

TEST_CASE("The last words of a program become one printable line of bounded length") {
  CHECK(last_lines("") == "");
  CHECK(last_lines("\n \n") == "");
  CHECK(last_lines("first\n\n  \nsecond\r\n") == "first / second");
  CHECK(last_lines("\x1b[31mred\x07\n") == "[31mred");
  const std::string many(3000, 'x');
  CHECK(last_lines("before\n" + many) == many.substr(0, 397) + "...");
  CHECK(last_lines("dropped " + many + "\nkept") == "kept");
  std::string wide;  // two bytes a letter, none of them cut in half
  for (int i = 0; i < 300; ++i) wide += "\xc3\xa9";
  CHECK(last_lines(wide) == wide.substr(0, 396) + "...");
}

TEST_CASE("A process's end becomes a status, with what ended it and its last words") {
  ChildResult child;
  child.signal = SIGSEGV;
  child.last_words = "kernel: row 7 is out of range\n";
  CHECK(explained(child).status == Status::failed);
  CHECK(explained(child).reason ==
        "crashed: Segmentation fault (signal 11): kernel: row 7 is out of range");
  child = {};
  child.exit_code = 2;
  child.last_words = "longreach: data.txt: no such file\n";
  CHECK(explained(child).reason ==
        "ended with exit code 2 and no result: longreach: data.txt: no such file");
  child = {};
  child.signal = SIGKILL;
  child.stopped = Stop::memory;
  child.last_bytes = (i64{8} << 30) + (i64{1} << 29);
  CHECK(explained(child).status == Status::oom);
  CHECK(explained(child).reason == "resident memory 8.5 GiB over the limit of 8 GiB");
}

TEST_CASE("A kill that was not ours is out of memory only when something speaks for it") {
  ChildResult child;
  child.signal = SIGKILL;
  child.last_bytes = i64{1} << 30;
  CHECK(explained(child).status == Status::failed);
  CHECK(explained(child).reason == "killed from outside (signal 9)");
  CHECK(killed_from_outside(child));
  child.last_bytes = i64{7} << 30;  // close to the limit of 8 GiB
  CHECK(explained(child).status == Status::oom);
  child.last_bytes = 0;
  child.machine_out_of_memory = true;
  CHECK(explained(child).status == Status::oom);
  CHECK_FALSE(killed_from_outside(child));
  child = {};
  child.signal = SIGTERM;
  CHECK(killed_from_outside(child));
  child.signal = SIGABRT;
  CHECK_FALSE(killed_from_outside(child));
}
