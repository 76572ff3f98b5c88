# federity_torch: LibTorch, which only client/trainer/worker links.
#
# FEDERITY_LIBTORCH empty: the distribution's. Else the folder of a pip wheel's
# torch package or of an unpacked LibTorch, whose libraries are linked by path: its
# own TorchConfig.cmake wants the CUDA toolkit and mixes in the distribution's
# libraries where both are there (docs/design/libtorch.md).
add_library(federity_torch INTERFACE)
# Before others: clang's constexpr vector needs the complete type (libstdc++ 12).
target_compile_options(federity_torch INTERFACE
  $<$<CXX_COMPILER_ID:Clang>:SHELL:-include ATen/core/ivalue.h>)

if(NOT FEDERITY_LIBTORCH)
  find_package(Torch REQUIRED)
  target_link_libraries(federity_torch INTERFACE ${TORCH_LIBRARIES})
  target_include_directories(federity_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  return()
endif()

set(torch_least 2.7)
set(torch_api "${FEDERITY_LIBTORCH}/include/torch/csrc/api/include")
set(torch_libraries "${FEDERITY_LIBTORCH}/lib/libtorch_cpu.so" "${FEDERITY_LIBTORCH}/lib/libc10.so")
foreach(file "${torch_api}/torch/version.h" ${torch_libraries})
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR
      "There is no ${file}. FEDERITY_LIBTORCH is the folder of an unpacked LibTorch, or what "
      "python3 -c 'import torch; print(torch.__path__[0])' prints.")
  endif()
endforeach()

file(STRINGS "${torch_api}/torch/version.h" torch_version
     REGEX "^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
string(REGEX REPLACE "#define TORCH_VERSION_[A-Z]+ " "" torch_version "${torch_version}")
list(JOIN torch_version "." torch_version)
if(torch_version VERSION_LESS torch_least)
  message(FATAL_ERROR
    "${FEDERITY_LIBTORCH} is LibTorch ${torch_version}; use ${torch_least} or later, or the "
    "distribution's (leave FEDERITY_LIBTORCH empty). docs/design/libtorch.md says why.")
endif()
# The wheel's own word on how it was compiled.
file(STRINGS "${FEDERITY_LIBTORCH}/share/cmake/Torch/TorchConfig.cmake" torch_abi
     REGEX "_GLIBCXX_USE_CXX11_ABI=0")
if(torch_abi)
  message(FATAL_ERROR
    "${FEDERITY_LIBTORCH} (LibTorch ${torch_version}) was built with the old C++ ABI "
    "(_GLIBCXX_USE_CXX11_ABI=0), which does not link with the other libraries; use the archive "
    "named cxx11-abi, or a pip torch.")
endif()

target_include_directories(federity_torch SYSTEM
  INTERFACE "${FEDERITY_LIBTORCH}/include" "${torch_api}")
# g++ 12 sees overflows in 2.x's reference counting where it inlines it.
target_compile_options(federity_torch
  INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>)
set(torch_cuda "${FEDERITY_LIBTORCH}/lib/libtorch_cuda.so")
if(EXISTS "${torch_cuda}")
  # Nothing refers to the CUDA half by a symbol: it registers itself when loaded.
  list(PREPEND torch_libraries
       -Wl,--push-state,--no-as-needed "${FEDERITY_LIBTORCH}/lib/libtorch.so" "${torch_cuda}"
       "${FEDERITY_LIBTORCH}/lib/libc10_cuda.so" -Wl,--pop-state)
endif()
# What these need in turn (CUDA's libraries) they find by their own run path.
target_link_libraries(federity_torch INTERFACE ${torch_libraries})
target_link_options(federity_torch INTERFACE -Wl,--allow-shlib-undefined)
message(STATUS "LibTorch ${torch_version} at ${FEDERITY_LIBTORCH}")
