// The executable.
#include "harness/cli.h"

int main(int argc, char** argv) { return longreach::harness::command_line(argc, argv); }
