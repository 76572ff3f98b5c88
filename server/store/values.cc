#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/encoding.h"
#include "common/log/log.h"
#include "server/store/database.h"

// The text forms of PostgreSQL's types, under DateStyle ISO, TimeZone UTC and
// bytea_output hex (PostgreSQL documentation, chapter 8).

namespace federity::store {
namespace {

// A getter that does not fit its column is our own bug: say so, carry on.
void LogMismatch(std::string_view type, size_t column) {
  log::Error("a result column does not hold the expected type",
             {{"type", std::string(type)}, {"column", absl::StrCat(column)}});
}

std::string FormatTimestamp(absl::Time value) {
  if (value == absl::InfiniteFuture()) return "infinity";
  if (value == absl::InfinitePast()) return "-infinity";
  return absl::FormatTime("%Y-%m-%d %H:%M:%E6S+00", value, absl::UTCTimeZone());
}

bool ParseTimestamp(const std::string& text, absl::Time* value) {
  if (text == "infinity") *value = absl::InfiniteFuture();
  if (text == "-infinity") *value = absl::InfinitePast();
  if (absl::EndsWith(text, "infinity")) return true;
  std::string error;
  return absl::ParseTime("%Y-%m-%d %H:%M:%E*S%Ez", text, value, &error);
}

}  // namespace

Params& Params::Text(std::string_view value) {
  values_.emplace_back(value);
  return *this;
}

Params& Params::Int(int64_t value) { return Text(absl::StrCat(value)); }

Params& Params::Real(double value) {
  if (std::isnan(value)) return Text("NaN");
  if (std::isinf(value)) return Text(value > 0 ? "Infinity" : "-Infinity");
  // The shortest text that reads back as the same double.
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return Text({buffer.data(), static_cast<size_t>(end - buffer.data())});
}

Params& Params::Bool(bool value) { return Text(value ? "t" : "f"); }

Params& Params::Bytes(std::string_view value) {
  return Text(absl::StrCat("\\x", HexEncode(value)));
}

Params& Params::Time(absl::Time value) { return Text(FormatTimestamp(value)); }

Params& Params::Null() {
  values_.emplace_back(std::nullopt);
  return *this;
}

Params& Params::OptionalText(const std::optional<std::string>& value) {
  return value.has_value() ? Text(*value) : Null();
}

Params& Params::OptionalTime(const std::optional<absl::Time>& value) {
  return value.has_value() ? Time(*value) : Null();
}

bool Row::IsNull(size_t column) const {
  if (column >= columns_.size()) {
    LogMismatch("column that exists", column);
    return true;
  }
  return !columns_[column].has_value();
}

std::string Row::Text(size_t column) const {
  if (IsNull(column)) {
    LogMismatch("text", column);
    return {};
  }
  return *columns_[column];
}

int64_t Row::Int(size_t column) const {
  int64_t value = 0;
  if (IsNull(column) || !absl::SimpleAtoi(*columns_[column], &value)) {
    LogMismatch("integer", column);
    return 0;
  }
  return value;
}

double Row::Real(size_t column) const {
  double value = 0;
  if (IsNull(column) || !absl::SimpleAtod(*columns_[column], &value)) {
    LogMismatch("double", column);
    return 0;
  }
  return value;
}

bool Row::Bool(size_t column) const {
  if (IsNull(column) || (*columns_[column] != "t" && *columns_[column] != "f")) {
    LogMismatch("boolean", column);
    return false;
  }
  return *columns_[column] == "t";
}

std::string Row::Bytes(size_t column) const {
  std::optional<std::string> bytes;
  if (!IsNull(column) && absl::StartsWith(*columns_[column], "\\x")) {
    bytes = HexDecode(std::string_view(*columns_[column]).substr(2));
  }
  if (!bytes.has_value()) {
    LogMismatch("bytea", column);
    return {};
  }
  return *std::move(bytes);
}

absl::Time Row::Time(size_t column) const {
  absl::Time value = absl::UnixEpoch();
  if (IsNull(column) || !ParseTimestamp(*columns_[column], &value)) {
    LogMismatch("timestamptz", column);
    return absl::UnixEpoch();
  }
  return value;
}

std::optional<std::string> Row::OptionalText(size_t column) const {
  if (IsNull(column)) return std::nullopt;
  return Text(column);
}

std::optional<absl::Time> Row::OptionalTime(size_t column) const {
  if (IsNull(column)) return std::nullopt;
  return Time(column);
}

absl::StatusOr<Row> Transaction::QueryOne(std::string_view sql, const Params& params) {
  absl::StatusOr<std::optional<Row>> row = QueryOptional(sql, params);
  if (!row.ok()) return row.status();
  if (!row->has_value()) return absl::NotFoundError("no such row");
  return **std::move(row);
}

absl::StatusOr<std::optional<Row>> Transaction::QueryOptional(std::string_view sql,
                                                              const Params& params) {
  absl::StatusOr<Rows> rows = Execute(sql, params);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::optional<Row>();
  if (rows->size() > 1) return absl::InternalError("more than one row where one was expected");
  return std::optional<Row>(std::move(rows->front()));
}

}  // namespace federity::store
