# Tells harness/build_info.cpp what is being built: version, git revision, flags.
execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE revision ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT revision)
  set(revision unknown)
endif()
string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
string(JOIN " " flags ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}} ${LONGREACH_FLAGS})
set_source_files_properties(${PROJECT_SOURCE_DIR}/harness/build_info.cpp PROPERTIES
  COMPILE_DEFINITIONS "LONGREACH_VERSION=\"${PROJECT_VERSION}\";LONGREACH_REVISION=\"${revision}\";LONGREACH_BUILD_FLAGS=\"${flags}\";LONGREACH_BUILD_TYPE=\"${CMAKE_BUILD_TYPE}\"")
