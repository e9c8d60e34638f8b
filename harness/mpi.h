// Processes that mpirun started.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "model/processes.h"

namespace longreach::harness {

/// Processes that were started together, and messages between two of them. This base is one alone,
/// to which nobody speaks.
class Ranks : public model::Processes {
 public:
  struct Message {
    i64 from = 0;
    std::string text;
  };
  /// Number of the host that a process is on.
  virtual i64 host(i64 /*rank*/) const { return 0; }
  /// Cores for this process: those it may use, divided among the processes that may use the same.
  virtual i64 cores() const { return 0; }

  /// Returns when `text` may be changed, which for long ones is when it was received.
  virtual void send(i64 /*rank*/, const std::string& /*text*/) {}
  /// The next message, if one has come.
  virtual std::optional<Message> receive() { return std::nullopt; }
};

/// Those that mpirun (or srun) started together with this one; this one alone when none did. Call
/// it once, and destroy the result before the program ends. Throws Error when this build has no MPI
/// (LONGREACH_MPI) and there are others.
std::unique_ptr<Ranks> join_processes();

}  // namespace longreach::harness
