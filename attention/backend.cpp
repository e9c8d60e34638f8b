#include "attention/backend.h"

#include <fmt/format.h>

namespace longreach {

template <>
attention::AttentionRegistry& attention::AttentionRegistry::instance() {
  static attention::AttentionRegistry registry;
  return registry;
}

namespace attention {

i64 Backend::projected_size() const {
  i64 sum = 0;
  for (const ProjectionSpec& spec : projections()) sum += spec.size;
  return sum;
}

std::vector<Observation> Backend::inspect(std::span<const float>, const Chunk&,
                                          const State&) const {
  return {};
}

std::vector<KnockOut> Backend::knock_outs(std::span<const float>) const { return {}; }

namespace {

struct Counter {
  i64 Activity::*count;
  std::string_view name;
};
constexpr Counter kCounters[] = {{&Activity::tokens, "tokens"},
                                 {&Activity::keys_scored, "keys scored"},
                                 {&Activity::memory_reads, "memory reads"},
                                 {&Activity::compressions, "compressions"},
                                 {&Activity::summaries_scored, "summaries scored"},
                                 {&Activity::evictions, "evictions"}};

}  // namespace

Activity& Activity::operator+=(const Activity& other) {
  for (const auto [count, name] : kCounters) this->*count += other.*count;
  return *this;
}

std::string describe(const Activity& a) {
  std::vector<std::string> parts;
  for (const auto [count, name] : kCounters) parts.push_back(fmt::format("{} {}", a.*count, name));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string difference(const Activity& did, const Activity& declared) {
  std::vector<std::string> parts;
  for (const auto [count, name] : kCounters) {
    if (did.*count == declared.*count) continue;
    parts.push_back(fmt::format("{} {} where it declared {}", did.*count, name, declared.*count));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

i64 State::bytes() const {
  i64 sum = 0;
  for (const NamedTensor& named : tensors) sum += named.tensor.bytes();
  return sum;
}

const Tensor& State::operator[](std::string_view name) const {
  for (const NamedTensor& named : tensors) {
    if (named.name == name) return named.tensor;
  }
  throw error("the state has no tensor '{}'", name);
}

Tensor& State::operator[](std::string_view name) {
  return const_cast<Tensor&>(std::as_const(*this)[name]);
}

State State::zero_like() const {
  State zero;
  zero.position = position;
  for (const NamedTensor& named : tensors) {
    zero.tensors.push_back({named.name, Tensor(named.tensor.shape())});
  }
  return zero;
}

i64 Tape::bytes() const {
  i64 sum = 0;
  for (const Tensor& tensor : tensors) sum += tensor.bytes();
  return sum;
}

Cost softmax_cost(const Shape& shape, i64 tokens, i64 pairs, Element element) {
  const double d = static_cast<double>(shape.head_dim);
  Cost cost;
  cost.activity = {.tokens = tokens, .keys_scored = pairs};
  cost.flops = static_cast<double>(pairs * shape.query_heads) * (4 * d + 1);
  cost.bytes_moved = static_cast<double>(pairs + tokens) * 2 * d *
                     static_cast<double>(bytes_of(element) * shape.kv_heads);
  return cost;
}

void validate(const Shape& shape) {
  if (shape.query_heads < 1 || shape.kv_heads < 1 || shape.query_heads % shape.kv_heads != 0) {
    throw error("query heads must be a positive multiple of key/value heads, not {} and {}",
                shape.query_heads, shape.kv_heads);
  }
  if (shape.head_dim < 2 || shape.head_dim % 2 != 0) {
    throw error(
        "the head size must be even and at least 2 (rotary positions pair its elements), "
        "not {}",
        shape.head_dim);
  }
}

}  // namespace attention
}  // namespace longreach
