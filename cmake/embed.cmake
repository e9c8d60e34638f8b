# embed(<component> <symbol> <files>...) makes `std::string_view longreach::embedded::<symbol>()`
# return the files' bytes, one after the other; declare it where it is used.

find_file(LONGREACH_CHART_JS NAMES chart.min.js Chart.min.js
          PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist REQUIRED)

function(embed component symbol)
  set(output ${PROJECT_BINARY_DIR}/embedded/${symbol}.cpp)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} "-DINPUT=${ARGN}" -DOUTPUT=${output} -DSYMBOL=${symbol}
            -P ${PROJECT_SOURCE_DIR}/cmake/embed_file.cmake
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/embed_file.cmake
    VERBATIM)
  target_sources(longreach_${component} PRIVATE ${output})
endfunction()
