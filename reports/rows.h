// Rows to go through, as often as wanted, without all of them in memory at once.
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace longreach::reports {

/// Views what it is made of, which must outlive it.
template <class Row>
class Rows {
 public:
  using Use = std::function<void(const Row&)>;

  Rows() = default;
  Rows(const std::vector<Row>& rows)  // NOLINT: a list of rows is rows
      : each_([rows = std::span<const Row>(rows)](const Use& use) {
          for (const Row& row : rows) use(row);
        }) {}
  /// each(use) calls use(row) for every row, in the same order each time.
  explicit Rows(std::function<void(const Use&)> each) : each_(std::move(each)) {}

  /// What use() is given is valid until it returns.
  void each(const Use& use) const {
    if (each_) each_(use);
  }

 private:
  std::function<void(const Use&)> each_;
};

}  // namespace longreach::reports
