# Tells harness/build_info.cpp what is being built: version, flags, and the git revision, which is
# asked for at every build, not when CMake last ran.
string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
string(JOIN " " flags ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}} ${LONGREACH_FLAGS})
set_source_files_properties(${PROJECT_SOURCE_DIR}/harness/build_info.cpp PROPERTIES
  COMPILE_DEFINITIONS "LONGREACH_VERSION=\"${PROJECT_VERSION}\";LONGREACH_BUILD_FLAGS=\"${flags}\";LONGREACH_BUILD_TYPE=\"${CMAKE_BUILD_TYPE}\"")

set(revision_header ${PROJECT_BINARY_DIR}/generated/revision.h)
add_custom_target(longreach_revision
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUTPUT=${revision_header}
          -P ${PROJECT_SOURCE_DIR}/cmake/revision.cmake
  BYPRODUCTS ${revision_header}
  VERBATIM)
add_dependencies(longreach_harness longreach_revision)
target_include_directories(longreach_harness PRIVATE ${PROJECT_BINARY_DIR}/generated)
