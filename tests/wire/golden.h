#ifndef FEDERITY_TESTS_WIRE_GOLDEN_H_
#define FEDERITY_TESTS_WIRE_GOLDEN_H_

#include <functional>
#include <optional>

#include "tests/wire/scenario.pb.h"

namespace federity::testing {

// tests/golden/wire/v1: exchanges.textproto, which people read and write, and
// exchanges.binpb, the same as bytes, which alone is frozen. Failures throw
// std::runtime_error.

wire::Scenario ReadText();
std::optional<wire::Scenario> ReadFrozen();  // nothing before the first recording

// Calls `visit` for each message that was on the wire.
void ForEachAny(wire::Scenario& scenario, const std::function<void(google::protobuf::Any&)>& visit);

// The text's scenario with its recorded answers where they are frozen, without
// those that are not. Throws if the text lacks or changes a frozen exchange.
wire::Scenario ToRecord();
void Write(const wire::Scenario& scenario);

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_WIRE_GOLDEN_H_
