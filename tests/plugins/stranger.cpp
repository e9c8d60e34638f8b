// A shared library that has nothing to do with Longreach.
extern "C" int stranger();
extern "C" int stranger() { return 1; }
