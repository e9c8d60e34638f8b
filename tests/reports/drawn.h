// The page as a browser draws it.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/reports/synthetic.h"

namespace longreach::reports {

/// The page's document once its script has run, and `script` after it.
inline std::string drawn(const Results& results,
                         const std::string& script = "drawAllCharts();" /* as if scrolled */) {
  if (std::system("command -v chromium >/dev/null") != 0) {
    FAIL("no chromium here to draw the page; run scripts/bootstrap");
  }
  std::string folder = (std::filesystem::temp_directory_path() / "longreach-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  std::string page = written("html", results);
  page.insert(page.rfind("</body>"), "<script>" + script + "</script>");
  std::ofstream(folder + "/page.html") << page;
  const std::string command =
      "chromium --headless --no-sandbox --disable-gpu --user-data-dir=" + folder + "/profile" +
      " --dump-dom file://" + folder + "/page.html >" + folder + "/dom 2>" + folder + "/log";
  CHECK(std::system(command.c_str()) == 0);
  std::ostringstream document;
  document << std::ifstream(folder + "/dom").rdbuf();
  std::filesystem::remove_all(folder);
  CHECK(document.str().find("</html>") != std::string::npos);
  return document.str();
}

}  // namespace longreach::reports
