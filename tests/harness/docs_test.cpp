// What README.md and docs/ refer to.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> texts() {
  const fs::path root = LONGREACH_SOURCE_DIR;
  std::vector<fs::path> found{root / "README.md", root / "CONTRIBUTING.md"};
  for (const auto& entry : fs::recursive_directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") found.push_back(entry.path());
  }
  return found;
}

TEST_CASE("Every link of the documentation leads to a file that is there") {
  const std::regex link(R"(\]\(([^)#\s]+))");
  std::size_t links = 0;
  for (const fs::path& file : texts()) {
    std::ifstream in(file);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    for (std::sregex_iterator i(text.begin(), text.end(), link), end; i != end; ++i) {
      const std::string target = (*i)[1];
      if (target.find("://") != std::string::npos) continue;
      INFO(file << ": " << target);
      CHECK(fs::exists(file.parent_path() / target));
      ++links;
    }
  }
  CHECK(links > 30);
}

}  // namespace
