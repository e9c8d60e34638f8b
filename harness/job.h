// What the process of one cell is told: the cell, and as much of the checked experiment as it
// needs. Reading, checking and planning the whole experiment again in each process would cost more
// than many a cell does.
#pragma once

#include <string>

#include "harness/config.h"
#include "harness/plan.h"

namespace longreach::harness {

struct Job {
  Experiment experiment;  ///< the cell's model and task alone, its backend and those it leans on
  Cell cell;              ///< its indices are into that experiment
};

/// One line of JSON.
std::string job_text(const Experiment&, const Cell&);

/// The cell is planned again from what was read, and must come out under the same id: whatever a
/// result depends on has arrived as it was sent. Content is not read again: datasets are held
/// against their hashes when the cell makes them, an import's files against inode, size and time of
/// change, and hashed anew when these differ. Throws Error when the id differs, or for
/// text that is no job.
Job read_job(const std::string& text);

}  // namespace longreach::harness
