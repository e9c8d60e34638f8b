// Tests of harness/attend.h: files in, files out, and what is said about bad ones.
#include "harness/attend.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <random>

#include "core/error.h"
#include "core/random.h"
#include "model/safetensors.h"
#include "tests/attention/naive.h"

namespace longreach::harness {
namespace {

namespace naive = attention::naive;
using model::TensorFile;

/// A folder of this test's own, removed at its end.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("longreach-attend-" + std::to_string(std::random_device{}()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

Tensor random(const std::vector<i64>& shape, std::string_view purpose) {
  Tensor tensor(shape);
  Rng rng = Rng(5).fork(purpose);
  for (float& x : tensor.flat()) x = static_cast<float>(rng.normal());
  return tensor;
}

constexpr i64 kTokens = 16, kSegment = 5;
const std::string kBackend = "{infini: {segment: 5, update: delta, rope: {theta: 100}}}";

/// Two streams of 16 tokens, heads 4/2, D = 4.
TensorFile inputs() {
  TensorFile file;
  file.tensors.push_back({"q", random({2, kTokens, 4, 4}, "q")});
  file.tensors.push_back({"k", random({2, kTokens, 2, 4}, "k")});
  file.tensors.push_back({"v", random({2, kTokens, 2, 4}, "v")});
  file.tensors.push_back({"weights.gate", random({4}, "gate")});
  return file;
}

Tensor& tensor(TensorFile& file, const std::string& name) {
  for (NamedTensor& named : file.tensors) {
    if (named.name == name) return named.tensor;
  }
  FAIL("no tensor " << name);
  throw std::logic_error("unreachable");
}

TensorFile attended(const TensorFile& in, const std::string& backend,
                    const std::vector<i64>& chunks = {}) {
  const Folder folder;
  model::write_safetensors(folder.file("in"), in);
  attend({backend, folder.file("in"), folder.file("out"), chunks});
  return model::read_safetensors(folder.file("out"));
}

double difference(const Tensor& a, const Tensor& b) {
  return attention::relative_error(a.flat(), b.flat());
}

/// The first stream of a file by the equations.
std::vector<double> expected_first_stream(TensorFile in) {
  attention::ReferenceStream stream{kTokens, {}, {}, {}, {}};
  const auto first = [&](const char* name) {
    const auto all = tensor(in, name).flat();
    return std::vector<double>(all.begin(), all.begin() + static_cast<long>(all.size() / 2));
  };
  stream.q = first("q");
  stream.k = first("k");
  stream.v = first("v");
  if (in.find("repeats") != nullptr) stream.repeats = first("repeats");
  const auto gates = tensor(in, "weights.gate").flat();
  return naive::per_head({4, 2, 4}, stream, {gates.begin(), gates.end()},
                         [](const naive::Head& head) {
                           return naive::infini(head, {kSegment, true, false, naive::Rope{100}});
                         });
}

}  // namespace

TEST_CASE("attend writes what the equations say, however the stream is cut") {
  const std::vector<double> expected = expected_first_stream(inputs());
  for (const std::vector<i64>& chunks :
       std::vector<std::vector<i64>>{{}, {4, 7, 5}, std::vector<i64>(16, 1)}) {
    const TensorFile out = attended(inputs(), kBackend, chunks);
    REQUIRE(out.find("out") != nullptr);
    CHECK(out.find("out")->shape() == std::vector<i64>{2, kTokens, 4, 4});
    CHECK(attention::relative_error(out.find("out")->flat().first(expected.size()),
                                    std::span<const double>(expected)) < 1e-5);
    CHECK(out.find("state.memory")->shape() == std::vector<i64>{2, 2, 4, 4});
    CHECK(out.find("d_q") == nullptr);  // nothing asked for gradients
  }
}

TEST_CASE("attend counts writes to the memory as often as repeats say, however the stream is cut") {
  TensorFile in = inputs();
  in.tensors.push_back({"repeats", Tensor({2, kTokens})});
  Tensor& repeats = in.tensors.back().tensor;
  for (i64 i = 0; i < repeats.size(); ++i) {
    repeats.flat()[static_cast<std::size_t>(i)] = static_cast<float>(1 + i % 7);
  }
  const std::vector<double> expected = expected_first_stream(in);
  for (const std::vector<i64>& chunks : std::vector<std::vector<i64>>{{}, {4, 7, 5}}) {
    const TensorFile out = attended(in, kBackend, chunks);
    CHECK(attention::relative_error(out.find("out")->flat().first(expected.size()),
                                    std::span<const double>(expected)) < 1e-5);
  }
  repeats.flat()[3] = 0;
  CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("'repeats' holds 0"));
}

TEST_CASE("attend starts absent weights at their initial values") {
  TensorFile in = inputs(), zero = inputs();
  std::erase_if(in.tensors, [](const NamedTensor& named) { return named.name == "weights.gate"; });
  for (float& gate : tensor(zero, "weights.gate").flat()) gate = 0;
  CHECK(difference(*attended(in, kBackend).find("out"), *attended(zero, kBackend).find("out")) ==
        0);
}

TEST_CASE("attend goes on from the state it wrote") {
  const i64 first = 7, rest = kTokens - first;
  const TensorFile whole = attended(inputs(), kBackend);
  const auto part = [](i64 begin, i64 count) {
    TensorFile all = inputs(), some;
    for (const char* name : {"q", "k", "v"}) {
      Tensor& from = tensor(all, name);
      std::vector<i64> shape = from.shape();
      shape[1] = count;
      Tensor to(shape);
      for (i64 b = 0; b < 2; ++b) {
        for (i64 t = 0; t < count; ++t) {
          for (i64 h = 0; h < shape[2]; ++h) {
            std::ranges::copy(from.view<4>().row(b, begin + t, h),
                              to.view<4>().row(b, t, h).begin());
          }
        }
      }
      some.tensors.push_back({name, to});
    }
    some.tensors.push_back({"weights.gate", tensor(all, "weights.gate")});
    return some;
  };
  const TensorFile before = attended(part(0, first), kBackend);
  CHECK(before.metadata.at("position") == "7");
  TensorFile next = part(first, rest);
  next.metadata["position"] = before.metadata.at("position");
  for (const NamedTensor& named : before.tensors) {
    if (named.name.starts_with("state.")) next.tensors.push_back(named);
  }
  const TensorFile after = attended(next, kBackend);
  const Tensor& out = *after.find("out");
  const Tensor& all = *whole.find("out");
  for (i64 t = 0; t < rest; ++t) {
    CHECK(attention::relative_error(out.view<4>().row(1, t, 3),
                                    all.view<4>().row(1, first + t, 3)) < 1e-5);
  }
  CHECK(difference(*after.find("state.memory"), *whole.find("state.memory")) < 1e-5);
}

TEST_CASE("attend goes on from a state stored as halves, to the bit") {
  const std::string backend = "{full: {cache: f16}}";
  const auto part = [](i64 begin, i64 count) {
    TensorFile whole = inputs(), file;
    for (const char* name : {"q", "k", "v"}) {
      const Tensor& all = tensor(whole, name);
      Tensor rows({2, count, all.shape()[2], 4});
      for (i64 b = 0; b < 2; ++b) {
        for (i64 t = 0; t < count; ++t) {
          for (i64 h = 0; h < all.shape()[2]; ++h) {
            std::ranges::copy(all.view<4>().row(b, begin + t, h),
                              rows.view<4>().row(b, t, h).begin());
          }
        }
      }
      file.tensors.push_back({name, rows});
    }
    file.metadata["capacity"] = std::to_string(kTokens);
    return file;
  };
  TensorFile whole = part(0, kTokens);
  const TensorFile all = attended(whole, backend, {9, 7});
  TensorFile second = part(9, 7);
  for (const NamedTensor& named : attended(part(0, 9), backend).tensors) {
    if (named.name.starts_with("state.")) second.tensors.push_back(named);
  }
  second.metadata["position"] = "9";
  const TensorFile rest = attended(second, backend);
  CHECK(std::ranges::equal(rest.find("state.keys")->flat(), all.find("state.keys")->flat()));
  for (i64 b = 0; b < 2; ++b) {
    CHECK(std::ranges::equal(rest.find("out")->view<4>().row(b, 6, 3),
                             all.find("out")->view<4>().row(b, 15, 3)));
  }
}

TEST_CASE("attend rounds a float32 state for a backend that stores halves, if it fits") {
  TensorFile in = inputs();
  std::erase_if(in.tensors, [](const NamedTensor& named) { return named.name == "weights.gate"; });
  in.metadata = {{"position", "4"}, {"capacity", "20"}};
  Tensor values({2, 2, 20, 4});
  values.flat()[0] = 1 + 0x1p-12f;  // half a step below the f16 after 1: rounds to 1
  in.tensors.push_back({"state.values", values});
  CHECK(attended(in, "{full: {cache: f16}}").find("state.values")->flat()[0] == 1);
  CHECK(attended(in, "{full: {cache: f32}}").find("state.values")->flat()[0] == 1 + 0x1p-12f);
  tensor(in, "state.values").flat()[3] = 70000;  // the largest f16 is 65504
  CHECK_THROWS_WITH(attended(in, "{full: {cache: f16}}"),
                    Catch::Contains("'state.values', rounded to f16") && Catch::Contains("3"));
  CHECK(attended(in, "{full: {cache: bf16}}").find("state.values")->flat()[3] > 6.9e4f);
}

namespace {

/// Holds d_NAME of a call in three chunks against differences of attend itself, for the loss
/// sum(d_out out) + sum(d_M M) over the final memory.
void check_gradients(TensorFile in, const std::string& backend,
                     const std::vector<std::string>& names) {
  in.tensors.push_back({"d_out", random({2, kTokens, 4, 4}, "d_out")});
  in.tensors.push_back({"d_state.memory", random({2, 2, 4, 4}, "d_memory")});
  const TensorFile found = attended(in, backend, {4, 7, 5});
  const auto loss = [&backend](TensorFile& at) {
    const TensorFile out = attended(at, backend);
    double sum = 0;
    const auto add = [&sum](const Tensor& a, const Tensor& b) {
      for (i64 i = 0; i < a.size(); ++i) {
        const std::size_t n = static_cast<std::size_t>(i);
        sum += static_cast<double>(a.flat()[n]) * b.flat()[n];
      }
    };
    add(*out.find("out"), tensor(at, "d_out"));
    add(*out.find("state.memory"), tensor(at, "d_state.memory"));
    return sum;
  };
  for (const std::string& name : names) {
    const Tensor* gradient = found.find("d_" + name);
    REQUIRE(gradient != nullptr);
    for (const i64 index : {i64{1}, gradient->size() / 2}) {
      CAPTURE(name, index);
      float& element = tensor(in, name).flat()[static_cast<std::size_t>(index)];
      const float original = element, step = 0.01F;
      element = original + step;
      const double up = loss(in);
      element = original - step;
      const double down = loss(in);
      element = original;
      // float32 losses of some tens, differenced over 0.02: good to about 1e-3.
      CHECK(gradient->flat()[static_cast<std::size_t>(index)] ==
            Approx((up - down) / (2 * static_cast<double>(step))).epsilon(0.01).margin(0.01));
    }
  }
}

}  // namespace

TEST_CASE("attend returns the gradient of every input it was given") {
  TensorFile in = inputs();
  in.tensors.push_back({"state.memory", random({2, 2, 4, 4}, "memory")});
  Tensor normalizer = random({2, 2, 4}, "normalizer");
  for (float& z : normalizer.flat()) z = 2 + std::abs(z);
  in.tensors.push_back({"state.normalizer", normalizer});
  check_gradients(std::move(in), kBackend,
                  {"q", "k", "v", "weights.gate", "state.memory", "state.normalizer"});
}

TEST_CASE("attend hands each projection to its place, and returns its gradient") {
  TensorFile in = inputs();
  std::erase_if(in.tensors, [](const NamedTensor& t) { return t.name == "weights.gate"; });
  in.tensors.push_back({"projected.write_strength", random({2, kTokens, 2}, "strength")});
  in.tensors.push_back({"projected.decay", random({2, kTokens, 2}, "decay")});
  const std::string backend = "{gated_delta: {temperature: 1}}";
  check_gradients(in, backend, {"q", "k", "projected.write_strength", "projected.decay"});
  // An absent projection is zero.
  TensorFile zero = in, absent = in;
  std::ranges::fill(tensor(zero, "projected.decay").flat(), 0.0F);
  absent.tensors.pop_back();
  CHECK(difference(*attended(absent, backend).find("out"), *attended(zero, backend).find("out")) ==
        0);
  CHECK(difference(*attended(in, backend).find("out"), *attended(zero, backend).find("out")) >
        1e-3);
  in.tensors.back().name = "projected.decays";
  CHECK_THROWS_WITH(attended(in, backend),
                    Catch::Contains("projected.decays") && Catch::Contains("projected.decay"));
}

TEST_CASE("attend takes a backend by its bare name") {
  TensorFile in = inputs();
  std::erase_if(in.tensors, [](const NamedTensor& named) { return named.name == "weights.gate"; });
  CHECK(difference(*attended(in, "full").find("out"),
                   *attended(in, "{sliding_window: {window: 16, sinks: 0}}").find("out")) < 1e-6);
}

TEST_CASE("attend says what is wrong with a backend") {
  CHECK_THROWS_WITH(attended(inputs(), "infinni"), Catch::Contains("did you mean 'infini'"));
  CHECK_THROWS_WITH(attended(inputs(), "{infini: {segmant: 4}}"),
                    Catch::Contains("did you mean 'segment'"));
  CHECK_THROWS_AS(attended(inputs(), "{infini: {segment: 0}}"), Error);
  CHECK_THROWS_AS(attended(inputs(), "{infini: {}, full: {}}"), Error);
  CHECK_THROWS_AS(attended(inputs(), "[infini]"), Error);
  CHECK_THROWS_AS(attended(inputs(), ""), Error);
}

TEST_CASE("attend says what is wrong with a tensor") {
  TensorFile in = inputs();
  SECTION("missing") {
    std::erase_if(in.tensors, [](const NamedTensor& named) { return named.name == "v"; });
    CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("no tensor 'v'"));
  }
  SECTION("other length") {
    tensor(in, "k") = random({2, kTokens - 1, 2, 4}, "k");
    CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("'k' is [2, 15, 2, 4]"));
  }
  SECTION("other rank") {
    tensor(in, "q") = random({kTokens, 4, 4}, "q");
    CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("'q' is [16, 4, 4]"));
  }
  SECTION("no tokens") {
    for (const char* name : {"q", "k", "v"}) tensor(in, name) = Tensor({2, 0, 2, 4});
    CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("none of them 0"));
  }
  SECTION("heads that do not divide") {
    tensor(in, "k") = random({2, kTokens, 3, 4}, "k");
    tensor(in, "v") = random({2, kTokens, 3, 4}, "v");
    CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("multiple of key/value heads"));
  }
  SECTION("a weight of the wrong shape") {
    tensor(in, "weights.gate") = random({2}, "gate");
    CHECK_THROWS_WITH(attended(in, kBackend),
                      Catch::Contains("'weights.gate' is [2]; expected [4]"));
  }
  SECTION("not finite") {
    tensor(in, "v").flat()[3] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(attended(in, kBackend),
                      Catch::Contains("tensor 'v'") && Catch::Contains("3"));
  }
  SECTION("unknown") {
    in.tensors.push_back({"weights.gates", random({4}, "gate")});
    CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("did you mean 'weights.gate'"));
  }
  SECTION("a state of another backend") {
    in.tensors.push_back({"state.keys", random({2, 2, 16, 4}, "keys")});
    CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("unknown tensor 'state.keys'"));
  }
  SECTION("a position without the state there") {
    in.metadata["position"] = "16";
    CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("needs the state there"));
  }
  SECTION("metadata that is no number") {
    in.metadata["position"] = "-3";
    CHECK_THROWS_WITH(attended(in, kBackend), Catch::Contains("metadata 'position' is '-3'"));
  }
}

TEST_CASE("attend refuses chunks that do not make up the stream") {
  CHECK_THROWS_WITH(attended(inputs(), kBackend, {4, 7}),
                    Catch::Contains("4,7 sum to 11; expected the 16 tokens"));
  CHECK_THROWS_WITH(attended(inputs(), kBackend, {16, 0}), Catch::Contains("at least 1"));
}

TEST_CASE("attend names a file that is not there") {
  CHECK_THROWS_WITH(attend({"full", "/nowhere/x.safetensors", "y", {}}),
                    Catch::Contains("/nowhere/x.safetensors"));
}

}  // namespace longreach::harness
