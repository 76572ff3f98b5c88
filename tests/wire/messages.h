#ifndef FEDERITY_TESTS_WIRE_MESSAGES_H_
#define FEDERITY_TESTS_WIRE_MESSAGES_H_

#include <google/protobuf/any.pb.h>
#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>

#include "tests/wire/scenario.pb.h"

namespace federity::testing {

// Messages of whatever type. Failures throw std::runtime_error.

using AnyMessage = std::unique_ptr<google::protobuf::Message>;

// An empty message of a type that is linked into this program.
AnyMessage NewMessage(const google::protobuf::Descriptor& type);
AnyMessage Unpack(const google::protobuf::Any& any);
google::protobuf::Any Pack(const google::protobuf::Message& message);

// The message's bytes; the same for equal messages, maps too.
std::string Bytes(const google::protobuf::Message& message);

// Calls `visit` for every message within, and for `message` itself first. An Any is
// visited, what it holds is not.
void ForEachMessage(google::protobuf::Message& message,
                    const std::function<void(google::protobuf::Message&)>& visit);

// Calls `change` for every text within: strings and bytes, but an Any's.
void ForEachText(google::protobuf::Message& message,
                 const std::function<std::string(const std::string&)>& change);

// Calls `visit` with each text of `pattern` and what `message` has in its place.
void ForEachPair(const google::protobuf::Message& pattern, const google::protobuf::Message& message,
                 const std::function<void(const std::string&, const std::string&)>& visit);

// What of `expected` is not so in `actual`, in words; empty if all is. `actual` may
// have more fields, and others' values where the scenario says that they vary.
std::string Difference(const wire::Scenario& scenario, const google::protobuf::Message& expected,
                       const google::protobuf::Message& actual);

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_WIRE_MESSAGES_H_
