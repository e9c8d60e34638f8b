// SHA-256 of what results depend on.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace longreach {

/// The digest of bytes that come in parts.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::byte> bytes);
  /// Hex, of all that was added; nothing may be added afterwards.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// Hex digest of bytes.
std::string sha256(std::string_view bytes);
template <class T>
std::string sha256(std::span<const T> values) {
  return sha256(
      std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
}

}  // namespace longreach
