#include "client/cli/figures.h"

#include <cmath>
#include <limits>

#include "client/terminal/format.h"
#include "client/terminal/table.h"
#include "common/base/strings.h"

namespace federity::cli {
namespace {

using terminal::Json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double Ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : kNone;
}

template <class Metrics>
Figures Compute(const Metrics& metrics) {
  Figures out;
  out.examples = metrics.examples();
  out.loss = out.examples > 0 ? metrics.loss_sum() / static_cast<double>(out.examples) : kNone;
  out.confusion.assign(metrics.confusion().begin(), metrics.confusion().end());
  out.accuracy = out.sensitivity = out.specificity = kNone;
  const auto k = static_cast<int64_t>(std::lround(std::sqrt(out.confusion.size())));
  if (k == 0 || k * k != static_cast<int64_t>(out.confusion.size())) return out;
  out.classes = k;
  const auto at = [&](int64_t actual, int64_t predicted) {
    return out.confusion[static_cast<size_t>(actual * k + predicted)];
  };
  int64_t right = 0, all = 0;
  for (int64_t i = 0; i < k; ++i) right += at(i, i);
  for (const int64_t count : out.confusion) all += count;
  out.accuracy = Ratio(right, all);
  if (k == 2) {
    out.sensitivity = Ratio(at(1, 1), at(1, 0) + at(1, 1));
    out.specificity = Ratio(at(0, 0), at(0, 0) + at(0, 1));
  }
  return out;
}

std::string ClassName(const std::vector<std::string>& names, int64_t index) {
  const auto i = static_cast<size_t>(index);
  return i < names.size() ? names[i] : StrCat("class ", index);
}

}  // namespace

Figures FiguresOf(const v1::Metrics& metrics) { return Compute(metrics); }
Figures FiguresOf(const worker::v1::Metrics& metrics) { return Compute(metrics); }

Json ToJson(const Figures& figures) {
  Json confusion = Json::array();
  for (int64_t row = 0; row < figures.classes; ++row) {
    const auto begin = figures.confusion.begin() + row * figures.classes;
    confusion.push_back(std::vector<int64_t>(begin, begin + figures.classes));
  }
  // NaN is written as null.
  return {{"examples", figures.examples},       {"loss", figures.loss},
          {"accuracy", figures.accuracy},       {"sensitivity", figures.sensitivity},
          {"specificity", figures.specificity}, {"confusion", std::move(confusion)}};
}

std::string ToText(const Figures& figures, const std::vector<std::string>& class_names) {
  terminal::Properties lines;
  lines.Add("Examples", StrCat(figures.examples));
  lines.Add("Loss", terminal::FormatNumber(figures.loss));
  if (!std::isnan(figures.accuracy)) {
    lines.Add("Accuracy", terminal::FormatPercent(figures.accuracy));
  }
  if (figures.classes == 2) {
    lines.Add("Sensitivity", terminal::FormatPercent(figures.sensitivity));
    lines.Add("Specificity", terminal::FormatPercent(figures.specificity));
  }
  std::string text = lines.ToString();
  // A hundred columns are no table.
  if (figures.classes < 2 || figures.classes > 12) return text;
  std::vector<terminal::Column> columns = {{"ACTUAL \\ PREDICTED"}};
  for (int64_t c = 0; c < figures.classes; ++c) {
    columns.push_back({ClassName(class_names, c), terminal::Align::kRight});
  }
  terminal::Table table(std::move(columns));
  for (int64_t r = 0; r < figures.classes; ++r) {
    std::vector<std::string> row = {ClassName(class_names, r)};
    for (int64_t c = 0; c < figures.classes; ++c) {
      row.push_back(StrCat(figures.confusion[static_cast<size_t>(r * figures.classes + c)]));
    }
    table.Add(std::move(row));
  }
  return text + table.ToString();
}

}  // namespace federity::cli
