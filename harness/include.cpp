// `include: other.yaml`: parts of a configuration that several share.
#include "harness/include.h"

#include <algorithm>
#include <filesystem>
#include <fmt/ranges.h>
#include <map>
#include <ranges>
#include <vector>

#include "core/error.h"

namespace longreach::harness {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKey = "include";

/// A file's tree, and what in it came from other files.
struct Fragment {
  YAML::Node root;
  Source source;
};

/// The value under `key`; undefined when there is none. Makes no key.
YAML::Node value_of(const YAML::Node& map, const std::string& key) {
  for (const auto& pair : map) {
    if (pair.first.IsScalar() && pair.first.Scalar() == key) return pair.second;
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

/// Gives `map` what only the fragment's mapping has.
void merge(YAML::Node map, Source& source, const YAML::Node& other, const Fragment& fragment,
           const std::string& path) {
  std::set<std::string> keys;
  for (const auto& pair : other) {
    const std::string& key = pair.first.Scalar();
    const std::string at = join_path(path, key);
    if (!pair.first.IsScalar() || !keys.insert(key).second) {
      throw error("{}: {}", fragment.source.place(pair.first, at),
                  pair.first.IsScalar() ? "this key appears twice" : "a key must be text");
    }
    const YAML::Node mine = value_of(map, key);
    if (!mine.IsDefined()) {
      map.force_insert(pair.first, pair.second);
      source.take(at, fragment.source);
    } else if (mine.IsMap() && pair.second.IsMap()) {
      merge(mine, source, pair.second, fragment, at);
    }
  }
}

class Includer {
 public:
  /// `path` is that of `node` in the whole; `open` are the files being read, the outermost first.
  void resolve(YAML::Node node, const std::string& path, Source& source,
               std::vector<fs::path>& open) {
    if (node.IsSequence()) {
      for (std::size_t i = 0; i < node.size(); ++i) {
        resolve(node[i], fmt::format("{}[{}]", path, i), source, open);
      }
    }
    if (!node.IsMap()) return;
    for (auto pair : node) {
      if (pair.first.Scalar() != kKey) {
        resolve(pair.second, join_path(path, pair.first.Scalar()), source, open);
      }
    }
    const YAML::Node wanted = value_of(node, kKey);
    if (!wanted.IsDefined()) return;
    const std::string at = source.place(wanted, join_path(path, kKey));
    std::vector<std::string> files = names(wanted, at);
    node.remove(kKey);
    if (value_of(node, kKey).IsDefined()) throw error("{}: this key appears twice", at);
    // The last comes first: what is there stays.
    for (const std::string& file : files | std::views::reverse) {
      const Fragment fragment = read(file, path, source, at, open);
      merge(node, source, fragment.root, fragment, path);
    }
  }
  bool any() const { return files_ > 0; }

 private:
  static std::vector<std::string> names(const YAML::Node& wanted, const std::string& at) {
    if (wanted.IsScalar()) return {wanted.Scalar()};
    std::vector<std::string> files;
    for (const YAML::Node& item : wanted) {
      if (wanted.IsSequence() && item.IsScalar()) files.push_back(item.Scalar());
    }
    if (files.empty() || files.size() != wanted.size()) {
      throw error("{}: expected a file, or a list of files", at);
    }
    return files;
  }

  Fragment read(const std::string& name, const std::string& path, const Source& from,
                const std::string& at, std::vector<fs::path>& open) {
    const fs::path file = (fs::path(from.file).parent_path() / name).lexically_normal();
    const fs::path real = identity(file);
    const auto first = std::ranges::find(open, real);
    if (first != open.end()) {
      std::vector<std::string> round;
      for (auto each = first; each != open.end(); ++each) round.push_back(each->filename());
      throw error("{}: '{}' includes itself ({} > {})", at, one_line(name), fmt::join(round, " > "),
                  real.filename().string());
    }
    if (open.size() > kDeepestInclude) {
      throw error("{}: '{}': included files are nested more than {} deep", at, one_line(name),
                  kDeepestInclude);
    }
    const std::string text = bytes_of(file, at);
    Fragment fragment{parse_yaml(text, file.string()), {.file = file.string(), .set_paths = {}}};
    if (!fragment.root.IsMap()) {
      throw error("{}: '{}' holds no mapping of keys", at, one_line(name));
    }
    open.push_back(real);
    resolve(fragment.root, path, fragment.source, open);
    open.pop_back();
    return fragment;
  }

  std::string bytes_of(const fs::path& file, const std::string& at) {
    std::string text;
    try {
      text = read_configuration_file(file);
    } catch (const Error& failure) {
      throw error("{}: {}", at, one_line(failure.what()));
    }
    bytes_ += text.size();
    if (++files_ > kMostIncludes || bytes_ > kLargestConfiguration) {
      throw error("{}: more than {} included files, or more than {} bytes of them", at,
                  kMostIncludes, kLargestConfiguration);
    }
    return text;
  }

 public:
  /// What tells whether two paths are the same file.
  static fs::path identity(const fs::path& file) {
    std::error_code ignored;
    return fs::weakly_canonical(file, ignored);
  }

 private:
  std::size_t files_ = 0, bytes_ = 0;
};

}  // namespace

bool resolve_includes(YAML::Node root, Source& source) {
  Includer includer;
  std::vector<fs::path> open{Includer::identity(source.file)};
  includer.resolve(root, "", source, open);
  return includer.any();
}

}  // namespace longreach::harness
