#include "core/fields.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace longreach {
namespace {

/// Shortest text that reads back as the same double.
std::string number(double value) { return fmt::format("{}", value); }

template <class T>
std::string list(const std::vector<T>& values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

bool is_control(char c) {
  const auto code = static_cast<unsigned char>(c);
  return code < 0x20 || code == 0x7F;
}

/// In YAML's double quotes, which keep line breaks and the like where single ones fold them.
std::string escaped(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (is_control(c)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

/// Quoted always, so that no text is mistaken for a number, a list or `none`.
std::string quoted(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), is_control)) return escaped(text);
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

std::string allowed(std::string_view kind, Range range) {
  const bool low = std::isfinite(range.min), high = std::isfinite(range.max);
  std::string text(kind);
  if (low && high) text += fmt::format(" in [{}, {}]", range.min, range.max);
  if (low && !high) text += fmt::format(" >= {}", range.min);
  if (!low && high) text += fmt::format(" <= {}", range.max);
  return text;
}

class Describe final : public Fields {
 public:
  Describe(std::vector<FieldDescription>& out, std::string prefix)
      : out_(out), prefix_(std::move(prefix)) {}
  void operator()(std::string_view key, i64& v, Range r, std::string_view doc) override {
    add(key, fmt::format("{}", v), allowed("integer", r), doc);
  }
  void operator()(std::string_view key, double& v, Range r, std::string_view doc) override {
    add(key, number(v), allowed("number", r), doc);
  }
  void operator()(std::string_view key, bool& v, std::string_view doc) override {
    add(key, v ? "true" : "false", "true or false", doc);
  }
  void operator()(std::string_view key, std::string& v, std::string_view doc) override {
    add(key, v.empty() ? "''" : v, "text", doc);
  }
  void operator()(std::string_view key, std::vector<double>& v, Range r,
                  std::string_view doc) override {
    add(key, list(v), allowed("list of numbers", r), doc);
  }
  void operator()(std::string_view key, std::vector<i64>& v, Range r,
                  std::string_view doc) override {
    add(key, list(v), allowed("list of integers", r), doc);
  }

 protected:
  void choice(std::string_view key, std::size_t& index, std::span<const std::string_view> names,
              std::string_view doc) override {
    add(key, std::string(names[index]), fmt::format("one of {}", fmt::join(names, ", ")), doc);
  }
  void group(std::string_view key, std::string_view, const Visit& visit) override {
    Describe inner(out_, fmt::format("{}{}.", prefix_, key));
    visit(inner);
  }
  void optional_group(std::string_view key, bool& present, std::string_view doc,
                      const Visit& visit) override {
    add(key, present ? "(the defaults below)" : "none", "none, or a mapping", doc);
    group(key, doc, visit);
  }

 private:
  void add(std::string_view key, std::string value, std::string allowed, std::string_view doc) {
    out_.push_back(
        {prefix_ + std::string(key), std::move(value), std::move(allowed), std::string(doc)});
  }
  std::vector<FieldDescription>& out_;
  std::string prefix_;
};

class Canonical final : public Fields {
 public:
  void operator()(std::string_view key, i64& v, Range, std::string_view) override {
    add(key, fmt::format("{}", v));
  }
  void operator()(std::string_view key, double& v, Range, std::string_view) override {
    add(key, number(v));
  }
  void operator()(std::string_view key, bool& v, std::string_view) override {
    add(key, v ? "true" : "false");
  }
  void operator()(std::string_view key, std::string& v, std::string_view) override {
    add(key, quoted(v));
  }
  void operator()(std::string_view key, std::vector<double>& v, Range, std::string_view) override {
    add(key, list(v));
  }
  void operator()(std::string_view key, std::vector<i64>& v, Range, std::string_view) override {
    add(key, list(v));
  }
  std::string text;

 protected:
  void choice(std::string_view key, std::size_t& index, std::span<const std::string_view> names,
              std::string_view) override {
    add(key, std::string(names[index]));
  }
  void group(std::string_view key, std::string_view, const Visit& visit) override {
    Canonical inner;
    visit(inner);
    add(key, fmt::format("{{{}}}", inner.text));
  }
  void optional_group(std::string_view key, bool& present, std::string_view doc,
                      const Visit& visit) override {
    if (present) {
      group(key, doc, visit);
    } else {
      add(key, "none");
    }
  }

 private:
  void add(std::string_view key, const std::string& value) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{}: {}", key, value);
  }
};

}  // namespace

std::vector<FieldDescription> describe(const std::function<void(Fields&)>& visit) {
  std::vector<FieldDescription> out;
  Describe visitor(out, "");
  visit(visitor);
  return out;
}

std::string canonical(const std::function<void(Fields&)>& visit) {
  Canonical visitor;
  visit(visitor);
  return visitor.text;
}

}  // namespace longreach
