// SHA-256 against the published test vectors (FIPS 180-2).
#include "core/sha256.h"

#include <catch2/catch.hpp>

using namespace longreach;

TEST_CASE("SHA-256 of the empty string and of abc are the published digests") {
  REQUIRE(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  REQUIRE(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("Bytes that come in parts have the digest of the whole") {
  const std::string text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{30}, text.size()}) {
    Sha256 sum;
    sum.add(std::as_bytes(std::span(text).first(cut)));
    sum.add({});
    sum.add(std::as_bytes(std::span(text).subspan(cut)));
    REQUIRE(sum.hex() == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  }
}
