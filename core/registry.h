// A registry per contract: a backend, dataset, metric or report registers from its own file.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/fields.h"
#include "core/plugin.h"

namespace longreach {

/// Makes `Interface` objects by name; `Args` is what the caller adds to the parameters.
template <class Interface, class... Args>
class Registry {
 public:
  struct Entry {
    std::string summary;
    /// Reads the parameters with `reader`, then constructs.
    std::function<std::unique_ptr<Interface>(Fields& reader, Args...)> make;
    /// Visits a struct of default parameters.
    std::function<void(Fields& visitor)> visit_defaults;
    /// SHA-256 of the shared library it came from; "" when built in.
    std::string plugin = {};
  };

  /// Defined once, in the interface's .cpp file.
  static Registry& instance();

  /// Throws Error naming the nearest registered names.
  const Entry& find(std::string_view name) const {
    const auto found = entries_.find(std::string(name));
    if (found != entries_.end()) return found->second;
    throw error("unknown name '{}'{}", name, suggestion(name, names()));
  }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, entry] : entries_) out.push_back(name);
    return out;
  }

  /// Runs before main or inside dlopen, so never throws: a clash waits in problems().
  void add(std::string name, Entry entry) noexcept {
    entry.plugin = plugin_;
    if (!entries_.emplace(name, std::move(entry)).second) {
      problems_.push_back(fmt::format("'{}' is registered twice", name));
    }
  }
  const std::vector<std::string>& problems() const { return problems_; }

  /// What is added from now on comes from the plugin of that SHA-256.
  void set_plugin(std::string sha) { plugin_ = std::move(sha); }

 private:
  std::map<std::string, Entry> entries_;
  std::vector<std::string> problems_;
  std::string plugin_;
};

/// `const Registered<AttentionRegistry, Infini> registered{"infini", "one line"};` in a .cpp file
/// is all it takes. Type needs `struct Params { void fields(Fields&); }` and Type(Params, Args...).
template <class Registry, class Type>
struct Registered;

template <class Interface, class... Args, class Type>
struct Registered<Registry<Interface, Args...>, Type> {
  Registered(std::string name, std::string summary) {
    using Params = typename Type::Params;
    Registry<Interface, Args...>::instance().add(
        std::move(name), {std::move(summary),
                          [](Fields& reader, Args... args) -> std::unique_ptr<Interface> {
                            Params params;
                            params.fields(reader);
                            return std::make_unique<Type>(params, args...);
                          },
                          [](Fields& visitor) {
                            Params params;
                            params.fields(visitor);
                          }});
  }
};

}  // namespace longreach
