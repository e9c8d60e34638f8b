# embed(<component> <symbol> <files>...) makes `std::string_view longreach::embedded::<symbol>()`
# return the files' bytes, one after the other; declare it where it is used.

find_file(LONGREACH_CHART_JS NAMES chart.min.js Chart.min.js
          PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist REQUIRED)

# A CommonJS module as pieces of a script that define the one global `name`, its licence before it.
function(script_of_module name module license variable)
  if(NOT EXISTS ${module})
    message(FATAL_ERROR "No ${name} in node_modules: run scripts/bootstrap")
  endif()
  set(piece ${PROJECT_BINARY_DIR}/embedded/${name})
  file(WRITE ${piece}_licence.js "\n/*! ${name}\n")
  file(WRITE ${piece}_begin.js "*/\nconst ${name} = ((exports) => {\n")
  file(WRITE ${piece}_end.js "\nreturn exports;\n})({});\n")
  set(${variable} ${piece}_licence.js ${license} ${piece}_begin.js ${module} ${piece}_end.js PARENT_SCOPE)
endfunction()

set(svgcanvas ${PROJECT_SOURCE_DIR}/node_modules/svgcanvas)
script_of_module(svgcanvas ${svgcanvas}/dist/svgcanvas.js ${svgcanvas}/LICENSE LONGREACH_SVGCANVAS_JS)

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
