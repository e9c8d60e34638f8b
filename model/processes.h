// Processes that train one model together.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "core/tensor.h"

namespace longreach::model {

/// What data-parallel training asks of its processes. Every call is made by all of them, in the
/// same order. This base is one process alone.
class Processes {
 public:
  static Processes& alone();

  Processes() = default;
  virtual ~Processes() = default;
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  virtual i64 rank() const { return 0; }
  virtual i64 size() const { return 1; }

  /// Replaces `values` by their sum over the processes, the same bits in each of them.
  virtual void sum(std::span<float>) {}
  virtual void sum(std::span<double>) {}
  /// The sum of a number of each.
  double total(double value) {
    sum(std::span(&value, 1));
    return value;
  }

  /// The first process's text, to all.
  virtual std::string from_first(std::string text) { return text; }

  /// Does `work`. What it throws in any process ends it in all: there it is thrown on, in the
  /// others it is an Error that says so.
  void together(const std::function<void()>& work);
};

}  // namespace longreach::model
