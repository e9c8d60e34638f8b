// SHA-256 of what results depend on.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace longreach {

/// Hex digest of bytes.
std::string sha256(std::string_view bytes);
template <class T>
std::string sha256(std::span<const T> values) {
  return sha256(
      std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
}

}  // namespace longreach
