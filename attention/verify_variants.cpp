// Derives parameter sets worth verifying from a backend's fields alone.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <optional>

#include "attention/verify.h"

namespace longreach::attention {
namespace {

constexpr i64 kSmall = 5;   ///< odd, so that no power of two is a multiple of it
constexpr i64 kLarge = 16;  ///< integers above are made small
constexpr std::string_view kTruncation = "bptt";

/// Values by dotted key: an integer, an enum's index, or 0/1 for a boolean or an optional group.
using Settings = std::map<std::string, i64>;

/// One way in which a field may differ from what it holds.
struct Alternative {
  std::string key;
  i64 value;
  bool joins;  ///< part of the variant that changes all choices at once
};

/// Visits default parameters, changes what `settings` names, says so in `text`, and lists what
/// else each field could be.
class Vary final : public Fields {
 public:
  Vary(const Settings& settings, bool small) : settings_(settings), small_(small) {}

  void operator()(std::string_view key, i64& value, Range range, std::string_view) override {
    if (key == kTruncation) {
      if (const i64* set = find(key)) {
        value = *set;
        describe(key, fmt::format("{}", value));
      } else {
        alternatives.push_back({path(key), 1, false});
      }
      truncated = value != 0;
      return;
    }
    const i64 low = std::isfinite(range.min) ? static_cast<i64>(std::ceil(range.min)) : value;
    if (const i64* set = find(key)) {
      value = *set;
      describe(key, fmt::format("{}", value));
      return;
    }
    if (small_ && value > kLarge && kSmall >= range.min && kSmall <= range.max) {
      value = kSmall;
      describe(key, fmt::format("{}", value));
    }
    if (low != value) {
      alternatives.push_back({path(key), low, false});
    } else if (2 >= range.min && 2 <= range.max && value != 2) {
      alternatives.push_back({path(key), 2, true});
    }
  }
  void operator()(std::string_view, double&, Range, std::string_view) override {}
  void operator()(std::string_view key, bool& value, std::string_view) override {
    flip(key, value, true, value ? "false" : "true");
  }
  void operator()(std::string_view, std::string&, std::string_view) override {}
  void operator()(std::string_view, std::vector<double>&, Range, std::string_view) override {}
  void operator()(std::string_view, std::vector<i64>&, Range, std::string_view) override {}

  std::vector<Alternative> alternatives;
  std::vector<std::string> text;
  bool truncated = false;

 protected:
  void choice(std::string_view key, std::size_t& index, std::span<const std::string_view> names,
              std::string_view) override {
    if (const i64* set = find(key)) {
      index = static_cast<std::size_t>(*set);
      describe(key, names[index]);
      return;
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i != index) alternatives.push_back({path(key), static_cast<i64>(i), true});
    }
  }
  void group(std::string_view key, std::string_view, const Visit& visit) override {
    const std::string outer = prefix_;
    prefix_ = path(key) + ".";
    visit(*this);
    prefix_ = outer;
  }
  void optional_group(std::string_view key, bool& present, std::string_view doc,
                      const Visit& visit) override {
    const auto inside = settings_.lower_bound(path(key) + ".");
    if (!present && inside != settings_.end() && inside->first.starts_with(path(key) + ".")) {
      present = true;
      describe(key, "on");
    } else {
      flip(key, present, false, present ? "none" : "on");
    }
    if (present) group(key, doc, visit);
  }

 private:
  std::string path(std::string_view key) const { return prefix_ + std::string(key); }
  const i64* find(std::string_view key) const {
    const auto found = settings_.find(path(key));
    return found == settings_.end() ? nullptr : &found->second;
  }
  void describe(std::string_view key, std::string_view value) {
    text.push_back(fmt::format("{}: {}", path(key), value));
  }
  void flip(std::string_view key, bool& value, bool joins, std::string_view other) {
    if (const i64* set = find(key)) {
      if (value != (*set != 0)) describe(key, other);
      value = *set != 0;
    } else {
      alternatives.push_back({path(key), value ? 0 : 1, joins});
    }
  }

  const Settings& settings_;
  bool small_;
  std::string prefix_;
};

class Deriver {
 public:
  explicit Deriver(std::string_view type)
      : type_(type), entry_(AttentionRegistry::instance().find(type)) {}

  std::vector<Variant> derive() {
    add({}, false, true);
    const std::vector<Alternative> alternatives =
        add({}, true, false).value_or(std::vector<Alternative>{});
    Settings all;
    for (const Alternative& alternative : alternatives) {
      if (alternative.joins) all[alternative.key] = alternative.value;
      const Settings alone{{alternative.key, alternative.value}};
      const auto more = add(alone, true, false);
      if (!more) {
        add_in_pairs(alternative, alternatives);
        continue;
      }
      // What a group switched on brings with it is varied too.
      for (const Alternative& inner : *more) {
        if (inner.key.starts_with(alternative.key + ".")) {
          add({{inner.key, inner.value}}, true, false);
        }
      }
    }
    if (all.size() > 1) add(all, true, true);
    return std::move(out_);
  }

 private:
  /// What is refused alone may need one other field, as yarn needs its original length.
  void add_in_pairs(const Alternative& refused, const std::vector<Alternative>& others) {
    for (const Alternative& other : others) {
      if (other.key == refused.key) continue;
      add({{refused.key, refused.value}, {other.key, other.value}}, true, false);
    }
  }

  /// Adds one variant unless it is there already; returns what else could be changed, or nothing
  /// when it is refused.
  std::optional<std::vector<Alternative>> add(const Settings& settings, bool small,
                                              bool long_stream) {
    Vary explore(settings, small);
    entry_.visit_defaults(explore);
    const std::string text =
        explore.text.empty() ? "defaults" : fmt::format("{}", fmt::join(explore.text, ", "));
    const auto same = std::ranges::find(out_, text, &Variant::parameters);
    if (same != out_.end()) return explore.alternatives;
    BackendFactory make = [name = type_, settings, small](const Shape& shape) {
      Vary reader(settings, small);
      return AttentionRegistry::instance().find(name).make(reader, shape);
    };
    if (!settings.empty() || small) {
      try {
        make({2, 1, 8});
      } catch (const Error&) {
        return std::nullopt;
      }
    }
    out_.push_back({text, std::move(make), long_stream, explore.truncated});
    return explore.alternatives;
  }

  std::string type_;
  const AttentionRegistry::Entry& entry_;
  std::vector<Variant> out_;
};

}  // namespace

std::vector<Variant> variants(std::string_view type) { return Deriver(type).derive(); }

}  // namespace longreach::attention
