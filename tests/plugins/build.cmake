# Does what the author of a plugin does, with an installation and nothing of the source tree: installs
# the build in BUILD, copies and builds docs/examples/plugin, and the plugins to refuse: against the
# headers, and against a copy of them with another ABI number. All under BUILD/plugins.
# Also takes SOURCE, GENERATOR, COMPILER, LAUNCHER (may be empty) and FLAGS.
set(root ${BUILD}/plugins)
file(REMOVE_RECURSE ${root})
set(ENV{DESTDIR} "")

function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
endfunction()

# build(<source> <binary> <prefix> [<target>])
function(build source binary prefix)
  run(${CMAKE_COMMAND} -S ${source} -B ${binary} -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${prefix}
      -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
      -DCMAKE_CXX_FLAGS=${FLAGS} -DCMAKE_EXPORT_COMPILE_COMMANDS=ON)
  run(${CMAKE_COMMAND} --build ${binary} ${ARGN})
  file(READ ${binary}/compile_commands.json commands)
  string(FIND "${commands}" "${prefix}/include/longreach" from_prefix)
  if(from_prefix EQUAL -1 OR commands MATCHES "(-I|-isystem) *${SOURCE}[ /]*[ \"]")
    message(FATAL_ERROR "${binary}: not built against ${prefix} alone:\n${commands}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${root}/installed)
file(COPY ${SOURCE}/docs/examples/plugin/ DESTINATION ${root}/example)
build(${root}/example ${root}/example/build ${root}/installed)
build(${SOURCE}/tests/plugins ${root}/refused ${root}/installed)

file(COPY ${root}/installed/ DESTINATION ${root}/other)
set(header ${root}/other/include/longreach/core/plugin.h)
file(READ ${header} before)
string(REGEX REPLACE "kPluginAbi = [0-9]+" "kPluginAbi = 4242" after "${before}")
if(after STREQUAL before)
  message(FATAL_ERROR "${header}: no ABI number found")
endif()
file(WRITE ${header} "${after}")
build(${SOURCE}/tests/plugins ${root}/refused_abi ${root}/other --target intruder)
