#include "core/sha256.h"

#include <array>
#include <fmt/format.h>
#include <openssl/evp.h>

#include "core/error.h"

namespace longreach {

struct Sha256::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest{EVP_MD_CTX_new(),
                                                                 &EVP_MD_CTX_free};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  check(context_->digest != nullptr &&
            EVP_DigestInit_ex(context_->digest.get(), EVP_sha256(), nullptr) == 1,
        "SHA-256 is available");
}
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(context_->digest.get(), bytes.data(), bytes.size()) == 1,
        "bytes can be added to a digest");
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  check(EVP_DigestFinal_ex(context_->digest.get(), digest.data(), &length) == 1,
        "a digest ends once");
  std::string hex;
  for (unsigned i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string sha256(std::string_view bytes) {
  Sha256 sum;
  sum.add(std::as_bytes(std::span(bytes)));
  return sum.hex();
}

}  // namespace longreach
