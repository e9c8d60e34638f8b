// Reading and writing the compressive memory, and their gradients.
#include "attention/compressive_memory.h"

#include <algorithm>
#include <optional>

#include "attention/kernels/rowwise.h"
#include "core/linalg.h"
#include "core/vector_math.h"

namespace longreach::attention {
namespace {

/// What the memory already returns for the keys; nothing when the rule does not ask for it.
std::optional<Retrieval> known(const float* features, i64 rows, Update update,
                               const Memory& memory) {
  if (update == Update::linear || memory.empty()) return std::nullopt;
  return Retrieval(features, rows, memory);
}

/// x [n] times over: as it lies, or scaled in `room`.
const float* repeated(float times, const float* x, i64 n, Scratch& room) {
  if (times == 1) return x;
  room.assign(x, x + n);
  scale(times, room.data(), n);
  return room.data();
}

/// What is written for each key: V, or V less what is known, which `room` then holds.
const float* written(const float* values, i64 rows, i64 d, const std::optional<Retrieval>& known,
                     Scratch& room) {
  if (!known) return values;
  room.assign(values, values + rows * d);
  add_scaled(-1, known->values.data(), room.data(), rows * d);
  return room.data();
}

}  // namespace

bool Memory::empty() const {
  return std::all_of(normalizer, normalizer + f, [](float x) { return x == 0; });
}

void Memory::clear() const {
  std::fill_n(matrix, f * d, 0.0f);
  std::fill_n(normalizer, f, 0.0f);
}

Retrieval::Retrieval(const float* features, i64 rows, const Memory& memory)
    : values(static_cast<std::size_t>(rows * memory.d)), denominators(rows) {
  const i64 f = memory.f, d = memory.d;
  multiply(Matrix(features, rows, f), Matrix(memory.matrix, f, d),
           MutableMatrix(values.data(), rows, d), Into::overwrite);
  kernels::normalize(features, memory.normalizer, rows, f, d, values.data(), denominators.data());
}

// With A = N / c, N = sigma M, c = sigma . z:  dN = dA / c,  dc = -(dA . A) / c,
// dsigma = dN M^T + dc z^T,  dM += sigma^T dN,  dz += sigma^T dc.
void Retrieval::backward(const float* features, const Memory& memory, Scratch d_values,
                         float* d_features, const Memory& d_memory) const {
  const i64 f = memory.f, d = memory.d, rows = static_cast<i64>(denominators.size());
  kernels::undo_normalize(features, memory.normalizer, values.data(), denominators.data(), rows, f,
                          d, d_values.data(), d_features, d_memory.normalizer);  // now dN
  const Matrix d_numerators(d_values.data(), rows, d);
  multiply_nt(d_numerators, Matrix(memory.matrix, f, d), MutableMatrix(d_features, rows, f),
              Into::add);
  multiply_tn(Matrix(features, rows, f), d_numerators, MutableMatrix(d_memory.matrix, f, d),
              Into::add);
}

void write(const float* features, const float* values, i64 rows, Update update, float times,
           const Memory& memory) {
  const i64 f = memory.f, d = memory.d;
  Scratch room, repeated_room;
  const float* news = written(values, rows, d, known(features, rows, update, memory), room);
  const float* keys = repeated(times, features, rows * f, repeated_room);
  multiply_tn(Matrix(keys, rows, f), Matrix(news, rows, d), MutableMatrix(memory.matrix, f, d),
              Into::add);
  kernels::add_column_sums(keys, rows, f, memory.normalizer);
}

// With U written n times over:  dsigma = n (U dM^T + 1 dz^T),  dU = n sigma dM,  dV += dU; what is
// known took part with the opposite sign.
void write_backward(const float* features, const float* values, i64 rows, Update update,
                    float times, const Memory& memory, const Memory& d_memory, float* d_features,
                    float* d_values) {
  const i64 f = memory.f, d = memory.d;
  const std::optional<Retrieval> retrieved = known(features, rows, update, memory);
  Scratch room, matrix_room;
  const float* news = written(values, rows, d, retrieved, room);
  const Matrix d_matrix(repeated(times, d_memory.matrix, f * d, matrix_room), f, d);
  for (i64 i = 0; i < rows; ++i) add_scaled(times, d_memory.normalizer, d_features + i * f, f);
  multiply_nt(Matrix(news, rows, d), d_matrix, MutableMatrix(d_features, rows, f), Into::add);
  Scratch d_written(static_cast<std::size_t>(rows * d));
  multiply(Matrix(features, rows, f), d_matrix, MutableMatrix(d_written.data(), rows, d),
           Into::overwrite);
  add_scaled(1, d_written.data(), d_values, rows * d);
  if (!retrieved) return;
  scale(-1, d_written.data(), rows * d);
  retrieved->backward(features, memory, std::move(d_written), d_features, d_memory);
}

}  // namespace longreach::attention
