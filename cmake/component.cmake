# component(<folder> [USES <folders>...] [LINKS <targets>...])
#
# Makes the OBJECT library longreach::<folder> from <folder>/**.cpp, linking exactly the folders
# named, and a CTest `layers/<folder>` that fails when a file includes a folder that it may not.
# OBJECT libraries keep self-registering files that a static archive would drop.

set(LONGREACH_WARNINGS -Wall -Wextra -Wno-missing-field-initializers -Wpedantic -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND LONGREACH_WARNINGS -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
  # GCC 12 sees uninitialised members inside its own <regex> when instrumenting.
  list(APPEND LONGREACH_WARNINGS -Wno-maybe-uninitialized)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_FLAGS MATCHES "-fsanitize=fuzzer")
  # Loops that count which branches they take are not vectorised.
  list(APPEND LONGREACH_WARNINGS -Wno-pass-failed)
endif()
set(LONGREACH_FLAGS -ffp-contract=fast)
if(LONGREACH_NATIVE)
  list(APPEND LONGREACH_FLAGS -march=native)
endif()

function(component name)
  cmake_parse_arguments(ARG "" "" "USES;LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")  # the executable's own
  add_library(longreach_${name} OBJECT ${sources})
  add_library(longreach::${name} ALIAS longreach_${name})
  target_include_directories(longreach_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(longreach_${name} PRIVATE ${LONGREACH_WARNINGS} ${LONGREACH_FLAGS})
  target_link_libraries(longreach_${name} PUBLIC ${ARG_LINKS})
  set(objects $<TARGET_OBJECTS:longreach_${name}>)
  foreach(used ${ARG_USES})
    target_link_libraries(longreach_${name} PUBLIC longreach::${used})
  endforeach()
  add_test(NAME layers/${name}
           COMMAND ${CMAKE_COMMAND} -DFOLDER=${PROJECT_SOURCE_DIR}/${name}
                   "-DALLOWED=${name};${ARG_USES}" -P ${PROJECT_SOURCE_DIR}/cmake/layers.cmake)
endfunction()
