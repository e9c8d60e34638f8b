// Loads configuration files safely, says where things stand in them, and edits them with --set.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <yaml-cpp/yaml.h>

#include "harness/problems.h"

namespace longreach::harness {

/// What an entry of backends may hold besides its type.
inline constexpr std::array<std::string_view, 7> kEntryKeys{
    "name", "baseline", "weights_of", "longest", "heads", "state_bytes", "solve"};

/// Where a tree came from, for messages.
struct Source {
  std::string file;                 ///< as the user named it
  std::set<std::string> set_paths;  ///< paths that --set wrote, in the form of messages
  std::map<std::string, std::string> files = {};  ///< paths that were included, and from where
  /// "sweep.yaml:7 backends[1].window", or "--set backends[1].window" for what --set wrote.
  std::string place(const YAML::Node& node, const std::string& path) const;
  /// The file that `path` came from.
  const std::string& file_of(std::string_view path) const;
  /// What stands at `path` is that of another tree.
  void take(const std::string& path, const Source& other);
  /// What stands at `to` was written at `from`.
  void move(const std::string& from, const std::string& to);
};

/// What is read at all of a configuration: its largest size and longest value in bytes, its deepest
/// nesting, and the most keys, values and lists in it.
inline constexpr std::uintmax_t kLargestConfiguration = 1 << 20;
inline constexpr std::size_t kLongestValue = 1 << 16;
inline constexpr int kDeepestConfiguration = 32;
inline constexpr int kMostNodes = 50000;

/// The file's bytes. Throws Error when it is missing, unreadable, not a file or over
/// kLargestConfiguration.
std::string read_configuration_file(const std::filesystem::path& path);

/// Throws Error naming the line unless parse_yaml() would read the text.
void require_readable(const std::string& text, const std::string& file);

/// Parses one document. Throws Error naming the line for syntax errors, bytes that are not UTF-8,
/// anchors and aliases (which could multiply), NUL characters, and what is beyond the limits above.
YAML::Node parse_yaml(const std::string& text, const std::string& file);

/// Edits the tree by "path=value". A path is keys, names of list entries, or indices, joined by
/// dots: models.reader.train.steps=100, statistics.bootstrap=100, lengths=[64]. Within an entry of
/// backends or tasks the type may be left out: backends.window.window=64. Throws Error for a
/// path that leads nowhere; the last key may be new.
void apply_set(YAML::Node root, const std::string& assignment, Source& source);

/// "parent.key", or "key" at the top.
std::string join_path(const std::string& parent, std::string_view key);

}  // namespace longreach::harness
