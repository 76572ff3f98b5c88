#ifndef FEDERITY_TESTS_WIRE_API_FILES_H_
#define FEDERITY_TESTS_WIRE_API_FILES_H_

#include <google/protobuf/descriptor.h>

#include <vector>

namespace federity::testing {

// Descriptors of all that crosses machines: federity.v1, and google.rpc of the
// errors' details. From this program itself; throws std::runtime_error if a .proto
// file of these folders is not linked into it.
std::vector<const google::protobuf::FileDescriptor*> ApiFiles();

// Every method of the API's services.
std::vector<const google::protobuf::MethodDescriptor*> ApiMethods();

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_WIRE_API_FILES_H_
