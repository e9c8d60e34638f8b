# Tells harness/build_info.cpp what is being built: version, flags, options, the libraries that CMake
# found, and the git revision, which is asked for at every build, not when CMake last ran.
string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
string(JOIN " " flags ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}} ${LONGREACH_FLAGS})
pkg_check_modules(sentencepiece QUIET sentencepiece)  # for its version alone

set(generated ${PROJECT_BINARY_DIR}/generated)
set(text "")
foreach(library
    "Boost=${Boost_VERSION}" "CLI11=${CLI11_VERSION}" "Eigen=${Eigen3_VERSION}"
    "Google Benchmark=${benchmark_VERSION}" "Highway=${hwy_VERSION}" "MPI=${MPI_CXX_VERSION}"
    "OpenMP=${OpenMP_CXX_VERSION}" "OpenSSL=${OPENSSL_VERSION}" "SQLite=${SQLite3_VERSION}"
    "fmt=${fmt_VERSION}" "nlohmann-json=${nlohmann_json_VERSION}" "pcre2=${pcre2_VERSION}"
    "sentencepiece=${sentencepiece_VERSION}" "utf8proc=${utf8proc_VERSION}"
    "yaml-cpp=${yaml-cpp_VERSION}")
  if(library MATCHES "^(.*)=(.+)$")  # what was not looked for has no version
    string(APPEND text "{\"${CMAKE_MATCH_1}\", \"${CMAKE_MATCH_2}\"},\n")
  endif()
endforeach()
file(CONFIGURE OUTPUT ${generated}/libraries.inc CONTENT "${text}" @ONLY)
set(text "")
foreach(option LONGREACH_MPI LONGREACH_NATIVE)
  if(${option})
    string(APPEND text "{\"${option}\", true},\n")
  else()
    string(APPEND text "{\"${option}\", false},\n")
  endif()
endforeach()
file(CONFIGURE OUTPUT ${generated}/options.inc CONTENT "${text}" @ONLY)

set_source_files_properties(${PROJECT_SOURCE_DIR}/harness/build_info.cpp PROPERTIES
  COMPILE_DEFINITIONS "LONGREACH_VERSION=\"${PROJECT_VERSION}\";LONGREACH_BUILD_FLAGS=\"${flags}\";LONGREACH_BUILD_TYPE=\"${CMAKE_BUILD_TYPE}\"")

set(revision_header ${generated}/revision.h)
add_custom_target(longreach_revision
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUTPUT=${revision_header}
          -P ${PROJECT_SOURCE_DIR}/cmake/revision.cmake
  BYPRODUCTS ${revision_header}
  VERBATIM)
add_dependencies(longreach_harness longreach_revision)
target_include_directories(longreach_harness PRIVATE ${generated})
