#ifndef FEDERITY_TESTS_WIRE_DESCRIPTOR_LINES_H_
#define FEDERITY_TESTS_WIRE_DESCRIPTOR_LINES_H_

#include <google/protobuf/descriptor.h>

#include <set>
#include <string>
#include <vector>

namespace federity::testing {

// What peers rely on, a line a fact:
//   federity.v1.Commit message
//   federity.v1.Commit.tags = 17 repeated string
//   federity.v1.Commit reserved 18            (a number, or a name)
//   federity.v1.WatchAssignmentsResponse.training = 2 oneof event federity.v1.TrainingAssignment
//   federity.v1.Role enum
//   federity.v1.Role.ROLE_OWNER = 2
//   federity.v1.RoundService.WatchRound rpc (federity.v1.…) returns (stream federity.v1.…)
using DescriptorLines = std::set<std::string>;

void Describe(const google::protobuf::FileDescriptor& file, DescriptorLines& lines);

// The frozen lines that no longer hold. A field or an enum's value may go where its
// number and its name are reserved; nothing else may. What is new breaks nothing.
std::vector<std::string> Broken(const DescriptorLines& frozen, const DescriptorLines& current);

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_WIRE_DESCRIPTOR_LINES_H_
