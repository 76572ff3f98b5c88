#include "tests/wire/golden.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <map>
#include <stdexcept>
#include <string>

#include "common/base/files.h"
#include "common/base/strings.h"
#include "tests/wire/messages.h"

namespace federity::testing {
namespace {

namespace pb = google::protobuf;

const std::string kText = FEDERITY_GOLDEN_DIR "/wire/v1/exchanges.textproto";
const std::string kFrozen = FEDERITY_GOLDEN_DIR "/wire/v1/exchanges.binpb";
constexpr int64_t kMaxFile = 1 << 24;

constexpr char kHeader[] =
    "# proto-file: tests/wire/scenario.proto\n"
    "# proto-message: federity.testing.wire.Scenario\n"
    "# Written by tests/wire/record.sh, but for new exchanges.\n";

class Complaints final : public pb::io::ErrorCollector {
 public:
  void AddError(int line, pb::io::ColumnNumber, const std::string& message) override {
    throw std::runtime_error(StrCat(kText, ":", line + 1, ": ", message));
  }
};

}  // namespace

void ForEachAny(wire::Scenario& scenario, const std::function<void(pb::Any&)>& visit) {
  ForEachMessage(scenario, [&](pb::Message& message) {
    if (auto* any = dynamic_cast<pb::Any*>(&message)) visit(*any);
  });
}

wire::Scenario ReadText() {
  const auto text = ReadFile(kText, kMaxFile);
  if (!text.ok()) throw std::runtime_error(text.status().ToString());
  Complaints complaints;
  pb::TextFormat::Parser parser;
  parser.RecordErrorsTo(&complaints);
  wire::Scenario scenario;
  if (!parser.ParseFromString(*text, &scenario)) throw std::runtime_error("no scenario");
  ForEachAny(scenario, [](pb::Any& any) { any = Pack(*Unpack(any)); });
  return scenario;
}

std::optional<wire::Scenario> ReadFrozen() {
  const auto bytes = ReadFile(kFrozen, kMaxFile);
  if (absl::IsNotFound(bytes.status())) return std::nullopt;
  wire::Scenario scenario;
  if (!bytes.ok() || !scenario.ParseFromString(*bytes)) {
    throw std::runtime_error(kFrozen + " does not parse");
  }
  return scenario;
}

wire::Scenario ToRecord() {
  std::map<std::string, std::string> frozen;
  if (const auto scenario = ReadFrozen()) {
    for (const wire::Exchange& exchange : scenario->exchange()) {
      frozen[exchange.about()] = Bytes(exchange);
    }
  }
  wire::Scenario scenario = ReadText();
  for (wire::Exchange& exchange : *scenario.mutable_exchange()) {
    const auto at = frozen.find(exchange.about());
    if (at == frozen.end()) {
      exchange.clear_answer();
      exchange.clear_error();
    } else {
      if (Bytes(exchange) != at->second) {
        throw std::runtime_error(StrCat("frozen, and changed: ", exchange.about()));
      }
      frozen.erase(at);
    }
  }
  if (frozen.empty()) return scenario;
  throw std::runtime_error(StrCat("frozen, and gone: ", frozen.begin()->first));
}

void Write(const wire::Scenario& scenario) {
  pb::TextFormat::Printer printer;
  printer.SetExpandAny(true);
  printer.SetUseUtf8StringEscaping(true);
  std::string text;
  printer.PrintToString(scenario, &text);
  absl::Status status = WriteFileAtomically(kText, StrCat(kHeader, text), 0644);
  if (status.ok()) status = WriteFileAtomically(kFrozen, Bytes(scenario), 0644);
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

}  // namespace federity::testing
