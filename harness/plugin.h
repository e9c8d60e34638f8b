// Shared libraries given with --plugin: what is checked before they run, and what they register.
#pragma once

#include <string>
#include <vector>

namespace longreach::harness {

/// Loads shared libraries, whose static `Registered<...>` objects (core/registry.h) then stand in
/// the registries beside the built-in ones, and returns their absolute paths, each once. They stay
/// until the process ends. Throws Error, first of all for clashes among the built-in names, then
/// naming the file that is missing, no plugin, built for another ABI (core/plugin.h; nothing of it
/// has run then), not loadable, takes a name that is taken or registers nothing.
std::vector<std::string> load_plugins(const std::vector<std::string>& paths);

/// SHA-256 of a shared library's file. Throws Error when it cannot be read.
std::string plugin_sha(const std::string& path);

}  // namespace longreach::harness
