// Bytes as an experiment: read, put together and checked, but for the data that it names.
#include <algorithm>
#include <iostream>

#include "datasets/utf8.h"
#include "harness/config_sections.h"
#include "tests/fuzz/target.h"

namespace {

using namespace longreach;
using namespace longreach::harness;

/// Ends the process as a crash does.
void require(bool holds, const std::string& why) {
  if (holds) return;
  std::cerr << "ERROR: " << why << '\n';
  std::abort();
}

/// Few lines of text, without control characters.
bool readable(const std::string& message) {
  const auto control = [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7F; };
  return datasets::valid_length(message) == message.size() &&
         std::ranges::count(message, '\n') <= 50 && std::ranges::none_of(message, control);
}

/// A cell's process reads what the run has stored, and must read the same.
void require_stable(const Experiment& first) {
  try {
    const Experiment again = read_experiment_text(first.edited, "edited.yaml", {}, Scope::no_data);
    require(again.edited == first.edited, "the stored configuration changes when it is read");
  } catch (const Error& failure) {
    require(false, std::string("the stored configuration is refused: ") + failure.what());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  fuzz::may_refuse(
      [&] { require_stable(read_experiment_text(text, "input.yaml", {}, Scope::no_data)); });
  require(!fuzz::refused || readable(fuzz::last_reason),
          "no message for people: " + fuzz::last_reason);
  return 0;
}
