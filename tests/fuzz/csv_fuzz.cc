#include <algorithm>
#include <cmath>

#include "client/datasets/schema.h"
#include "client/trainer/data/csv_parser.h"
#include "client/trainer/data/readers.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

namespace federity::trainer {
namespace {

using Records = std::vector<std::vector<std::string>>;

// False: the text was refused.
bool Parse(std::string_view text, Records& records) {
  const FileDescriptor file = fuzz::MemoryFile(text);
  CsvParser parser(file.get());
  while (true) {
    const auto more = parser.Next();
    if (!more.ok()) return false;
    if (!*more) return true;
    FUZZ_CHECK(!parser.fields().empty() && parser.fields().size() <= CsvParser::kMaxFields);
    FUZZ_CHECK(parser.position() <= static_cast<int64_t>(text.size()));
    records.push_back(parser.fields());
  }
}

// Every field in quotes, so that nothing in it means anything.
std::string Format(const Records& records) {
  std::string text;
  for (const auto& record : records) {
    for (size_t i = 0; i < record.size(); ++i) {
      if (i != 0) text.push_back(',');
      text.push_back('"');
      for (const char c : record[i]) text.append(c == '"' ? 2 : 1, c);
      text += '"';
    }
    text += '\n';
  }
  return text;
}

Plan TablePlan() {
  Plan plan;
  plan.data.features = {"a", "b"};
  plan.data.label.assign(1, 'y');  // GCC 12 warns of the literal
  plan.data.classes = {"no", "yes", "1"};
  plan.data.missing = Plan::Missing::kMean;
  plan.data.standardise = Plan::Standardise::kFederated;
  return plan;
}

}  // namespace

FUZZ_TARGET(csv) {
  Records records;
  Records again;
  if (Parse(input, records) && input.size() < CsvParser::kMaxRecordBytes / 4)
    FUZZ_CHECK(Parse(Format(records), again) && again == records);

  static const Plan kPlan = TablePlan();
  const DataSource source{.format = "csv", .file = fuzz::MemoryFile(input)};
  Problems problems(5);
  size_t rows = 0;
  const auto consume = [&](std::span<const double> values, double label) {
    ++rows;
    FUZZ_CHECK(values.size() == 2 && label >= 0 && label < 3);
    for (const double value : values) FUZZ_CHECK(!std::isinf(value));
  };
  const auto status = ReadCsvTable(source, kPlan, consume, problems, {});
  FUZZ_CHECK(problems.list().size() <= 5);
  if (status.ok()) FUZZ_CHECK(rows < std::max<size_t>(records.size(), 1));
  (void)datasets::ParseHeaderLine(input);
}

}  // namespace federity::trainer
