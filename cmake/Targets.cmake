# federity_library(NAME SOURCES a.cc … [DEPS federity::base …])
# One target per folder, alias federity::NAME; headers are included from the
# repository's root.
function(federity_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(federity_${name} STATIC ${ARG_SOURCES})
  add_library(federity::${name} ALIAS federity_${name})
  target_include_directories(federity_${name} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(federity_${name}
    PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS} federity_warnings)
endfunction()

# federity_program(NAME SOURCES main.cc … DEPS …)
function(federity_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} federity_warnings)
endfunction()

# federity_timeout(VAR SECONDS): a test's limit, more under a sanitizer.
function(federity_timeout variable seconds)
  math(EXPR seconds "${seconds} * ${FEDERITY_TIMEOUT_FACTOR}")
  set(${variable} ${seconds} PARENT_SCOPE)
endfunction()

# federity_test(NAME DIR … [DEPS …] [LABELS …] [TIMEOUT seconds] [SPEC spec] [WHOLE])
# One Catch2 binary of every *_test.cc below the folders. WHOLE registers the
# binary as one CTest entry (for what starts slowly, as LibTorch does).
function(federity_test name)
  cmake_parse_arguments(ARG "WHOLE" "TIMEOUT;SPEC" "DIRS;DEPS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  federity_timeout(ARG_TIMEOUT ${ARG_TIMEOUT})
  set(sources "")
  foreach(dir ${ARG_DIRS})
    file(GLOB_RECURSE found CONFIGURE_DEPENDS "${dir}/*_test.cc")
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} Catch2::Catch2WithMain)
  if(ARG_WHOLE)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
  else()
    catch_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_SPEC ${ARG_SPEC}
      PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
  endif()
endfunction()
