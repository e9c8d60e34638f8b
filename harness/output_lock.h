// One run at a time in an output folder.
#pragma once

#include <string>

namespace longreach::harness {

/// Holds an output folder against a second run at the same time, until destroyed or the process
/// ends, however it ends. Makes the folder. Throws Error when another run holds it, saying which,
/// when its file system has no locks, or when it cannot be written.
class OutputLock {
 public:
  explicit OutputLock(const std::string& output);
  ~OutputLock();
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

 private:
  int fd_ = -1;
};

/// What to say of a folder whose lock could not be had for this errno; `holder` is what the one who
/// holds it wrote into it.
std::string lock_refusal(const std::string& output, int reason, const std::string& holder);

}  // namespace longreach::harness
