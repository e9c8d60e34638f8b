// Processes that train one model together.
#include "model/processes.h"

#include <exception>

#include "core/error.h"

namespace longreach::model {

Processes& Processes::alone() {
  static Processes one;
  return one;
}

void Processes::together(const std::function<void()>& work) {
  std::exception_ptr failure;
  try {
    work();
  } catch (...) {
    failure = std::current_exception();
  }
  const double failed = total(failure ? 1.0 : 0.0);
  if (failure) std::rethrow_exception(failure);
  if (failed > 0) throw Error("another of the processes failed");
}

}  // namespace longreach::model
