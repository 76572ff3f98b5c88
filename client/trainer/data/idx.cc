// IDX (the format of MNIST), plain or gzip:
//   file := 0 0 type:u8 dimensions:u8 size:u32be{dimensions} element*
// Only unsigned bytes (type 8) are read: [N,H,W] or [N,C,H,W] images, [N] labels.
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "absl/strings/str_join.h"
#include "client/trainer/data/labels.h"
#include "client/trainer/data/readers.h"
#include "client/trainer/failure.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

constexpr size_t kBlock = 1 << 16;
constexpr uint8_t kUnsignedBytes = 8;
constexpr int64_t kRowsPerProgress = 1024;

// The bytes of a file, unpacked if it is gzip. Needs no system call but pread.
class ByteStream {
 public:
  ByteStream(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  ~ByteStream() {
    if (packed_) inflateEnd(&inflater_);
  }

  // Reads up to `size` bytes; fewer only at the end.
  absl::StatusOr<size_t> Read(uint8_t* out, size_t size) {
    if (!started_) FEDERITY_RETURN_IF_ERROR(Start());
    size_t done = 0;
    while (done < size && !ended_) {
      if (next_ == filled_) FEDERITY_RETURN_IF_ERROR(Fill());
      if (next_ == filled_) {
        if (packed_) return Failure(kDataInvalid, name_ + ": the gzip data ends early");
        break;
      }
      if (packed_) {
        FEDERITY_RETURN_IF_ERROR(Inflate(out, size, done));
      } else {
        const size_t n = std::min(size - done, filled_ - next_);
        std::copy_n(block_.data() + next_, n, out + done);
        next_ += n;
        done += n;
      }
    }
    return done;
  }
  const std::string& name() const { return name_; }

 private:
  absl::Status Start() {
    started_ = true;
    FEDERITY_RETURN_IF_ERROR(Fill());
    if (filled_ >= 2 && block_[0] == 0x1f && block_[1] == 0x8b) {
      packed_ = inflateInit2(&inflater_, 16 + MAX_WBITS) == Z_OK;
      if (!packed_) return Failure(kOutOfMemory, "no memory to unpack gzip data");
    }
    return absl::OkStatus();
  }

  absl::Status Fill() {
    const ssize_t n = pread(fd_, block_.data(), block_.size(), offset_);
    if (n < 0) return absl::ErrnoToStatus(errno, name_);
    offset_ += n;
    filled_ = static_cast<size_t>(n);
    next_ = 0;
    return absl::OkStatus();
  }

  absl::Status Inflate(uint8_t* out, size_t size, size_t& done) {
    inflater_.next_in = block_.data() + next_;
    inflater_.avail_in = static_cast<uInt>(filled_ - next_);
    inflater_.next_out = out + done;
    inflater_.avail_out = static_cast<uInt>(size - done);
    const int result = inflate(&inflater_, Z_NO_FLUSH);
    next_ = filled_ - inflater_.avail_in;
    done = size - inflater_.avail_out;
    ended_ = result == Z_STREAM_END;
    if (result != Z_OK && !ended_ && result != Z_BUF_ERROR) {
      return Failure(kDataInvalid, name_ + ": the gzip data is damaged");
    }
    return absl::OkStatus();
  }

  int fd_;
  std::string name_;
  std::vector<uint8_t> block_ = std::vector<uint8_t>(kBlock);
  off_t offset_ = 0;
  size_t next_ = 0;
  size_t filled_ = 0;
  bool started_ = false;
  bool packed_ = false;
  bool ended_ = false;
  z_stream inflater_ = {};
};

absl::StatusOr<std::vector<int64_t>> ReadHeader(ByteStream& stream) {
  std::array<uint8_t, 4> magic = {};
  FEDERITY_ASSIGN_OR_RETURN(const size_t n, stream.Read(magic.data(), magic.size()));
  if (n < magic.size() || magic[0] != 0 || magic[1] != 0 || magic[3] == 0 || magic[3] > 4) {
    return Failure(kDataInvalid, stream.name() + ": not an IDX file");
  }
  if (magic[2] != kUnsignedBytes) {
    return Failure(kDataInvalid, stream.name() + ": IDX elements must be unsigned bytes");
  }
  std::vector<int64_t> sizes;
  for (int i = 0; i < magic[3]; ++i) {
    std::array<uint8_t, 4> size = {};
    FEDERITY_ASSIGN_OR_RETURN(const size_t read, stream.Read(size.data(), size.size()));
    if (read < size.size()) {
      return Failure(kDataInvalid, stream.name() + ": the IDX header ends early");
    }
    sizes.push_back(int64_t{size[0]} << 24 | size[1] << 16 | size[2] << 8 | size[3]);
  }
  return sizes;
}

// [N,C,H,W], and [N,H,W] for one channel.
bool ShapeMatches(const std::vector<int64_t>& sizes, const std::vector<int64_t>& shape) {
  const bool channel = sizes.size() == shape.size() + 1;
  const bool plain = sizes.size() == shape.size() && !shape.empty() && shape[0] == 1;
  return (channel && std::equal(shape.begin(), shape.end(), sizes.begin() + 1)) ||
         (plain && std::equal(shape.begin() + 1, shape.end(), sizes.begin() + 1));
}

absl::StatusOr<int64_t> ReadHeaders(ByteStream& images, ByteStream& labels, const Plan& plan) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<int64_t> sizes, ReadHeader(images));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<int64_t> label_sizes, ReadHeader(labels));
  if (!ShapeMatches(sizes, plan.data.shape)) {
    return Failure(kDataInvalid, StrCat("the IDX images have the sizes [",
                                        absl::StrJoin(sizes, ", "), "]; the plan's data.shape is [",
                                        absl::StrJoin(plan.data.shape, ", "), "]"));
  }
  if (label_sizes.size() != 1) {
    return Failure(kDataInvalid, "the IDX labels must have one dimension");
  }
  if (label_sizes[0] != sizes[0]) {
    return Failure(kDataInvalid, StrCat("the IDX files have ", sizes[0], " images and ",
                                        label_sizes[0], " labels"));
  }
  return sizes[0];
}

}  // namespace

absl::Status ReadIdx(const DataSource& source, const Plan& plan, const RowConsumer& consume,
                     Problems& problems, const ReadProgress& progress) {
  if (plan.data.kind != Plan::DataKind::kImages) {
    return Failure(kDataInvalid, "the plan is about tables, and the data set is an IDX file");
  }
  ByteStream images(source.file.get(), "the images file");
  ByteStream labels(source.labels.get(), "the labels file");
  FEDERITY_ASSIGN_OR_RETURN(const int64_t rows, ReadHeaders(images, labels, plan));
  const LabelMap map(plan);
  std::vector<uint8_t> pixels(static_cast<size_t>(plan.input_size()));
  std::vector<double> values(pixels.size());
  for (int64_t row = 1; row <= rows && !problems.full(); ++row) {
    uint8_t label = 0;
    FEDERITY_ASSIGN_OR_RETURN(const size_t n, images.Read(pixels.data(), pixels.size()));
    FEDERITY_ASSIGN_OR_RETURN(const size_t m, labels.Read(&label, 1));
    if (n < pixels.size() || m < 1) {
      return Failure(kDataInvalid,
                     StrCat("the IDX header says ", rows, " rows; the file ends in row ", row));
    }
    if (const auto mapped = map.FromIndex(label)) {
      for (size_t i = 0; i < pixels.size(); ++i) values[i] = pixels[i] / plan.data.scale;
      consume(values, *mapped);
    } else {
      problems.Add(row, "label",
                   StrCat("the label is not below ", plan.data.classes.size(),
                          ", the number of data.classes"));
    }
    if (progress && row % kRowsPerProgress == 0) {
      progress(static_cast<double>(row) / static_cast<double>(rows));
    }
  }
  return absl::OkStatus();
}

}  // namespace federity::trainer
