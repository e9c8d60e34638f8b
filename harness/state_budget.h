// Backends at equal state: the parameter value that fills a budget of bytes.
#pragma once

#include <string>

#include "harness/config.h"

namespace longreach::harness {

/// What is wrong with the keys heads, state_bytes and solve of a backend as read, to be put right
/// after its place (".solve: needs ..."); "" when nothing is. `given`: its parameters hold a value
/// for the one to solve for.
std::string wrong_budget(const BackendChoice&, bool given);

/// Gives the parameter that `budget.solve` names the largest value in its range, for heads the
/// fewest, with which the state of one stream stays within the budget, and tells it in `budget`.
/// The state is that of all layers at the longest context that a task measures of this backend (its
/// training length when no task does), and is taken never to fall as the parameter grows. Without a
/// largest value of its own, a parameter goes up to that context length. Leaves the backend as it
/// is when no model is used with it. Throws Error, starting with the place, when nothing fits, when
/// the state does not depend on the parameter, or when models want different values.
void solve_budget(const Experiment&, BackendChoice&);

}  // namespace longreach::harness
