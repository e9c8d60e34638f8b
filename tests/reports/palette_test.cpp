// The series' colours, as colour-blind readers see them.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <vector>

namespace longreach::reports {
namespace {

using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;

/// Linear RGB of "#rrggbb".
Vector linear(const std::string& hex) {
  Vector rgb{};
  for (std::size_t i = 0; i < 3; ++i) {
    const double c = std::stoi(hex.substr(1 + 2 * i, 2), nullptr, 16) / 255.0;
    rgb[i] = c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  }
  return rgb;
}

Vector times(const Matrix& m, const Vector& v) {
  Vector out{};
  for (std::size_t r = 0; r < 3; ++r) out[r] = m[r][0] * v[0] + m[r][1] * v[1] + m[r][2] * v[2];
  return out;
}

/// CIE 1976 L*a*b* under D65.
Vector lab(Vector rgb) {
  for (double& c : rgb) c = std::clamp(c, 0.0, 1.0);
  const Matrix to_xyz{{{0.4124564, 0.3575761, 0.1804375},
                       {0.2126729, 0.7151522, 0.0721750},
                       {0.0193339, 0.1191920, 0.9503041}}};
  const Vector white{0.95047, 1, 1.08883};
  Vector f = times(to_xyz, rgb);
  for (std::size_t i = 0; i < 3; ++i) {
    const double t = f[i] / white[i], edge = 6.0 / 29;
    f[i] = t > edge * edge * edge ? std::cbrt(t) : t / (3 * edge * edge) + 4.0 / 29;
  }
  return {116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])};
}

double distance(const Vector& a, const Vector& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/// Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB.
const std::map<std::string, Matrix> kSights{{"all cones", {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}},
                                            {"protanopia",
                                             {{{0.152286, 1.052583, -0.204868},
                                               {0.114503, 0.786281, 0.099216},
                                               {-0.003882, -0.048116, 1.051998}}}},
                                            {"deuteranopia",
                                             {{{0.367322, 0.860646, -0.227968},
                                               {0.280085, 0.672501, 0.047413},
                                               {-0.011820, 0.042940, 0.968881}}}}};
/// A just noticeable difference is 2.3 (Mahy et al. 1994); thin lines want several.
const std::map<std::string, double> kLeast{
    {"all cones", 20}, {"protanopia", 14}, {"deuteranopia", 14}};

struct Theme {
  std::string panel;
  std::vector<std::string> series;
};

/// The themes of page.css in their order: light, dark by choice, dark by the system's.
std::vector<Theme> themes() {
  std::ostringstream text;
  text << std::ifstream(std::string(LONGREACH_SOURCE_DIR) + "/reports/html/page.css").rdbuf();
  const std::string css = text.str();
  std::vector<Theme> found;
  const std::regex colour("--(panel|series-[0-9]+): (#[0-9a-f]{6})");
  for (std::sregex_iterator at(css.begin(), css.end(), colour), end; at != end; ++at) {
    if ((*at)[1] == "panel") {
      found.push_back({(*at)[2], {}});
    } else {
      found.back().series.push_back((*at)[2]);
    }
  }
  return found;
}

double luminance(const std::string& hex) {
  const Vector rgb = linear(hex);
  return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
}

TEST_CASE("Distances of colours are those of known values") {
  CHECK(lab(linear("#ffffff"))[0] == Approx(100).margin(0.01));
  const Vector red = lab(linear("#ff0000"));  // Lindbloom's calculator, D65
  CHECK(red[0] == Approx(53.24).margin(0.01));
  CHECK(red[1] == Approx(80.09).margin(0.02));
  CHECK(red[2] == Approx(67.20).margin(0.02));
}

TEST_CASE("Each two series' colours differ for readers with protanopia and deuteranopia too") {
  const std::vector<Theme> all = themes();
  REQUIRE(all.size() == 3);
  CHECK(all[1].series == all[2].series);
  for (const Theme& theme : all) {
    REQUIRE(theme.series.size() == 7);
    for (const auto& [sight, matrix] : kSights) {
      for (std::size_t i = 0; i < 7; ++i) {
        for (std::size_t k = 0; k < i; ++k) {
          INFO(sight << ": " << theme.series[i] << " and " << theme.series[k]);
          CHECK(distance(lab(times(matrix, linear(theme.series[i]))),
                         lab(times(matrix, linear(theme.series[k])))) >= kLeast.at(sight));
        }
      }
    }
  }
}

TEST_CASE("Every series' colour stands out from its ground by 3 to 1") {  // WCAG 2.2, 1.4.11
  for (const Theme& theme : themes()) {
    for (const std::string& colour : theme.series) {
      const double a = luminance(colour) + 0.05, b = luminance(theme.panel) + 0.05;
      INFO(colour << " on " << theme.panel);
      CHECK(std::max(a, b) / std::min(a, b) >= 3);
    }
  }
}

}  // namespace
}  // namespace longreach::reports
