// Loads configuration files safely, says where things stand in them, and edits them with --set.
#include "harness/yaml_source.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <fstream>
#include <sstream>
#include <yaml-cpp/eventhandler.h>

#include "core/error.h"
#include "core/units.h"
#include "datasets/utf8.h"

namespace longreach::harness {
namespace {

/// Watches a parse go by and stops it before anything large or deep is built.
class Guard final : public YAML::EventHandler {
 public:
  explicit Guard(std::string_view file) : file_(file) {}
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { refuse(mark, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override { refuse(mark, anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string& text) override {
    refuse(mark, anchor);
    if (text.size() > kLongestValue) {
      throw error("{}:{}: a value of {}; at most {} are read", file_, mark.line + 1,
                  format_bytes(static_cast<double>(text.size())), format_bytes(kLongestValue));
    }
    if (text.find('\0') != std::string::npos) {
      throw error("{}:{}: a NUL character, which no value can hold", file_, mark.line + 1);
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    enter(mark, anchor);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    enter(mark, anchor);
  }
  void OnMapEnd() override { --depth_; }

 private:
  void refuse(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (++nodes_ > kMostNodes) {
      throw error("{}:{}: more than {} keys and values; ranges (0..99+1) and sweeps say it shorter",
                  file_, mark.line + 1, kMostNodes);
    }
    if (anchor == YAML::NullAnchor) return;
    throw error("{}:{}: anchors (&) and aliases (*) are not read; write the value out", file_,
                mark.line + 1);
  }
  void enter(const YAML::Mark& mark, YAML::anchor_t anchor) {
    refuse(mark, anchor);
    if (++depth_ > kDeepestConfiguration) {
      throw error("{}:{}: nested more than {} levels deep", file_, mark.line + 1,
                  kDeepestConfiguration);
    }
  }
  std::string_view file_;
  int depth_ = 0, nodes_ = 0;
};

/// YAML is UTF-8 without control characters; the parser would take some for the end of the text.
void require_text(std::string_view text, const std::string& file) {
  const auto line = [&](std::size_t i) { return 1 + std::ranges::count(text.substr(0, i), '\n'); };
  if (const std::size_t valid = datasets::valid_length(text); valid < text.size()) {
    throw error("{}:{}: not UTF-8 text", file, line(valid));
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = static_cast<unsigned char>(text[i]);
    if ((code >= 0x20 && code != 0x7F) || code == '\n' || code == '\r' || code == '\t') continue;
    throw error("{}:{}: a control character (0x{:02x})", file, line(i), code);
  }
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

/// A list entry as --set calls it: its name, or its only key when it has no name.
std::string entry_name(const YAML::Node& entry) {
  if (entry.IsScalar()) return entry.Scalar();
  if (!entry.IsMap()) return "";
  for (const auto& pair : entry) {
    if (pair.first.Scalar() == "name" && pair.second.IsScalar()) return pair.second.Scalar();
  }
  return entry.size() == 1 ? entry.begin()->first.Scalar() : "";
}

std::size_t find_entry(const YAML::Node& list, const std::string& part, const std::string& whole) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    names.push_back(entry_name(list[i]));
    if (names.back() == part || std::to_string(i) == part) return i;
  }
  throw error("--set {}: no entry '{}'{}", whole, part, suggestion(part, names));
}

bool has_key(const YAML::Node& map, const std::string& key) {
  return std::any_of(map.begin(), map.end(),
                     [&key](const auto& pair) { return pair.first.Scalar() == key; });
}

/// The key that holds the parameters of an entry of backends or tasks; "" when that is not clear.
std::string type_key(const YAML::Node& entry) {
  std::string found;
  for (const auto& pair : entry) {
    const std::string key = pair.first.Scalar();
    if (key == "zip" || std::ranges::find(kEntryKeys, key) != kEntryKeys.end()) continue;
    if (!found.empty()) return "";
    found = key;
  }
  return found;
}

/// `path` and what it lies in, the longest first: "a.b[0]", "a.b", "a".
template <class Use>
bool any_outer(std::string_view path, const Use& use) {
  for (std::size_t size = path.size(); size > 0; --size) {
    const bool ends = size == path.size() || path[size] == '.' || path[size] == '[';
    if (ends && use(std::string(path.substr(0, size)))) return true;
  }
  return false;
}

bool is_set(const std::set<std::string>& set_paths, std::string_view path) {
  return any_outer(path, [&](const std::string& outer) { return set_paths.contains(outer); });
}

}  // namespace

std::string join_path(const std::string& parent, std::string_view key) {
  return parent.empty() ? std::string(key) : fmt::format("{}.{}", parent, key);
}

std::string Source::place(const YAML::Node& node, const std::string& path) const {
  if (is_set(set_paths, path)) return fmt::format("--set {}", path);
  const std::string& from = file_of(path);
  const YAML::Mark mark = node.IsDefined() ? node.Mark() : YAML::Mark::null_mark();
  const std::string line = mark.is_null() ? from : fmt::format("{}:{}", from, mark.line + 1);
  return path.empty() ? line : fmt::format("{} {}", line, path);
}

const std::string& Source::file_of(std::string_view path) const {
  auto found = files.end();
  any_outer(path, [&](const std::string& outer) {
    found = files.find(outer);
    return found != files.end();
  });
  return found == files.end() ? file : found->second;
}

void Source::take(const std::string& path, const Source& other) {
  const std::string from = other.file_of(path);
  for (auto inner = other.files.lower_bound(path);
       inner != other.files.end() && inner->first.starts_with(path); ++inner) {
    const char next = inner->first.size() > path.size() ? inner->first[path.size()] : '.';
    if (next == '.' || next == '[') files.insert(*inner);
  }
  files[path] = from;
}

void Source::move(const std::string& from, const std::string& to) {
  if (is_set(set_paths, from)) {
    set_paths.insert(to);
  } else if (file_of(from) != file_of(to)) {
    files[to] = file_of(from);
  }
}

std::string read_configuration_file(const std::filesystem::path& path) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (!std::filesystem::exists(status)) throw error("{}: no such file", path.string());
  if (!std::filesystem::is_regular_file(status)) throw error("{}: not a file", path.string());
  if (const auto size = std::filesystem::file_size(path, failure);
      failure || size > kLargestConfiguration) {
    throw error("{}: {}, but a configuration has at most {}", path.string(),
                format_bytes(static_cast<double>(size)),
                format_bytes(static_cast<double>(kLargestConfiguration)));
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in.peek() != std::ifstream::traits_type::eof()) text << in.rdbuf();
  if (!in || !text) throw error("{}: cannot be read", path.string());
  return text.str();
}

void require_readable(const std::string& text, const std::string& file) {
  if (text.size() > kLargestConfiguration) {
    throw error("{}: {}, but a configuration has at most {}", file,
                format_bytes(static_cast<double>(text.size())),
                format_bytes(static_cast<double>(kLargestConfiguration)));
  }
  require_text(text, file);
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    Guard guard(file);
    parser.HandleNextDocument(guard);
    Guard second(file);
    if (parser.HandleNextDocument(second)) {
      throw error("{}: holds more than one YAML document (---)", file);
    }
  } catch (const YAML::Exception& failure) {
    throw error("{}:{}: {}", file, failure.mark.line + 1, one_line(failure.msg));
  }
}

YAML::Node parse_yaml(const std::string& text, const std::string& file) {
  require_readable(text, file);
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& failure) {
    throw error("{}:{}: {}", file, failure.mark.line + 1, one_line(failure.msg));
  }
}

void apply_set(YAML::Node root, const std::string& assignment, Source& source) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw error("--set {}: expected path=value, such as statistics.bootstrap=100", assignment);
  }
  const std::vector<std::string> parts = split(assignment.substr(0, equals), '.');
  const YAML::Node value = parse_yaml(assignment.substr(equals + 1), "--set " + assignment);
  YAML::Node here;
  here.reset(root);
  std::string path;
  bool typed_entry = false;  // inside an entry of backends or tasks, whose type may be left out
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    YAML::Node next;
    if (here.IsSequence()) {
      const std::size_t index = find_entry(here, parts[i], assignment);
      typed_entry = path == "backends" || path == "tasks";
      path += fmt::format("[{}]", index);
      next.reset(here[index]);
      if (last) here[index] = value;
    } else {
      if (!here.IsMap() && !here.IsNull()) {
        throw error("--set {}: '{}' holds no keys", assignment, path);
      }
      const std::string type = typed_entry && here.IsMap() ? type_key(here) : "";
      if (!type.empty() && !has_key(here, parts[i]) &&
          std::ranges::find(kEntryKeys, parts[i]) == kEntryKeys.end()) {
        path = join_path(path, type);
        here.reset(here[type]);
      }
      typed_entry = false;
      path = join_path(path, parts[i]);
      if (last) {
        here[parts[i]] = value;
      } else {
        if (!here.IsMap() || !has_key(here, parts[i]))
          here[parts[i]] = YAML::Node(YAML::NodeType::Map);
        next.reset(here[parts[i]]);
      }
    }
    if (!last) here.reset(next);
  }
  source.set_paths.insert(path);
}

}  // namespace longreach::harness
