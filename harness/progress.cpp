// Progress on a stream.
#include "harness/progress.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/units.h"
#include "harness/training.h"

namespace longreach::harness {
namespace {

constexpr std::size_t kBarWidth = 24;
constexpr std::chrono::milliseconds kRedraw{100};

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

void Progress::begin(const std::string& cell) {
  cell_ = cell;
  drawn_ = {};
  share(0);
}

void Progress::share(double done) {
  if (!terminal_ || Clock::now() - drawn_ < kRedraw) return;
  drawn_ = Clock::now();
  draw(std::clamp(done, 0.0, 1.0));
}

void Progress::draw(double share) {
  const double all = static_cast<double>(std::max<std::size_t>(cells_, 1));
  const double done = (static_cast<double>(done_) + share) / all;
  const std::chrono::duration<double> spent = Clock::now() - start_;
  const auto filled = static_cast<std::size_t>(done * static_cast<double>(kBarWidth));
  const std::string left =
      done > 0 ? format_seconds(spent.count() * (1 - done) / done) + " left" : "";
  out_ << fmt::format("\r\x1b[K[{}{}] {}/{} {} {}", std::string(filled, '#'),
                      std::string(kBarWidth - filled, '.'), done_, cells_, left, cell_);
  if (share > 0) out_ << fmt::format(" {:.0f}%", 100 * share);
  out_.flush();
}

void Progress::wipe() {
  if (terminal_) out_ << "\r\x1b[K";
}

void Progress::words(std::string_view text) {
  wipe();
  out_ << text << std::flush;
}

void Progress::finish(const CellInfo& info) {
  ++done_;
  wipe();
  const auto status = EnumNames<Status>::names[static_cast<std::size_t>(info.status)];
  if (!terminal_ || info.status != Status::ok) {
    out_ << fmt::format("{}/{} {} {} {}{}{}\n", done_, cells_, status, cell_,
                        format_seconds(info.wall_s.value_or(0)), info.reason.empty() ? "" : ": ",
                        info.reason);
  }
  out_.flush();
}

}  // namespace longreach::harness
