#ifndef FEDERITY_CLIENT_TRAINER_DATA_CSV_PARSER_H_
#define FEDERITY_CLIENT_TRAINER_DATA_CSV_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace federity::trainer {

// A strict reader of RFC 4180 text from an open file:
//   file   := [BOM] record *(newline record) [newline]
//   record := field *(delimiter field)
//   field  := *plain | '"' *(any | '""') '"'
// newline is CR LF or LF; the delimiter is a comma, or a semicolon if the first
// record has one and no comma (outside quotes). Empty lines are skipped. Reads
// a block at a time; memory is bounded by the limits. Not thread-safe.
class CsvParser {
 public:
  static constexpr size_t kMaxRecordBytes = 1 << 20;
  static constexpr size_t kMaxFields = 20'000;

  // `fd` must stay open; it is read from its start, with pread.
  explicit CsvParser(int fd) : fd_(fd) {}

  // True: `fields()` are the next record. False: the end. DATA_INVALID names the
  // line and fault: NUL byte, stray quote or CR, a record beyond the limits,
  // UTF-16.
  absl::StatusOr<bool> Next();
  const std::vector<std::string>& fields() const { return fields_; }
  // The line that the current record starts on, from 1.
  int64_t line() const { return record_line_; }
  // How many bytes were taken so far.
  int64_t position() const { return block_offset_ + static_cast<int64_t>(next_); }

 private:
  enum class Place { kFieldStart, kPlain, kQuoted, kQuoteInQuoted };

  absl::Status Fill();
  absl::Status DetectDelimiter();
  // -1: the end of the file.
  absl::StatusOr<int> TakeByte();
  absl::Status Take(char c);
  absl::Status TakeUnquoted(char c);
  absl::Status TakeAfterQuote(char c);
  absl::Status EndField();
  absl::Status Fault(std::string_view what) const;

  int fd_;
  char delimiter_ = ',';
  std::string block_;
  int64_t block_offset_ = 0;
  size_t next_ = 0;
  bool started_ = false;
  bool at_end_ = false;

  Place place_ = Place::kFieldStart;
  bool carriage_return_ = false;  // a CR that must be followed by LF
  bool record_done_ = false;
  bool quoted_ = false;  // the record has a quoted field, so it is not an empty line
  size_t record_bytes_ = 0;
  size_t field_count_ = 0;
  std::string field_;
  int64_t line_ = 1;
  int64_t record_line_ = 1;
  std::vector<std::string> fields_;
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_DATA_CSV_PARSER_H_
