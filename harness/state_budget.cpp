// Backends at equal state.
#include "harness/state_budget.h"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <functional>
#include <map>

#include "core/error.h"
#include "harness/assemble.h"
#include "harness/yaml_reader.h"

namespace longreach::harness {
namespace {

constexpr const char* kHeads = "heads";

/// Notes which parameters there are at the top level, and the ranges of those that are integers.
class Parameters final : public Fields {
 public:
  std::vector<std::string> names, integers;
  std::map<std::string, Range, std::less<>> ranges;

  explicit Parameters(const std::string& type) {
    attention::AttentionRegistry::instance().find(type).visit_defaults(*this);
  }
  void operator()(std::string_view key, i64&, Range range, std::string_view) override {
    add(key);
    integers.emplace_back(key);
    ranges.emplace(key, range);
  }
  void operator()(std::string_view key, double&, Range, std::string_view) override { add(key); }
  void operator()(std::string_view key, bool&, std::string_view) override { add(key); }
  void operator()(std::string_view key, std::string&, std::string_view) override { add(key); }
  void operator()(std::string_view key, std::vector<double>&, Range, std::string_view) override {
    add(key);
  }
  void operator()(std::string_view key, std::vector<i64>&, Range, std::string_view) override {
    add(key);
  }

 protected:
  void choice(std::string_view key, std::size_t&, std::span<const std::string_view>,
              std::string_view) override {
    add(key);
  }
  void group(std::string_view key, std::string_view, const Visit&) override { add(key); }
  void optional_group(std::string_view key, bool&, std::string_view, const Visit&) override {
    add(key);
  }

 private:
  void add(std::string_view key) { names.emplace_back(key); }
};

/// The backend with its parameter set to `value`.
BackendChoice with_value(const BackendChoice& backend, i64 value) {
  BackendChoice set = backend;
  if (backend.budget.solve == kHeads) {
    set.heads = value;
    return set;
  }
  Component& component = set.layers[0];
  const auto& entry = attention::AttentionRegistry::instance().find(component.type);
  visit_params(
      backend.layers[0].params,
      [&](Fields& reader) { component.params = read_canonical(reader, entry.visit_defaults); },
      {{backend.budget.solve, fmt::format("{}", value)}});
  return set;
}

/// Values to choose from, by index, the state growing with the index.
struct Candidates {
  i64 count;
  std::function<i64(i64)> value;
};

Candidates candidates(const BackendChoice& backend, const ModelChoice& model, i64 length) {
  if (backend.budget.solve == kHeads) {
    const i64 width = model.architecture.width;
    std::vector<i64> heads;
    for (i64 n = std::min<i64>(width / 2, 1024); n >= 1; --n) {
      if (width % n == 0 && width / n % 2 == 0) heads.push_back(n);
    }
    return {std::ssize(heads), [heads](i64 i) { return heads[static_cast<std::size_t>(i)]; }};
  }
  const Parameters parameters(backend.layers[0].type);
  const Range range = parameters.ranges.find(backend.budget.solve)->second;
  const i64 least = std::isfinite(range.min) ? static_cast<i64>(std::ceil(range.min)) : 1;
  const i64 most = std::isfinite(range.max) ? static_cast<i64>(std::floor(range.max)) : length;
  return {std::max(most, least) - least + 1, [least](i64 i) { return least + i; }};
}

/// The last index below `count` that fits when those that do stand before those that do not; -1
/// when none does. Doubling first, since values far beyond may be absurd.
i64 last_that_fits(i64 count, const std::function<bool(i64)>& fits) {
  i64 fitting = -1, failing = 0;
  while (failing < count && fits(failing)) {
    fitting = failing;
    failing = 2 * failing + 1;
  }
  failing = std::min(failing, count);
  while (failing - fitting > 1) {
    const i64 middle = fitting + (failing - fitting) / 2;
    (fits(middle) ? fitting : failing) = middle;
  }
  return fitting;
}

StateBudget solved_for(const ModelChoice& model, const BackendChoice& backend, i64 length) {
  const StateBudget& wanted = backend.budget;
  const Candidates choice = candidates(backend, model, length);
  const auto bytes = [&](i64 index) {
    const BackendChoice set = with_value(backend, choice.value(index));
    return model::state_bytes(architecture_of(model, set), make_backends(model, set), length);
  };
  if (choice.count == 0) {
    throw error("{}.solve: model '{}' has no heads of an even size; change its width",
                backend.where, model.name);
  }
  const i64 least = bytes(0);
  for (i64 i = 1, before = least; i < std::min<i64>(choice.count, 4096); i = 2 * i + 1) {
    const i64 now = bytes(i);
    if (now < before) {
      throw error(
          "{}.solve: the state of '{}' does not always grow with {}; solve for another "
          "parameter",
          backend.where, backend.name, wanted.solve);
    }
    before = now;
  }
  const i64 found = last_that_fits(choice.count, [&](i64 i) { return bytes(i) <= wanted.bytes; });
  if (found < 0) {
    throw error(
        "{}.state_bytes: {} bytes hold no state of model '{}' at {} tokens; with {}: {} it "
        "has {} bytes, the least",
        backend.where, wanted.bytes, model.name, length, wanted.solve, choice.value(0), least);
  }
  const i64 reached = bytes(found);
  if (found == choice.count - 1 && reached <= least) {
    throw error(
        "{}.solve: {} bytes of state for model '{}' whatever {} is; name a parameter that "
        "it grows with",
        backend.where, reached, model.name, wanted.solve);
  }
  return {wanted.bytes, wanted.solve, choice.value(found), reached, length};
}

/// The longest context that a task measures of the two, else the one trained on; 0 when neither is.
i64 longest_context(const Experiment& experiment, const ModelChoice& model,
                    const BackendChoice& backend) {
  i64 longest = 0;
  for (const TaskChoice& task : experiment.tasks) {
    if (task.model != model.name || !task.uses(backend)) continue;
    for (const i64 length : task.lengths) {
      if (backend.longest == 0 || length <= backend.longest) longest = std::max(longest, length);
    }
  }
  return longest == 0 && model.training ? model.training->length : longest;
}

}  // namespace

std::string wrong_budget(const BackendChoice& backend, bool given) {
  const StateBudget& budget = backend.budget;
  const bool heads = budget.solve == kHeads;
  if (!backend.weights_of.empty() && (heads || backend.heads > 0)) {
    return ".heads: those of weights_of; leave heads out here";
  }
  if (budget.solve.empty()) {
    return budget.bytes == 0 ? "" : ".state_bytes: needs solve: the parameter that is to fill them";
  }
  if (budget.bytes == 0) return ".solve: needs state_bytes, such as state_bytes: 64KiB";
  if (backend.stack != Stack::plain) {
    return ".solve: only for one backend, not for layers or pattern; give their parameters";
  }
  if (given || (heads && backend.heads > 0)) {
    return fmt::format(".solve: {} has a value already; leave that out", budget.solve);
  }
  if (heads || backend.layers.empty()) return "";
  const Parameters parameters(backend.layers[0].type);
  if (parameters.ranges.contains(budget.solve)) return "";
  std::vector<std::string> choices = parameters.integers;
  choices.emplace_back(kHeads);
  if (std::ranges::find(parameters.names, budget.solve) != parameters.names.end()) {
    return fmt::format(".solve: {} is no integer; solve for one of {}", budget.solve,
                       fmt::join(choices, ", "));
  }
  return fmt::format(".solve: unknown parameter '{}'{}", budget.solve,
                     suggestion(budget.solve, choices));
}

void solve_budget(const Experiment& experiment, BackendChoice& backend) {
  std::vector<std::string> answers;
  bool differ = false;
  StateBudget found = backend.budget;
  for (const ModelChoice& model : experiment.models) {
    const i64 length = longest_context(experiment, model, backend);
    if (length == 0 || !experiment.pairs(model, backend)) continue;
    const StateBudget one = solved_for(model, backend, length);
    differ |= !answers.empty() && one.value != found.value;
    if (one.reached >= found.reached) found = one;
    answers.push_back(fmt::format("{} = {} for '{}'", one.solve, one.value, model.name));
  }
  if (differ) {
    throw error(
        "{}.solve: models want different values: {}; give each an entry of its own and "
        "name that in its tasks' backends",
        backend.where, fmt::join(answers, ", "));
  }
  if (answers.empty()) return;
  backend = with_value(backend, found.value);
  backend.budget = found;
}

}  // namespace longreach::harness
