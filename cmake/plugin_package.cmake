# Installs what a plugin outside the tree is built from: the headers, and a CMake package whose
# target longreach::plugin carries their folder, C++20 and the libraries that they include. The
# functions behind the headers are in the executable, which exports them.
include(CMakePackageConfigHelpers)

set(headers ${CMAKE_INSTALL_INCLUDEDIR}/longreach)
foreach(folder core attention model datasets metrics reports)
  install(DIRECTORY ${folder} DESTINATION ${headers} FILES_MATCHING PATTERN "*.h"
          PATTERN "*-inl.h" EXCLUDE)  # parts of kernels, compiled once for each instruction set
endforeach()

add_library(longreach_plugin INTERFACE)
set_target_properties(longreach_plugin PROPERTIES EXPORT_NAME plugin)
target_include_directories(longreach_plugin INTERFACE $<INSTALL_INTERFACE:${headers}>)
target_compile_features(longreach_plugin INTERFACE cxx_std_20)
target_link_libraries(longreach_plugin INTERFACE fmt::fmt OpenMP::OpenMP_CXX)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/longreach)
install(TARGETS longreach_plugin EXPORT longreach)
install(EXPORT longreach NAMESPACE longreach:: FILE longreachTargets.cmake DESTINATION ${package})
configure_package_config_file(cmake/longreachConfig.cmake.in
  ${PROJECT_BINARY_DIR}/longreachConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/longreachConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/longreachConfig.cmake
              ${PROJECT_BINARY_DIR}/longreachConfigVersion.cmake DESTINATION ${package})
