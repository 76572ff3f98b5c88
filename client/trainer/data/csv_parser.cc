#include "client/trainer/data/csv_parser.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "client/trainer/failure.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

constexpr size_t kBlock = 1 << 18;
constexpr std::string_view kUtf8Bom = "\xEF\xBB\xBF";

}  // namespace

absl::Status CsvParser::Fault(std::string_view what) const {
  return Failure(kDataInvalid, StrCat("line ", line_, " of the CSV file: ", what));
}

absl::Status CsvParser::Fill() {
  block_offset_ += static_cast<int64_t>(block_.size());
  block_.resize(kBlock);
  next_ = 0;
  ssize_t n = 0;
  do {
    n = pread(fd_, block_.data(), block_.size(), block_offset_);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return absl::ErrnoToStatus(errno, "reading the CSV file");
  block_.resize(static_cast<size_t>(n));
  at_end_ = n == 0;
  return absl::OkStatus();
}

absl::Status CsvParser::DetectDelimiter() {
  started_ = true;
  FEDERITY_RETURN_IF_ERROR(Fill());
  if (block_.starts_with("\xFF\xFE") || block_.starts_with("\xFE\xFF")) {
    return Fault("the file is UTF-16; save it as UTF-8");
  }
  if (block_.starts_with(kUtf8Bom)) next_ = kUtf8Bom.size();
  bool quoted = false;
  bool comma = false;
  bool semicolon = false;
  for (size_t i = next_; i < block_.size() && (quoted || block_[i] != '\n'); ++i) {
    if (block_[i] == '"') quoted = !quoted;
    comma |= !quoted && block_[i] == ',';
    semicolon |= !quoted && block_[i] == ';';
  }
  delimiter_ = semicolon && !comma ? ';' : ',';
  return absl::OkStatus();
}

absl::StatusOr<int> CsvParser::TakeByte() {
  if (next_ == block_.size() && !at_end_) FEDERITY_RETURN_IF_ERROR(Fill());
  if (at_end_) return -1;
  return static_cast<unsigned char>(block_[next_++]);
}

absl::Status CsvParser::EndField() {
  if (field_count_ >= kMaxFields) {
    return Fault(StrCat("more than ", kMaxFields, " columns"));
  }
  // Strings are reused from record to record.
  if (fields_.size() <= field_count_) fields_.emplace_back();
  fields_[field_count_++] = field_;
  field_.clear();
  place_ = Place::kFieldStart;
  return absl::OkStatus();
}

absl::Status CsvParser::TakeUnquoted(char c) {
  if (c == delimiter_) return EndField();
  if (c == '\n') {
    record_done_ = true;
    return EndField();
  }
  if (c == '\r') {
    carriage_return_ = true;
    return absl::OkStatus();
  }
  if (c == '"') {
    if (place_ != Place::kFieldStart) {
      return Fault("a quotation mark inside a field that does not start with one");
    }
    place_ = Place::kQuoted;
    quoted_ = true;
    return absl::OkStatus();
  }
  place_ = Place::kPlain;
  field_.push_back(c);
  return absl::OkStatus();
}

absl::Status CsvParser::TakeAfterQuote(char c) {
  if (c == '"') {
    field_.push_back('"');
    place_ = Place::kQuoted;
    return absl::OkStatus();
  }
  if (c != delimiter_ && c != '\n' && c != '\r') {
    return Fault("text after a closing quotation mark");
  }
  return TakeUnquoted(c);
}

absl::Status CsvParser::Take(char c) {
  if (++record_bytes_ > kMaxRecordBytes) {
    return Fault(StrCat("a record of more than ", kMaxRecordBytes,
                        " bytes; is a quotation mark never closed?"));
  }
  if (c == '\0') return Fault("a NUL byte; this is not a text file");
  if (carriage_return_) {
    carriage_return_ = false;
    if (c != '\n') return Fault("a carriage return that no line feed follows");
  }
  switch (place_) {
    case Place::kFieldStart:
    case Place::kPlain:
      return TakeUnquoted(c);
    case Place::kQuoteInQuoted:
      return TakeAfterQuote(c);
    case Place::kQuoted:
      if (c == '"') {
        place_ = Place::kQuoteInQuoted;
      } else {
        field_.push_back(c);
      }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> CsvParser::Next() {
  if (!started_) FEDERITY_RETURN_IF_ERROR(DetectDelimiter());
  while (true) {
    record_done_ = quoted_ = false;
    record_bytes_ = field_count_ = 0;
    record_line_ = line_;
    while (!record_done_) {
      FEDERITY_ASSIGN_OR_RETURN(const int byte, TakeByte());
      if (byte < 0) {
        if (place_ == Place::kQuoted) return Fault("the file ends inside quotation marks");
        if (record_bytes_ == 0) return false;
        carriage_return_ = false;
        record_done_ = true;
        FEDERITY_RETURN_IF_ERROR(EndField());
        break;
      }
      FEDERITY_RETURN_IF_ERROR(Take(static_cast<char>(byte)));
      if (byte == '\n') ++line_;
    }
    const bool empty = field_count_ == 1 && fields_[0].empty() && !quoted_;
    if (!empty) {
      fields_.resize(field_count_);
      return true;
    }
  }
}

}  // namespace federity::trainer
