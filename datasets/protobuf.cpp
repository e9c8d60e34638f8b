// The wire format of Protocol Buffers: a field is its number and kind in one integer, then a value.
#include "datasets/protobuf.h"

#include <bit>
#include <cstring>

#include "core/error.h"

namespace longreach::datasets {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format stores little-endian numbers");

void append(std::string& message, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) message += static_cast<char>(value | 0x80);
  message += static_cast<char>(value);
}

}  // namespace

std::uint64_t MessageReader::read_integer() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(1).front());
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  throw error("{}: holds an integer of more than ten bytes; it is damaged", where_);
}

std::string_view MessageReader::take(std::uint64_t count) {
  if (count > rest_.size()) throw error("{}: ends within a field: truncated?", where_);
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

bool MessageReader::next() {
  if (rest_.empty()) return false;
  const std::uint64_t key = read_integer();
  number_ = key >> 3;
  kind_ = static_cast<Kind>(key & 7);
  switch (kind_) {
    case Kind::integer:
      integer_ = read_integer();
      return true;
    case Kind::wide:
      bytes_ = take(8);
      return true;
    case Kind::bytes:
      bytes_ = take(read_integer());
      return true;
    case Kind::narrow:
      bytes_ = take(4);
      return true;
  }
  throw error("{}: has a field of an unknown kind; it is damaged or no such model", where_);
}

void MessageReader::require(Kind kind) const {
  if (kind_ != kind) {
    throw error("{}: field {} is of the wrong kind; it is damaged or no such model", where_,
                number_);
  }
}

std::uint64_t MessageReader::integer() const {
  require(Kind::integer);
  return integer_;
}

float MessageReader::real() const {
  require(Kind::narrow);
  float value = 0;
  std::memcpy(&value, bytes_.data(), sizeof(value));
  return value;
}

std::string_view MessageReader::bytes() const {
  require(Kind::bytes);
  return bytes_;
}

void put_integer(std::string& message, std::uint64_t number, std::uint64_t value) {
  append(message, number << 3);
  append(message, value);
}

void put_real(std::string& message, std::uint64_t number, float value) {
  append(message, number << 3 | 5);
  message.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void put_bytes(std::string& message, std::uint64_t number, std::string_view value) {
  append(message, number << 3 | 2);
  append(message, value.size());
  message += value;
}

}  // namespace longreach::datasets
