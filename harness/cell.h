// Runs one cell in this process: trains a model, or measures one.
#pragma once

#include <string>
#include <vector>

#include "harness/json_io.h"
#include "harness/plan.h"
#include "harness/training.h"

namespace longreach::harness {

/// Who a cell is: the columns known before it runs.
CellInfo cell_info(const Experiment&, const Cell&);

/// Where a train cell's weights are.
std::string weights_path(const std::string& output, const std::string& train_cell);

/// Where it leaves what it can go on from when cut off.
std::string checkpoint_path(const std::string& output, const std::string& train_cell);

/// Trains (writing the weights) or measures. Never throws for what goes wrong inside: the outcome's
/// status and reason say so; but Interrupted when `watch` stops a training. In all forward passes
/// that it made, the backends must have done what their cost() declares, else the status is
/// `invalid` and a training leaves no weights. `processes` train together, each calling this; the
/// first of them writes.
Outcome run_cell(const Experiment&, const Cell&, const std::string& output,
                 const TrainingWatch& watch,
                 model::Processes& processes = model::Processes::alone());

/// Holds the state of a stream of that capacity against the formula for its bytes, and what the
/// model's layers did so far against what they declare: "" when all agree, else what differs and
/// where.
std::string check_activity(const model::Transformer&, i64 capacity);

}  // namespace longreach::harness
