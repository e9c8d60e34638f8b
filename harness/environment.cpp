// `environment: [CORPORA]`: the variables of the environment that a configuration uses.
#include "harness/environment.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

#include "core/error.h"
#include "datasets/utf8.h"

namespace longreach::harness {
namespace {

constexpr const char* kKey = "environment";

bool is_name(std::string_view text) {
  const auto letter = [](char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_';
  };
  const auto inner = [&](char c) {
    return letter(c) || std::isdigit(static_cast<unsigned char>(c));
  };
  return !text.empty() && letter(text[0]) && std::ranges::all_of(text, inner);
}

/// What is wrong with a variable's value, "" when nothing is.
std::string wrong_value(const char* value) {
  if (!value) return "is not set";
  const std::string_view text = value;
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (text.size() > kLongestVariable) {
    return fmt::format("has {} bytes, but at most {} are read", text.size(), kLongestVariable);
  }
  if (datasets::valid_length(text) < text.size() || std::ranges::any_of(text, control)) {
    return "is no UTF-8 text of one line";
  }
  return "";
}

class Substitution {
 public:
  Substitution(const YAML::Node& environment, const Source& source, Problems& problems)
      : source_(source), problems_(problems) {
    for (const auto& pair : environment) {
      values_[pair.first.Scalar()] = pair.second.Scalar();
      names_.push_back(pair.first.Scalar());
    }
  }

  void visit(YAML::Node node, const std::string& path) {
    if (node.IsScalar()) {
      if (node.Scalar().find("${") == std::string::npos) return;
      node = replaced(node.Scalar(), source_.place(node, path));
    } else if (node.IsSequence()) {
      for (std::size_t i = 0; i < node.size(); ++i) visit(node[i], fmt::format("{}[{}]", path, i));
    } else if (node.IsMap()) {
      for (auto pair : node) {
        const bool top = path.empty() && pair.first.Scalar() == kKey;
        if (!top) visit(pair.second, join_path(path, pair.first.Scalar()));
      }
    }
  }

 private:
  std::string replaced(const std::string& text, const std::string& where) {
    std::string out;
    std::size_t done = 0;
    for (std::size_t dollar; (dollar = text.find("${", done)) != std::string::npos;) {
      const std::size_t end = std::min(text.find('}', dollar), text.size());
      const std::string name = text.substr(dollar + 2, end - std::min(end, dollar + 2));
      const std::string_view written(text.data() + dollar, std::min(end + 1, text.size()) - dollar);
      const bool escaped = dollar > done && text[dollar - 1] == '$';
      out.append(text, done, dollar - done - (escaped ? 1 : 0));
      out += escaped || end == text.size() || !is_name(name) ? written : value(name, where);
      done = dollar + written.size();
    }
    return out.append(text, done);
  }

  std::string_view value(const std::string& name, const std::string& where) {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      problems_.add(
          fmt::format("{}: ${{{}}} is not listed under environment{}; add it there, or "
                      "write $${{{}}} for the text itself",
                      where, name, suggestion(name, names_), name));
      return "";
    }
    if ((added_ += found->second.size()) > kMostSubstituted) {
      problems_.add(
          fmt::format("{}: ${{{}}} is used so often that all uses together have more than "
                      "{} bytes",
                      where, name, kMostSubstituted));
      return "";
    }
    return found->second;
  }

  const Source& source_;
  Problems& problems_;
  std::map<std::string, std::string> values_;
  std::vector<std::string> names_;
  std::size_t added_ = 0;
};

YAML::Node environment_of(const YAML::Node& root) {
  return root.IsMap() ? root[kKey] : YAML::Node(YAML::NodeType::Undefined);
}

}  // namespace

bool read_environment(YAML::Node root, const Source& source, Problems& problems) {
  const YAML::Node list = environment_of(root);
  if (!list.IsDefined()) return false;
  const auto scalars = [](const auto& map) {
    return std::all_of(map.begin(), map.end(), [](const auto& pair) {
      return is_name(pair.first.Scalar()) && pair.second.IsScalar();
    });
  };
  if (list.IsMap() && scalars(list)) return true;
  if (!list.IsSequence()) {
    problems.add(
        fmt::format("{}: expected a list of names, such as [CORPORA]", source.place(list, kKey)));
    return true;
  }
  YAML::Node values(YAML::NodeType::Map);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = source.place(list[i], fmt::format("{}[{}]", kKey, i));
    const std::string name = list[i].IsScalar() ? list[i].Scalar() : "";
    const char* value = is_name(name) ? std::getenv(name.c_str()) : nullptr;
    if (!is_name(name)) {
      problems.add(fmt::format("{}: '{}' is no name of a variable, such as CORPORA", where, name));
    } else if (const std::string wrong = wrong_value(value); !wrong.empty()) {
      problems.add(fmt::format("{}: the environment variable {} {}", where, name, wrong));
    } else {
      values[name] = value;
    }
  }
  root.remove(kKey);
  root[kKey] = values;
  return true;
}

void substitute_environment(YAML::Node root, const Source& source, Problems& problems) {
  const YAML::Node environment = environment_of(root);
  if (!environment.IsDefined() || !environment.IsMap()) return;
  Substitution(environment, source, problems).visit(root, "");
}

}  // namespace longreach::harness
