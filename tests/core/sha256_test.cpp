// SHA-256 against the published test vectors (FIPS 180-2).
#include "core/sha256.h"

#include <catch2/catch.hpp>

using namespace longreach;

TEST_CASE("SHA-256 of the empty string and of abc are the published digests") {
  REQUIRE(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  REQUIRE(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
