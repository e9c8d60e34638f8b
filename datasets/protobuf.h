// The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as far as one
// message of plain fields needs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace longreach::datasets {

/// One field after another of a message that may be anything. Throws Error, beginning with
/// `where`, for what is no message.
class MessageReader {
 public:
  MessageReader(std::string_view message, const std::string& where)
      : rest_(message), where_(where) {}

  /// Steps to the next field. Returns false after the last.
  bool next();
  std::uint64_t number() const { return number_; }

  /// What the field holds. Throws Error when it is of another kind.
  std::uint64_t integer() const;
  bool boolean() const { return integer() != 0; }
  float real() const;
  std::string_view bytes() const;

 private:
  enum class Kind { integer = 0, wide = 1, bytes = 2, narrow = 5 };
  std::uint64_t read_integer();
  std::string_view take(std::uint64_t count);
  void require(Kind) const;

  std::string_view rest_;
  const std::string& where_;
  std::uint64_t number_ = 0, integer_ = 0;
  Kind kind_ = Kind::integer;
  std::string_view bytes_;
};

/// Appends fields to a message.
void put_integer(std::string& message, std::uint64_t number, std::uint64_t value);
void put_real(std::string& message, std::uint64_t number, float value);
void put_bytes(std::string& message, std::uint64_t number, std::string_view value);

}  // namespace longreach::datasets
