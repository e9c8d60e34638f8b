// What a plugin carries so that the program can tell, before running any of it, whether it fits.
#pragma once

#include <array>
#include <cstdint>
#include <string>  // defines the standard library's own names that are looked at below
#include <string_view>

namespace longreach {

/// Raised when a header that plugins include changes.
inline constexpr std::uint32_t kPluginAbi = 14;

#if defined(__SANITIZE_ADDRESS__)
#define LONGREACH_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#define LONGREACH_ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define LONGREACH_ADDRESS_SANITIZER 0
#endif

/// What changes the layout of the standard library's types between plugin and program.
inline constexpr std::string_view kRuntime =
#if defined(_LIBCPP_VERSION)
    "libc++"
#elif _GLIBCXX_USE_CXX11_ABI
    "libstdc++"
#else
    "libstdc++ with the strings of before C++11"
#endif
#if defined(_GLIBCXX_DEBUG)
    " in debug mode"
#endif
#if LONGREACH_ADDRESS_SANITIZER
    " under AddressSanitizer"
#endif
    ;

/// Lies in every shared library that includes this header (core/registry.h does), and is found
/// there by its mark in the file's bytes: static initialisers, which are how a plugin registers,
/// run inside dlopen(), too late to ask. Numbers and bytes alone; this layout never changes.
struct PluginStamp {
  std::array<char, 16> mark;
  std::uint32_t abi;
  std::array<char, 92> runtime;  ///< kRuntime, then zeros
};

constexpr PluginStamp make_plugin_stamp() {
  PluginStamp stamp{{"\1longreach\2abi:"}, kPluginAbi, {}};
  for (std::size_t i = 0; i < kRuntime.size(); ++i) stamp.runtime[i] = kRuntime[i];
  return stamp;
}

[[gnu::used, gnu::visibility("default")]] inline constexpr PluginStamp kPluginStamp =
    make_plugin_stamp();

}  // namespace longreach
