set(FEDERITY_TIMEOUT_FACTOR 1)
if(FEDERITY_FUZZ)
  # Coverage of every file; tests/fuzz links the fuzzer's own main.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
                      -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()
if(FEDERITY_FUZZ OR NOT FEDERITY_SANITIZE STREQUAL "")
  add_compile_definitions(FEDERITY_SANITIZED)
endif()
if(FEDERITY_SANITIZE STREQUAL "asan")
  set(FEDERITY_TIMEOUT_FACTOR 4)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer
                      -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(FEDERITY_SANITIZE STREQUAL "tsan")
  set(FEDERITY_TIMEOUT_FACTOR 6)
  # In every program and before Abseil; not instrumented itself, and exported, so
  # that the distribution's libraries call it too.
  add_library(federity_tsan STATIC "${CMAKE_SOURCE_DIR}/tests/sanitizers/tsan_libraries.cc")
  target_compile_options(federity_tsan PRIVATE -Wall -Wextra -Wno-pmf-conversions)
  target_link_libraries(federity_tsan PUBLIC absl::synchronization gRPC::grpc++)
  target_link_options(federity_tsan INTERFACE -rdynamic)
  link_libraries(federity_tsan)
  # The distribution's libraries were built without it, and Protobuf's maps have
  # another layout with the macro; GCC's shared_ptr needs to know all the same.
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -U__SANITIZE_THREAD__
                      -D_GLIBCXX_TSAN=1)
  add_link_options(-fsanitize=thread)
elseif(NOT FEDERITY_SANITIZE STREQUAL "")
  message(FATAL_ERROR "FEDERITY_SANITIZE is '${FEDERITY_SANITIZE}'; use asan or tsan")
endif()
