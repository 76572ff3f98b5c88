# The trainer without its graph allow-list: what then still holds is the
# sandbox. Built for tests, never installed.
add_executable(federity-trainer-unchecked "${CMAKE_CURRENT_LIST_DIR}/unchecked_main.cc")
target_include_directories(federity-trainer-unchecked PRIVATE "${CMAKE_SOURCE_DIR}")
target_link_libraries(federity-trainer-unchecked PRIVATE federity_trainer_worker)
# Whoever links this has it built.
add_library(federity_trainer_unchecked INTERFACE)
add_dependencies(federity_trainer_unchecked federity-trainer-unchecked)
