#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "client/trainer/data/csv_parser.h"
#include "client/trainer/data/labels.h"
#include "client/trainer/data/readers.h"
#include "client/trainer/failure.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/plan/standardisation.h"

namespace federity::trainer {
namespace {

constexpr int64_t kRowsPerProgress = 1024;

// Where the plan's columns stand in the file.
struct Columns {
  size_t count = 0;
  std::vector<size_t> features;
  size_t label = 0;
  std::string label_name;
};

std::string_view TrimName(std::string_view name) {
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
  return name;
}

// The header's other names are not shown: of a file without a header they would
// be data.
std::optional<size_t> FindColumn(const std::vector<std::string>& header, std::string_view name,
                                 Problems& problems) {
  std::optional<size_t> found;
  for (size_t i = 0; i < header.size(); ++i) {
    if (TrimName(header[i]) != name) continue;
    if (found) {
      problems.Add(0, name, "the header has this column twice");
      return std::nullopt;
    }
    found = i;
  }
  if (!found) {
    problems.Add(0, name,
                 StrCat("the header has no such column (it has ", header.size(),
                        "); the first line must name the columns"));
  }
  return found;
}

std::optional<Columns> FindColumns(const std::vector<std::string>& header, const Plan& plan,
                                   const std::string& label_column, Problems& problems) {
  Columns columns{.count = header.size(),
                  .label_name = label_column.empty() ? plan.data.label : label_column};
  bool complete = true;
  for (const std::string& name : plan.data.features) {
    const auto place = FindColumn(header, name, problems);
    complete = complete && place.has_value();
    columns.features.push_back(place.value_or(0));
  }
  const auto label = FindColumn(header, columns.label_name, problems);
  if (!complete || !label) return std::nullopt;
  columns.label = *label;
  return columns;
}

// False: the row has a problem.
bool ParseRow(const std::vector<std::string>& fields, const Columns& columns, const Plan& plan,
              const LabelMap& labels, int64_t row, std::vector<double>& values, double& label,
              Problems& problems) {
  if (fields.size() != columns.count) {
    problems.Add(row, "", StrCat("has ", fields.size(), " fields; the header has ", columns.count));
    return false;
  }
  const bool summed = plan.data.standardise == Plan::Standardise::kFederated;
  bool good = true;
  for (size_t i = 0; i < columns.features.size(); ++i) {
    const std::string& text = fields[columns.features[i]];
    if (IsMissing(text)) {
      values[i] = std::numeric_limits<double>::quiet_NaN();
      if (plan.data.missing == Plan::Missing::kMean) continue;
      problems.Add(row, plan.data.features[i],
                   "the value is missing (data.missing is \"refuse\" in the plan)");
      good = false;
    } else if (const auto number = ParseNumber(text);
               number && summed && std::abs(*number) > kMaxStatisticsValue) {
      problems.Add(row, plan.data.features[i],
                   "is beyond 2^44 (about 1.8e13), too large for federated statistics; give the "
                   "column another unit");
      good = false;
    } else if (number) {
      values[i] = *number;
    } else {
      problems.Add(row, plan.data.features[i], "is not a finite number with a decimal dot");
      good = false;
    }
  }
  if (const auto value = labels.FromText(fields[columns.label])) {
    label = *value;
  } else {
    problems.Add(row, columns.label_name, StrCat("the label is not ", labels.Expected()));
    good = false;
  }
  return good;
}

}  // namespace

absl::Status ReadCsvTable(const DataSource& source, const Plan& plan, const RowConsumer& consume,
                          Problems& problems, const ReadProgress& progress) {
  if (plan.data.kind != Plan::DataKind::kTable) {
    return Failure(kDataInvalid, "the plan is about images, and the data set is a CSV file");
  }
  struct stat status = {};
  fstat(source.file.get(), &status);
  CsvParser parser(source.file.get());
  FEDERITY_ASSIGN_OR_RETURN(const bool has_header, parser.Next());
  if (!has_header) return Failure(kDataInvalid, "the CSV file is empty");
  const auto columns = FindColumns(parser.fields(), plan, source.label_column, problems);
  if (!columns) return absl::OkStatus();
  const LabelMap labels(plan);
  std::vector<double> values(columns->features.size());
  for (int64_t row = 1; !problems.full(); ++row) {
    FEDERITY_ASSIGN_OR_RETURN(const bool more, parser.Next());
    if (!more) break;
    double label = 0;
    if (ParseRow(parser.fields(), *columns, plan, labels, row, values, label, problems)) {
      consume(values, label);
    }
    if (progress && row % kRowsPerProgress == 0 && status.st_size > 0) {
      progress(static_cast<double>(parser.position()) / static_cast<double>(status.st_size));
    }
  }
  return absl::OkStatus();
}

}  // namespace federity::trainer
