# Language level, ccache and a fast linker where they exist.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(THREADS_PREFER_PTHREAD_FLAG ON)

find_program(FEDERITY_CCACHE ccache)
if(FEDERITY_CCACHE)
  # Line tables are relative, so that every checkout and build folder shares the
  # cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}"
      CCACHE_NOHASHDIR=1 "${FEDERITY_CCACHE}")
endif()
add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")

find_program(FEDERITY_MOLD mold)
if(FEDERITY_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Two LibTorch files at once want 3 GB; they share this pool.
set_property(GLOBAL PROPERTY JOB_POOLS torch=2)
