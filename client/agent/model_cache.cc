#include "client/agent/model_cache.h"

#include <algorithm>
#include <vector>

#include "client/terminal/format.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/file_digest.h"

namespace federity::agent {
namespace {

constexpr int64_t kMaxPartBytes = int64_t{1} << 40;

struct Cached {
  std::filesystem::path path;
  std::filesystem::file_time_type used;
  int64_t bytes = 0;
};

std::vector<Cached> ListCached(const std::filesystem::path& directory) {
  std::vector<Cached> files;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    files.push_back(
        {at->path(), at->last_write_time(ignored), static_cast<int64_t>(at->file_size(ignored))});
  }
  std::sort(files.begin(), files.end(),
            [](const Cached& a, const Cached& b) { return a.used < b.used; });
  return files;
}

}  // namespace

absl::StatusOr<ModelCache::Files> ModelCache::Fetch(const std::shared_ptr<grpc::Channel>& channel,
                                                    const v1::Commit& commit,
                                                    const transfer::TransferOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest program,
                            crypto::ParseDigest(commit.program_digest()));
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest weights,
                            crypto::ParseDigest(commit.weights_digest()));
  const Files files{directory_ / program.Hex(), directory_ / weights.Hex()};
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(directory_));
  FEDERITY_RETURN_IF_ERROR(MakeRoom(commit, files));
  // One progress over both parts: the program's bytes come first.
  const int64_t total = std::max<int64_t>(commit.program_bytes() + commit.weights_bytes(), 1);
  transfer::TransferOptions part = options;
  const auto report = [&](int64_t before) {
    part.on_progress = [&options, before, total](int64_t done, int64_t) {
      if (options.on_progress) options.on_progress(before + done, total);
    };
  };
  report(0);
  FEDERITY_RETURN_IF_ERROR(
      FetchPart(channel, commit, v1::COMMIT_PART_PROGRAM, files.program, part));
  report(commit.program_bytes());
  FEDERITY_RETURN_IF_ERROR(
      FetchPart(channel, commit, v1::COMMIT_PART_WEIGHTS, files.weights, part));
  return files;
}

absl::Status ModelCache::MakeRoom(const v1::Commit& commit, const Files& keep) {
  for (const int64_t bytes : {commit.program_bytes(), commit.weights_bytes()})
    if (bytes < 0 || bytes > kMaxPartBytes)
      return InvalidArgument("commit", StrCat("a part of ", bytes, " bytes makes no sense"));
  const int64_t needed = commit.program_bytes() + commit.weights_bytes();
  if (needed > max_bytes_)
    return Error(
        v1::ERROR_REASON_LIMIT_EXCEEDED,
        StrCat("the model has ", terminal::FormatBytes(needed), ", the agent's cache at most ",
               terminal::FormatBytes(max_bytes_), "; raise cache_size in agent.toml"));
  const std::vector<Cached> files = ListCached(directory_);
  const auto kept = [&](const Cached& file) {
    std::filesystem::path whole = file.path;
    if (whole.extension() == ".partial") whole.replace_extension();
    return whole == keep.program || whole == keep.weights;
  };
  int64_t total = needed;
  for (const Cached& file : files)
    if (!kept(file)) total += file.bytes;
  for (const Cached& file : files) {
    if (total <= max_bytes_) break;
    if (kept(file)) continue;
    std::error_code error;
    if (std::filesystem::remove(file.path, error)) total -= file.bytes;
  }
  return absl::OkStatus();
}

absl::Status ModelCache::FetchPart(const std::shared_ptr<grpc::Channel>& channel,
                                   const v1::Commit& commit, v1::CommitPart part,
                                   const std::filesystem::path& file,
                                   transfer::TransferOptions options) {
  const bool program = part == v1::COMMIT_PART_PROGRAM;
  options.expected_digest = program ? commit.program_digest() : commit.weights_digest();
  options.max_bytes = program ? commit.program_bytes() : commit.weights_bytes();
  std::error_code error;
  if (std::filesystem::exists(file, error)) {
    const auto content = crypto::DigestFile(file, [&](std::string_view) {
      return options.cancelled && options.cancelled() ? absl::CancelledError("stopped")
                                                      : absl::OkStatus();
    });
    if (absl::IsCancelled(content.status())) return content.status();
    if (content.ok() && content->digest.ToString() == options.expected_digest) {
      std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now(), error);
      return absl::OkStatus();
    }
    std::filesystem::remove(file, error);  // the disk lost it
  }
  return transfer::DownloadCommitPart(channel, commit.name(), part, file, options);
}

}  // namespace federity::agent
