if(FEDERITY_SANITIZE STREQUAL "asan")
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer
                      -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(FEDERITY_SANITIZE STREQUAL "tsan")
  # In every program and before Abseil; not instrumented itself, and exported, so
  # that the distribution's libraries call it too.
  add_library(federity_tsan STATIC "${CMAKE_SOURCE_DIR}/tests/sanitizers/tsan_abseil.cc")
  target_compile_options(federity_tsan PRIVATE -Wall -Wextra -Wno-pmf-conversions)
  target_link_libraries(federity_tsan PUBLIC absl::synchronization)
  target_link_options(federity_tsan INTERFACE -rdynamic)
  link_libraries(federity_tsan)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOT FEDERITY_SANITIZE STREQUAL "")
  message(FATAL_ERROR "FEDERITY_SANITIZE is '${FEDERITY_SANITIZE}'; use asan or tsan")
endif()
