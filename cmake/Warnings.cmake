# Pedantic warnings for our own targets, never for generated or foreign code.
add_library(federity_warnings INTERFACE)
target_compile_options(federity_warnings INTERFACE
  -Wall -Wextra -Wpedantic
  -Wshadow              # a local that hides another
  -Wnon-virtual-dtor -Woverloaded-virtual
  -Wcast-align -Wold-style-cast
  -Wconversion -Wno-sign-conversion  # narrowing yes; signedness drowns it
  -Wunused -Wnull-dereference -Wformat=2
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond;-Wlogical-op;-Wno-null-dereference;-Wno-missing-field-initializers>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety;-Wno-missing-field-initializers>
  $<$<BOOL:${FEDERITY_WERROR}>:-Werror>)
