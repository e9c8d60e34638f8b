// The compressive memory's reads, writes and gradients against plain float64.
#include "attention/compressive_memory.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/random.h"

using namespace longreach;
using namespace longreach::attention;

namespace {

constexpr i64 kD = 5, kRows = 7;
using Numbers = std::vector<double>;

Numbers positive(i64 n, std::uint64_t seed) {
  Rng rng(seed);
  Numbers x(static_cast<std::size_t>(n));
  for (double& value : x) value = 0.1 + rng.uniform();
  return x;
}
Numbers normal(i64 n, std::uint64_t seed) {
  Rng rng(seed);
  Numbers x(static_cast<std::size_t>(n));
  for (double& value : x) value = rng.normal();
  return x;
}
Floats single(const Numbers& x) { return {x.begin(), x.end()}; }

/// sigma M / (sigma z), row by row.
Numbers retrieved(const Numbers& features, const Numbers& m, const Numbers& z) {
  Numbers out(features.size(), 0.0);
  for (i64 r = 0; r < kRows; ++r) {
    double c = 0;
    for (i64 i = 0; i < kD; ++i) c += features[r * kD + i] * z[i];
    for (i64 i = 0; i < kD; ++i) {
      for (i64 j = 0; j < kD; ++j) out[r * kD + j] += features[r * kD + i] * m[i * kD + j] / c;
    }
  }
  return out;
}

/// Equations (8) and (9), every row standing there `times` over.
void written(const Numbers& features, Numbers values, Update update, double times, Numbers& m,
             Numbers& z) {
  if (update == Update::delta) {
    const Numbers known = retrieved(features, m, z);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= known[i];
  }
  for (i64 r = 0; r < kRows; ++r) {
    for (i64 i = 0; i < kD; ++i) {
      z[i] += times * features[r * kD + i];
      for (i64 j = 0; j < kD; ++j) {
        m[i * kD + j] += times * features[r * kD + i] * values[r * kD + j];
      }
    }
  }
}

template <class Found>
void check_close(const Found& found, const Numbers& wanted, double tolerance) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    INFO("element " << i);
    CHECK(found[i] == Approx(wanted[i]).margin(tolerance));
  }
}

struct Fixture {
  Numbers features = positive(kRows * kD, 1), values = normal(kRows * kD, 2);
  Numbers m = normal(kD * kD, 3), z = positive(kD, 4);
};

}  // namespace

TEST_CASE("A read is sigma(Q) M over sigma(Q) z") {
  Fixture x;
  Floats features = single(x.features), m = single(x.m), z = single(x.z);
  const Retrieval read(features.data(), kRows, {m.data(), z.data(), kD, kD});
  check_close(read.values, retrieved(x.features, x.m, x.z), 1e-5);
}

TEST_CASE("A write adds equation (8), or (9) against the memory before the step") {
  const Update update = GENERATE(Update::linear, Update::delta);
  const float times = GENERATE(1.0F, 3.5F);
  Fixture x;
  Floats features = single(x.features), values = single(x.values), m = single(x.m), z = single(x.z);
  write(features.data(), values.data(), kRows, update, times, {m.data(), z.data(), kD, kD});
  written(x.features, x.values, update, times, x.m, x.z);
  check_close(m, x.m, 1e-5);
  check_close(z, x.z, 1e-5);
}

TEST_CASE("Writing three times over under the linear rule is writing three times") {
  Fixture x;
  Floats features = single(x.features), values = single(x.values);
  std::array<Floats, 2> m{single(x.m), single(x.m)}, z{single(x.z), single(x.z)};
  write(features.data(), values.data(), kRows, Update::linear, 3,
        {m[0].data(), z[0].data(), kD, kD});
  for (int i = 0; i < 3; ++i) {
    write(features.data(), values.data(), kRows, Update::linear, 1,
          {m[1].data(), z[1].data(), kD, kD});
  }
  check_close(m[0], Numbers(m[1].begin(), m[1].end()), 1e-5);
  check_close(z[0], Numbers(z[1].begin(), z[1].end()), 1e-5);
}

TEST_CASE("Under the delta rule half a binding stays half however often it is written at once") {
  // M = sigma^T v / 2 and z = sigma answer v / 2; n (v - v / 2) and n more sigma keep it there, as
  // (1/2 + n/2) / (1 + n) = 1/2. Unknown it is written whole: n / (1 + n) of v beside an equal z.
  const double share = GENERATE(0.5, 0.0);
  const float times = GENERATE(1.0F, 10.0F, 65536.0F);
  const Numbers key = positive(kD, 1), value = normal(kD, 2);
  Floats features = single(key), values = single(value), m(kD * kD), z = single(key);
  for (i64 i = 0; i < kD; ++i) {
    for (i64 j = 0; j < kD; ++j) m[i * kD + j] = static_cast<float>(share * key[i] * value[j]);
  }
  const Memory memory{m.data(), z.data(), kD, kD};
  write(features.data(), values.data(), 1, Update::delta, times, memory);
  const double n = times, wanted = share + (1 - 2 * share) * n / (1 + n);
  const Retrieval read(features.data(), 1, memory);
  for (i64 j = 0; j < kD; ++j) CHECK(read.values[j] == Approx(wanted * value[j]).epsilon(1e-5));
}

TEST_CASE("The delta rule writes an empty memory as the linear rule does") {
  Fixture x;
  Floats features = single(x.features), values = single(x.values);
  std::array<Floats, 2> m{Floats(kD * kD), Floats(kD * kD)}, z{Floats(kD), Floats(kD)};
  REQUIRE(Memory{m[0].data(), z[0].data(), kD, kD}.empty());
  write(features.data(), values.data(), kRows, Update::linear, 1,
        {m[0].data(), z[0].data(), kD, kD});
  write(features.data(), values.data(), kRows, Update::delta, 1,
        {m[1].data(), z[1].data(), kD, kD});
  CHECK(m[0] == m[1]);
  CHECK(z[0] == z[1]);
  CHECK_FALSE(Memory{m[0].data(), z[0].data(), kD, kD}.empty());
}

TEST_CASE("Gradients of a write meet central differences in every argument") {
  const Update update = GENERATE(Update::linear, Update::delta);
  const float times = GENERATE(1.0F, 3.5F);
  Fixture x;
  const Numbers cm = normal(kD * kD, 5), cz = normal(kD, 6);  // cotangents of M and z
  const auto loss = [&](const Fixture& at) {
    Numbers m = at.m, z = at.z;
    written(at.features, at.values, update, times, m, z);
    double sum = 0;
    for (std::size_t i = 0; i < m.size(); ++i) sum += m[i] * cm[i];
    for (std::size_t i = 0; i < z.size(); ++i) sum += z[i] * cz[i];
    return sum;
  };
  Floats features = single(x.features), values = single(x.values), m = single(x.m), z = single(x.z);
  Floats dm = single(cm), dz = single(cz), d_features(features.size()), d_values(values.size());
  write_backward(features.data(), values.data(), kRows, update, times, {m.data(), z.data(), kD, kD},
                 {dm.data(), dz.data(), kD, kD}, d_features.data(), d_values.data());
  const auto check_gradient = [&](Numbers Fixture::*argument, const Floats& found) {
    for (std::size_t i = 0; i < found.size(); ++i) {
      Fixture plus = x, minus = x;
      (plus.*argument)[i] += 1e-5;
      (minus.*argument)[i] -= 1e-5;
      INFO("element " << i);
      CHECK(found[i] == Approx((loss(plus) - loss(minus)) / 2e-5).margin(2e-4));
    }
  };
  check_gradient(&Fixture::features, d_features);
  check_gradient(&Fixture::values, d_values);
  check_gradient(&Fixture::m, dm);
  check_gradient(&Fixture::z, dz);
}
