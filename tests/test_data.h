// Real models and texts, which are too large or not ours to keep in the repository.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace longreach::tests {

/// The path of a file in the folder that LONGREACH_TEST_DATA names, else in ../shared/data beside
/// the sources. Where there is none, none, and CTest counts the test as skipped:
/// `const auto path = test_data("tok512.bin"); if (!path) return;`.
inline std::optional<std::string> test_data(const std::string& name) {
  const char* given = std::getenv("LONGREACH_TEST_DATA");
  const std::filesystem::path folder =
      given != nullptr ? given : LONGREACH_SOURCE_DIR "/../shared/data";
  const std::filesystem::path path = folder / name;
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return path.string();
  WARN("TEST SKIPPED: no " << path.string() << "; LONGREACH_TEST_DATA can name another folder");
  return std::nullopt;
}

}  // namespace longreach::tests
