# One cluster for all tests of a ctest run: a test that names the fixture
# `postgres` and has FEDERITY_TEST_POSTGRES=${test_postgres_url} uses it; run by
# hand it starts a cluster of its own.
string(SHA256 build_id "${CMAKE_BINARY_DIR}")
string(SUBSTRING "${build_id}" 0 12 build_id)
set(test_postgres_folder "/tmp/federity-test-${build_id}")
set(test_postgres_cache "${CMAKE_BINARY_DIR}/tests/postgres")
set(test_postgres_url "host=${test_postgres_folder}/run port=5432 dbname=postgres user=federity")
