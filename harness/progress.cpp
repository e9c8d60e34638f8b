// Progress on a stream.
#include "harness/progress.h"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/units.h"
#include "harness/training.h"

namespace longreach::harness {
namespace {

constexpr std::chrono::milliseconds kRedraw{200};
/// So many predicted seconds weigh as much as those measured so far.
constexpr double kTrust = 10;
/// What a cell that does not tell comes to at most before it ends.
constexpr double kAlmost = 0.95;

std::string_view name_of(Status status) {
  return EnumNames<Status>::names[static_cast<std::size_t>(status)];
}

/// "12s", "3m20s", "1h02m": nothing that flickers.
std::string clock_text(double seconds) {
  return seconds < 59.5 ? fmt::format("{:.0f}s", seconds) : format_seconds(std::round(seconds));
}

std::string cells_text(std::size_t count) {
  return fmt::format("{} {}", count, count == 1 ? "cell" : "cells");
}

}  // namespace

std::string step_text(const StepLine& line) {
  const model::StepReport& r = line.report;
  const i64 left = std::llround(line.left);
  return fmt::format(
      "step {}/{}  loss {:.4f}  lr {:.3g}  norm {:.3g}  {:.0f} tokens/s  mfu {:.3f}  left "
      "{}m{:02}s",
      r.step + 1, line.steps, r.loss, r.lr, r.gradient_norm, line.tokens_per_second, line.mfu,
      left / 60, left % 60);
}

void Progress::start(std::vector<double> seconds, std::size_t to_run, std::size_t before,
                     std::size_t workers) {
  work_ = std::move(seconds);
  to_run_ = to_run;
  workers_ = std::max<std::size_t>(workers, 1);
  predicted_ = std::accumulate(work_.begin(), work_.end(), 0.0) > 0;
  if (!predicted_) work_.assign(work_.size(), 1);
  const auto end = work_.begin() + static_cast<std::ptrdiff_t>(std::min(to_run, work_.size()));
  all_work_ = left_work_ = std::accumulate(work_.begin(), end, 0.0);
  std::string text = "nothing to run";
  if (to_run_ > 0) text = cells_text(to_run_) + " to run";
  if (to_run_ > 0 && predicted_) {
    const double about = all_work_ / static_cast<double>(workers_);
    text += ", about " + (about < 1 ? format_seconds(about) : clock_text(about));
  }
  if (before > 0) text += fmt::format("; {} finished before", cells_text(before));
  clear();
  out_ << "longreach: " << text << std::endl;
  started_ = to_run_ > 0;
  start_ = Clock::now();
}

void Progress::begin(std::size_t cell, const std::string& label) {
  running_[cell] = {printable(label), Clock::now(), {}};
  last_drawn_ = {};
  tick();
}

void Progress::share(double done) {
  if (running_.size() != 1) return;
  running_.begin()->second.told = std::clamp(done, 0.0, 1.0);
  tick();
}

void Progress::words(std::string_view text) {
  if (text.empty()) return;
  clear();
  out_ << (screen_.redraws ? printable(text, "\n\t") : text) << std::flush;
  mid_line_ = text.back() != '\n';
}

void Progress::finish(std::size_t cell, const std::string& label, const CellInfo& info) {
  ++finished_;
  ++ended_[info.status];
  left_work_ -= work_.at(cell);
  if (info.status == Status::ok) {
    told_work_ += work_[cell];
    if (running_.contains(cell)) told_spent_ += spent(running_.at(cell));
  } else {
    all_work_ -= work_[cell];  // nobody knows how much of it was done
  }
  running_.erase(cell);
  if (verbose_ || info.status != Status::ok) {
    clear();
    out_ << fmt::format("{}/{} {} {} {}{}{}\n", finished_, to_run_, coloured(info.status),
                        printable(label), format_seconds(info.wall_s.value_or(0)),
                        info.reason.empty() ? "" : ": ", printable(info.reason))
         << std::flush;
  }
  last_drawn_ = {};
  tick();
}

void Progress::tick() {
  if (!screen_.redraws || !started_ || Clock::now() - last_drawn_ < kRedraw) return;
  const std::size_t columns = screen_.columns();
  if (mid_line_) out_ << '\n';  // what others wrote is not ours to clear
  mid_line_ = false;
  // The last column stays free: some terminals wrap as soon as it is written.
  out_ << kClearLine << bar(std::max<std::size_t>(columns, 2) - 1) << std::flush;
  drawn_ = true;
  last_drawn_ = Clock::now();
}

void Progress::clear() {
  if (drawn_) out_ << kClearLine << std::flush;
  drawn_ = false;
  last_drawn_ = {};
}

void Progress::end() {
  clear();
  if (!std::exchange(started_, false)) return;
  std::vector<std::string> counts;
  for (const auto& [status, count] : ended_) {
    counts.push_back(fmt::format("{} {}", count, name_of(status)));
  }
  const std::chrono::duration<double> took = Clock::now() - start_;
  out_ << fmt::format("longreach: {} of {} in {}{}{}\n", finished_, cells_text(to_run_),
                      clock_text(took.count()), counts.empty() ? "" : ": ", fmt::join(counts, ", "))
       << std::flush;
}

double Progress::spent(const Running& cell) const {
  return std::chrono::duration<double>(Clock::now() - cell.begun).count();
}

/// Seconds a predicted second takes, as measured so far; before much is, the prediction counts.
double Progress::pace() const {
  double work = told_work_, time = told_spent_;
  for (const auto& [cell, running] : running_) {
    if (!running.told) continue;
    work += *running.told * work_[cell];
    time += spent(running);
  }
  const double trust = predicted_ ? kTrust : 0;
  return work + trust > 0 ? (time + trust) / (work + trust) : 0;
}

/// Work that is done of a cell: as it tells, else as much as the time it has had would do.
double Progress::done(std::size_t cell, const Running& running, double pace) const {
  if (running.told) return *running.told * work_[cell];
  return pace > 0 ? std::min(spent(running) / pace, kAlmost * work_[cell]) : 0;
}

std::string Progress::bar(std::size_t columns) const {
  const double rate = pace();
  double left = left_work_;
  for (const auto& [cell, running] : running_) left -= done(cell, running, rate);
  const double share =
      all_work_ > 0 ? std::clamp(1 - std::max(left, 0.0) / all_work_, 0.0, 1.0) : 1;
  std::string text;
  if (columns >= 50) {
    const std::size_t width = std::min<std::size_t>(columns / 6, 24);
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
    text = fmt::format("[{}{}] ", std::string(filled, '#'), std::string(width - filled, '.'));
  }
  const std::chrono::duration<double> elapsed = Clock::now() - start_;
  text += fmt::format("{}/{} {:.0f}% {}", finished_, to_run_, std::floor(100 * share),
                      clock_text(elapsed.count()));
  if (rate > 0) {
    text += fmt::format(", {} left",
                        clock_text(std::max(left, 0.0) * rate / static_cast<double>(workers_)));
  }
  const std::size_t width = display_width(text);
  if (width + 2 < columns) text += " " + current(columns - width - 1);
  return cut_to(text, columns);
}

/// What runs: its name as far as it fits, and how far it is.
std::string Progress::current(std::size_t columns) const {
  if (running_.empty()) return "";
  const Running& first = running_.begin()->second;
  std::string suffix = first.told ? fmt::format(" {:.0f}%", std::floor(100 * *first.told))
                                  : " " + clock_text(spent(first));
  if (running_.size() > 1) suffix += fmt::format(" and {} more", running_.size() - 1);
  const std::size_t taken = display_width(suffix);
  if (taken + 8 > columns) return cut_to(first.label, columns);
  return cut_to(first.label, columns - taken) + suffix;
}

std::string Progress::coloured(Status status) const {
  const std::string name(name_of(status));
  if (!screen_.colours) return name;
  const int colour = status == Status::ok ? 32 : status == Status::skipped ? 33 : 31;
  return fmt::format("\x1b[{}m{}\x1b[0m", colour, name);
}

}  // namespace longreach::harness
