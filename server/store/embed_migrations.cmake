# cmake -DDIRECTORY=… -DOUTPUT=… -P: every V<number>__<name>.sql as a C++ array.
file(GLOB files "${DIRECTORY}/V*.sql")
list(SORT files)
set(entries "")
set(count 0)
foreach(file ${files})
  get_filename_component(base "${file}" NAME_WE)
  if(NOT base MATCHES "^V([0-9]+)__([a-z0-9_]+)$")
    message(FATAL_ERROR "${file}: the name must be V0001__name.sql")
  endif()
  string(REGEX REPLACE "^0+" "" version "${CMAKE_MATCH_1}")
  set(name "${CMAKE_MATCH_2}")
  math(EXPR count "${count} + 1")
  if(NOT version EQUAL count)
    message(FATAL_ERROR "${file}: expected version ${count}; versions have no gaps")
  endif()
  file(READ "${file}" sql)
  string(APPEND entries "    {${version}, \"${name}\", R\"federity_sql(${sql})federity_sql\"},\n")
endforeach()
file(WRITE "${OUTPUT}"
"// Generated from server/store/migrations.
#include \"server/store/migrations.h\"

namespace federity::store {
namespace {
constexpr Migration kMigrations[] = {
${entries}};
}  // namespace

std::span<const Migration> EmbeddedMigrations() { return kMigrations; }

}  // namespace federity::store
")
