// Tests of attention/inspection.h and the backends' inspect() and knock_outs(), against softmaxes
// and memories written out here and in tests/attention/naive.h.
#include "attention/inspection.h"

#include <algorithm>

#include "tests/attention/backends.h"
#include "tests/attention/naive.h"

namespace longreach::attention {
namespace {

using naive::Row;

const Observation& find(const std::vector<Observation>& all, const std::string& name) {
  const auto found = std::ranges::find(all, name, &Observation::name);
  INFO("no observation " << name);
  REQUIRE(found != all.end());
  return *found;
}

/// inspect() of the last tokens of a problem, from `begin` on.
std::vector<Observation> inspected(const Backend& backend, const Problem& problem, i64 begin) {
  State before = backend.initial_state(problem.batch, problem.tokens);
  if (begin > 0) {
    Tensor out({problem.batch, begin, backend.shape().query_heads, backend.shape().head_dim});
    backend.forward(problem.weights, problem.chunk(0, begin), before, out.view<4>(), nullptr);
  }
  return backend.inspect(problem.weights, problem.chunk(begin, problem.tokens - begin), before);
}

/// The heads of all streams in order, [B, Hq].
std::vector<naive::Head> heads_of(const Shape& shape, const Problem& problem) {
  std::vector<naive::Head> heads;
  const ReferenceProblem streams(problem);
  for (const ReferenceStream& stream : streams.streams) {
    naive::per_head(shape, stream, streams.weights, [&heads](const naive::Head& head) {
      heads.push_back(head);
      return head.q;
    });
  }
  return heads;
}

/// What one query makes of listed keys.
struct Softmax {
  double entropy = 0, distance = 0, sinks = 0;
  Softmax(const Row& q, const std::vector<Row>& keys, const std::vector<i64>& distances,
          const std::vector<bool>& are_sinks) {
    double total = 0;
    std::vector<double> e;
    for (const Row& key : keys) {
      e.push_back(std::exp(naive::dot(q, key) / std::sqrt(static_cast<double>(q.size()))));
      total += e.back();
    }
    for (std::size_t j = 0; j < e.size(); ++j) {
      entropy += e[j] / total * std::log(total / e[j]);
      distance += e[j] / total * static_cast<double>(distances[j]);
      if (are_sinks[j]) sinks += e[j] / total;
    }
  }
};

/// Holds the three numbers of a softmax against their means over tokens [begin, T).
void check_softmax(const std::vector<Observation>& found, const std::vector<naive::Head>& heads,
                   i64 begin, const std::function<Softmax(const naive::Head&, i64)>& expected) {
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const i64 end = std::ssize(heads[h].q);
    double entropy = 0, distance = 0, sinks = 0;
    for (i64 t = begin; t < end; ++t) {
      const Softmax one = expected(heads[h], t);
      entropy += one.entropy / static_cast<double>(end - begin);
      distance += one.distance / static_cast<double>(end - begin);
      sinks += one.sinks / static_cast<double>(end - begin);
    }
    CAPTURE(h);
    CHECK(find(found, "attention_entropy").values.at(h) == Approx(entropy).epsilon(1e-5));
    CHECK(find(found, "attended_distance").values.at(h) == Approx(distance).epsilon(1e-5));
    CHECK(find(found, "sink_mass").values.at(h) == Approx(sinks).epsilon(1e-5));
  }
}

double norm(const Row& row) { return std::sqrt(naive::dot(row, row)); }

/// M [D][D] after whole segments before `end`, by equations (8) and (9) without repeats.
std::vector<Row> memory_of(const naive::Head& in, i64 segment, bool delta, i64 end) {
  const std::size_t d = in.k[0].size();
  std::vector<Row> m(d, Row(d, 0.0));
  Row z(d, 0.0);
  for (i64 begin = 0; begin + segment <= end; begin += segment) {
    const std::vector<Row> m_before = m;
    const Row z_before = z;
    for (i64 t = begin; t < begin + segment; ++t) {
      const Row p = naive::phi(in.k[static_cast<std::size_t>(t)]);
      for (std::size_t j = 0; j < d; ++j) {
        double u = in.v[static_cast<std::size_t>(t)][j];
        if (delta && begin > 0) {
          for (std::size_t i = 0; i < d; ++i) {
            u -= p[i] * m_before[i][j] / naive::dot(p, z_before);
          }
        }
        for (std::size_t i = 0; i < d; ++i) m[i][j] += p[i] * u;
      }
      for (std::size_t i = 0; i < d; ++i) z[i] += p[i];
    }
  }
  return m;
}

}  // namespace

TEST_CASE("Full attention tells the entropy, distance and sink mass of its softmax") {
  const i64 begin = GENERATE(0, 20, 36);
  for (const Shape& shape : {Shape{4, 2, 8}, Shape{3, 3, 4}}) {
    CAPTURE(shape.query_heads, begin);
    const auto backend = make_backend("full", {}, shape);
    const Problem problem(*backend, 2, 37, Rng(11));
    check_softmax(
        inspected(*backend, problem, begin), heads_of(shape, problem), begin,
        [](const naive::Head& head, i64 t) {
          std::vector<Row> keys;
          std::vector<i64> distances;
          std::vector<bool> sinks;
          for (i64 j = 0; j <= t; ++j) {
            keys.push_back(naive::rotate(head.k[static_cast<std::size_t>(j)], j, naive::Rope{}));
            distances.push_back(t - j);
            sinks.push_back(j < 4);
          }
          return Softmax(naive::rotate(head.q[static_cast<std::size_t>(t)], t, naive::Rope{}), keys,
                         distances, sinks);
        });
  }
}

TEST_CASE("Equal keys are attended evenly: ln of their number, half of them back") {
  const auto backend = make_backend("full", {{"rope", "none"}}, {1, 1, 2});
  Problem problem(*backend, 1, 10, Rng(2));
  set_all(problem.k, 0.5F);
  const auto found = inspected(*backend, problem, 9);  // one query, ten keys
  CHECK(find(found, "attention_entropy").values[0] == Approx(std::log(10.0)));
  CHECK(find(found, "attended_distance").values[0] == Approx(4.5));
  CHECK(find(found, "sink_mass").values[0] == Approx(0.4));
}

TEST_CASE("A window tells of the keys it sees, its own sinks among them") {
  const i64 window = GENERATE(1, 7, 64), sinks = GENERATE(0, 2, 6), begin = GENERATE(0, 18);
  const bool cache = GENERATE(false, true);
  CAPTURE(window, sinks, cache, begin);
  const Shape shape{4, 2, 8};
  const auto backend = make_backend("sliding_window",
                                    {{"window", std::to_string(window)},
                                     {"sinks", std::to_string(sinks)},
                                     {"positions", cache ? "cache" : "absolute"}},
                                    shape);
  const Problem problem(*backend, 2, 23, Rng(12));
  check_softmax(
      inspected(*backend, problem, begin), heads_of(shape, problem), begin,
      [&](const naive::Head& head, i64 t) {
        std::vector<i64> held;
        for (i64 j = 0; j <= t; ++j) {
          if (j < sinks || j > t - window) held.push_back(j);
        }
        std::vector<Row> keys;
        std::vector<i64> distances;
        std::vector<bool> are_sinks;
        for (std::size_t place = 0; place < held.size(); ++place) {
          const i64 j = held[place];
          keys.push_back(naive::rotate(head.k[static_cast<std::size_t>(j)],
                                       cache ? static_cast<i64>(place) : j, naive::Rope{}));
          distances.push_back(t - j);
          are_sinks.push_back(j < std::max<i64>(4, sinks));
        }
        return Softmax(naive::rotate(head.q[static_cast<std::size_t>(t)],
                                     cache ? std::ssize(held) - 1 : t, naive::Rope{}),
                       keys, distances, are_sinks);
      });
}

TEST_CASE("Infini tells of its local softmax, its gate, its memory and that one's share") {
  const i64 segment = GENERATE(1, 5, 64), begin = GENERATE(0, 3, 11);
  const bool delta = GENERATE(false, true), bypass = GENERATE(false, true);
  CAPTURE(segment, begin, delta, bypass);
  const Shape shape{4, 2, 8};
  const auto backend = make_backend("infini",
                                    {{"segment", std::to_string(segment)},
                                     {"update", delta ? "delta" : "linear"},
                                     {"first_segment", bypass ? "bypass" : "gate"}},
                                    shape);
  const Problem problem(*backend, 2, 18, Rng(13));
  const std::vector<naive::Head> heads = heads_of(shape, problem);
  const auto found = inspected(*backend, problem, begin);
  check_softmax(found, heads, begin, [&](const naive::Head& head, i64 t) {
    std::vector<Row> keys;
    std::vector<i64> distances;
    std::vector<bool> sinks;
    const i64 start = t / segment * segment;
    for (i64 j = start; j <= t; ++j) {
      keys.push_back(naive::rotate(head.k[static_cast<std::size_t>(j)], j, naive::Rope{}));
      distances.push_back(t - j);
      sinks.push_back(j - start < 4);
    }
    return Softmax(naive::rotate(head.q[static_cast<std::size_t>(t)], t, naive::Rope{}), keys,
                   distances, sinks);
  });
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const naive::Head& head = heads[h];
    const double gate = 1 / (1 + std::exp(-head.gate));
    CHECK(find(found, "gate").values.at(h) == Approx(gate).epsilon(1e-6));
    // The local part is what a gate shut leaves, the memory's what is read from whole segments.
    naive::Head shut = head;
    shut.gate = -1000;
    const std::vector<Row> local = naive::infini(shut, {segment, delta, bypass, naive::Rope{}});
    double share = 0;
    for (i64 t = begin; t < 18; ++t) {
      const i64 start = t / segment * segment;
      if (start == 0) continue;
      const Row& q = head.q[static_cast<std::size_t>(t)];
      const Row read = delta ? naive::read_delta(head, q, start, segment)
                             : naive::read_linear(head, q, start, segment);
      const double memory = gate * norm(read);
      const double own = (1 - gate) * norm(local[static_cast<std::size_t>(t)]);
      share += memory / (memory + own) / static_cast<double>(18 - begin);
    }
    CHECK(find(found, "memory_share").values.at(h) == Approx(share).epsilon(1e-4).margin(1e-12));
    if (h % 2 != 0) continue;  // two query heads to a key/value head
    const std::vector<Row> m = memory_of(head, segment, delta, begin);
    double squares = 0, fourths = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      squares += naive::dot(m[i], m[i]);
      for (std::size_t j = 0; j < 8; ++j) {
        const double g = naive::dot(m[i], m[j]);  // M M^T has the same singular values
        fourths += g * g;
      }
    }
    CHECK(find(found, "memory_norm").values.at(h / 2) ==
          Approx(std::sqrt(squares)).epsilon(1e-4).margin(1e-12));
    CHECK(find(found, "memory_rank").values.at(h / 2) ==
          Approx(fourths > 0 ? squares * squares / fourths : 0).epsilon(1e-4).margin(1e-12));
  }
  CHECK(find(found, "memory_rank").of_kv_heads);
  CHECK_FALSE(find(found, "gate").of_kv_heads);
}

TEST_CASE("The rank of a memory is 1 for multiples of a row and D where all directions are equal") {
  Tensor memories({1, 4, 3, 2});
  const View<float, 4> m = memories.view<4>();
  for (i64 row = 0; row < 3; ++row) {
    m(0, 0, row, 0) = static_cast<float>(row + 1);
    m(0, 0, row, 1) = static_cast<float>(-2 * (row + 1));
  }
  m(0, 1, 0, 1) = m(0, 1, 2, 0) = 7;
  m(0, 2, 0, 0) = 3, m(0, 2, 1, 1) = 4;  // singular values 3 and 4; the last memory is empty
  const auto found = memory_observations(memories.view<4>());
  const std::vector<double>& rank = find(found, "memory_rank").values;
  CHECK(rank.at(0) == Approx(1));
  CHECK(rank.at(1) == Approx(2));
  CHECK(rank.at(2) == Approx(25.0 * 25 / (81 + 256)));
  CHECK(rank.at(3) == 0);
  const std::vector<double>& norms = find(found, "memory_norm").values;
  CHECK(norms.at(0) == Approx(std::sqrt(14.0 * 5)));
  CHECK(norms.at(2) == Approx(5));
  CHECK(norms.at(3) == 0);
}

TEST_CASE("What is told of a chunk is the mean of what is told of its parts") {
  for (const char* type : {"full", "sliding_window", "infini"}) {
    const tests::Settings fields =
        std::string(type) == "infini" ? tests::Settings{{"segment", "4"}} : tests::Settings{};
    const auto backend = make_backend(type, fields, {4, 2, 8});
    const Problem problem(*backend, 1, 14, Rng(15));
    const auto whole = inspected(*backend, problem, 0);
    State state = backend->initial_state(1, 14);
    std::vector<std::vector<Observation>> parts;
    Tensor out({1, 7, 4, 8});
    for (const i64 begin : {0, 7}) {
      parts.push_back(backend->inspect(problem.weights, problem.chunk(begin, 7), state));
      backend->forward(problem.weights, problem.chunk(begin, 7), state, out.view<4>(), nullptr);
    }
    for (const Observation& one : whole) {
      if (one.of_kv_heads) continue;  // the memory is that before the chunk
      CAPTURE(type, one.name);
      for (std::size_t h = 0; h < 4; ++h) {
        CHECK(one.values[h] ==
              Approx((find(parts[0], one.name).values[h] + find(parts[1], one.name).values[h]) / 2)
                  .epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("Every backend tells finite numbers of all its heads, and the same list from the start") {
  for (const auto& [type, entry] : AttentionRegistry::instance().entries()) {
    CAPTURE(type);
    const auto backend = make_backend(type, {}, {4, 2, 8});
    const Problem problem(*backend, 2, 150, Rng(16));
    const auto first = inspected(*backend, problem, 0), last = inspected(*backend, problem, 140);
    REQUIRE(first.size() == last.size());
    for (std::size_t i = 0; i < last.size(); ++i) {
      CAPTURE(last[i].name);
      CHECK(first[i].name == last[i].name);
      CHECK(last[i].values.size() == (last[i].of_kv_heads ? 4U : 8U));
      CHECK(std::ranges::all_of(last[i].values, [](double x) { return std::isfinite(x); }));
    }
    for (const KnockOut& out : backend->knock_outs(problem.weights)) {
      CAPTURE(out.part);
      CHECK((out.backend != nullptr || out.weights.size() == problem.weights.size()));
      CHECK((out.weights.empty() || out.weights != problem.weights));
    }
  }
}

TEST_CASE("Infini without its memory is its local part, and without that the memory alone") {
  const Shape shape{4, 2, 8};
  const auto backend = make_backend("infini", {{"segment", "5"}}, shape);
  Problem problem(*backend, 2, 18, Rng(17));
  const std::vector<KnockOut> parts = backend->knock_outs(problem.weights);
  REQUIRE(parts.size() == 2);
  const auto expected = [&](bool memory) {
    return naive::outputs(shape, problem, [&](const naive::Head& head) {
      naive::Head forced = head;
      forced.gate = memory ? 1000 : -1000;
      return naive::infini(forced, {5, false, false, naive::Rope{}});
    });
  };
  const std::vector<double> local = expected(false), memory = expected(true);
  CHECK(parts[0].part == "memory");
  problem.weights = parts[0].weights;
  CHECK(relative_error(outputs(*backend, problem).flat(), std::span<const double>(local)) < 1e-5);
  CHECK(find(inspected(*backend, problem, 3), "memory_share").values[0] == 0);
  CHECK(parts[1].part == "local");
  problem.weights = parts[1].weights;
  CHECK(relative_error(outputs(*backend, problem).flat(), std::span<const double>(memory)) < 1e-5);
  CHECK(find(inspected(*backend, problem, 5), "memory_share").values[0] == Approx(1));
}

TEST_CASE("A window without its sinks is the window alone, and one that has none loses nothing") {
  const Shape shape{4, 2, 8};
  const tests::Settings settings{{"window", "6"}, {"positions", "cache"}};
  tests::Settings with_sinks = settings;
  with_sinks["sinks"] = "3";
  const auto backend = make_backend("sliding_window", with_sinks, shape);
  const auto plain = make_backend("sliding_window", settings, shape);
  const Problem problem(*backend, 1, 20, Rng(18));
  const std::vector<KnockOut> parts = backend->knock_outs({});
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].part == "sinks");
  REQUIRE(parts[0].backend != nullptr);
  const Tensor without = outputs(*parts[0].backend, problem), window = outputs(*plain, problem);
  CHECK(bits_differing(without, window) == 0);
  CHECK(bits_differing(outputs(*backend, problem), window) > 0);
  CHECK(plain->knock_outs({}).empty());
}

}  // namespace longreach::attention
