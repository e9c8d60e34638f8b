// Runs a fuzz target on every file of the folders given: what stands in for libFuzzer under
// compilers that have none. Files that are not named hostile_* must be read: a reader that refuses
// everything would pass as safe.
#include <algorithm>
#include <iostream>
#include <iterator>
#include <vector>

#include "tests/fuzz/target.h"

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

int main(int count, char** arguments) {
  int inputs = 0, wrong = 0;
  for (int i = 1; i < count; ++i) {
    for (const std::filesystem::path& file : files_of(arguments[i])) {
      std::ifstream in(file, std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(in), {});
      std::cout << file.string() << std::endl;  // flushed, so that a crash is seen to be its own
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      ++inputs;
      const bool hostile = file.filename().string().starts_with("hostile_");
      if (!longreach::fuzz::refused || hostile) continue;
      ++wrong;
      std::cout << "was refused: " << longreach::fuzz::last_reason << '\n';
    }
  }
  std::cout << inputs << " inputs, " << wrong << " wrongly refused\n";
  return inputs > 0 && wrong == 0 ? 0 : 1;
}
