#include "client/state/outbox.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <set>

#include "client/state/json_reader.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/crypto/file_digest.h"

namespace federity::state {
namespace {

constexpr char kRecord[] = "record.json";
constexpr char kDelta[] = "delta.safetensors";
constexpr int64_t kMaxRecordBytes = 16 << 20;

absl::StatusOr<OutboxEntry> ReadRecord(const std::filesystem::path& file) {
  FEDERITY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxRecordBytes));
  FEDERITY_ASSIGN_OR_RETURN(const nlohmann::json value, ParseJsonObject(text));
  return OutboxEntryFromJson(value);
}

absl::Status SyncFile(const std::filesystem::path& path) {
  FEDERITY_ASSIGN_OR_RETURN(const FileDescriptor file, OpenFile(path, O_RDONLY));
  return fsync(file.get()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, path.string());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Outbox>> Outbox::Open(std::filesystem::path directory) {
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(directory));
  std::unique_ptr<Outbox> outbox(new Outbox(std::move(directory)));
  FEDERITY_RETURN_IF_ERROR(outbox->Load());
  return outbox;
}

absl::StatusOr<std::vector<std::filesystem::path>> Outbox::Folders() const {
  std::vector<std::filesystem::path> folders;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory_, error), end; !error && at != end;
       at.increment(error))
    folders.push_back(at->path());
  if (error) return ErrnoStatus(error.value(), directory_.string());
  return folders;
}

absl::Status Outbox::Load() {
  FEDERITY_ASSIGN_OR_RETURN(const auto folders, Folders());
  absl::MutexLock lock(&mutex_);
  for (const auto& folder : folders) {
    absl::StatusOr<OutboxEntry> entry = ReadRecord(folder / kRecord);
    if (!entry.ok() || FolderOf(entry->contribution) != folder) continue;
    const std::string contribution = entry->contribution;
    entries_.insert_or_assign(contribution, *std::move(entry));
  }
  return absl::OkStatus();
}

std::vector<std::string> Outbox::RemoveLeftOvers() {
  const auto folders = Folders();
  if (!folders.ok()) return {};
  absl::MutexLock lock(&mutex_);
  std::set<std::filesystem::path> kept;
  std::vector<std::string> damaged;
  for (auto at = entries_.begin(); at != entries_.end();) {
    // With the coordinator, the file has done its work.
    const absl::Status whole =
        at->second.step == OutboxEntry::Step::kTrained ? CheckDelta(at->second) : absl::OkStatus();
    if (whole.ok()) {
      kept.insert(FolderOf(at->first));
      ++at;
    } else {
      damaged.push_back(StrCat("an update in the outbox is damaged (", ToStd(whole.message()),
                               "); the coordinator assigns it again"));
      at = entries_.erase(at);
    }
  }
  for (const auto& folder : *folders) {
    if (kept.contains(folder)) continue;
    // Without a record it was never finished, or was being removed.
    if (const absl::Status status = ReadRecord(folder / kRecord).status();
        !status.ok() && !absl::IsNotFound(status))
      damaged.push_back(StrCat("an update in the outbox does not read (", ToStd(status.message()),
                               "); the coordinator assigns it again"));
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  return damaged;
}

// The name of a contribution comes from the coordinator and is no file name.
std::filesystem::path Outbox::FolderOf(std::string_view contribution) const {
  return directory_ / crypto::Sha256(contribution).Hex().substr(0, 32);
}

std::filesystem::path Outbox::DeltaPath(std::string_view contribution) const {
  return FolderOf(contribution) / kDelta;
}

absl::Status Outbox::CheckDelta(const OutboxEntry& entry) const {
  FEDERITY_ASSIGN_OR_RETURN(const crypto::FileContent content,
                            crypto::DigestFile(DeltaPath(entry.contribution)));
  if (content.digest.ToString() == entry.delta_digest) return absl::OkStatus();
  return absl::DataLossError("its file is not what was trained; check the disk");
}

std::vector<OutboxEntry> Outbox::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<OutboxEntry> all;
  for (const auto& [name, entry] : entries_) all.push_back(entry);
  return all;
}

std::optional<OutboxEntry> Outbox::Find(std::string_view contribution) const {
  absl::MutexLock lock(&mutex_);
  const auto at = entries_.find(contribution);
  if (at == entries_.end()) return std::nullopt;
  return at->second;
}

absl::Status Outbox::WriteRecord(const OutboxEntry& entry) {
  return WriteFileAtomically(FolderOf(entry.contribution) / kRecord,
                             FormatJson(ToJson(entry)) + "\n");
}

absl::Status Outbox::Add(const OutboxEntry& entry, const std::filesystem::path& delta_file) {
  absl::MutexLock lock(&mutex_);
  const std::filesystem::path folder = FolderOf(entry.contribution);
  FEDERITY_RETURN_IF_ERROR(MakeDirectories(folder));
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(directory_));
  FEDERITY_RETURN_IF_ERROR(SyncFile(delta_file));
  if (rename(delta_file.c_str(), (folder / kDelta).c_str()) != 0)
    return ErrnoStatus(errno, delta_file.string());
  FEDERITY_RETURN_IF_ERROR(WriteRecord(entry));  // syncs the folder too
  entries_.insert_or_assign(entry.contribution, entry);
  return absl::OkStatus();
}

absl::Status Outbox::Update(const OutboxEntry& entry) {
  absl::MutexLock lock(&mutex_);
  const auto at = entries_.find(entry.contribution);
  if (at == entries_.end()) return absl::NotFoundError("the update is no longer in the outbox");
  FEDERITY_RETURN_IF_ERROR(WriteRecord(entry));
  at->second = entry;
  return absl::OkStatus();
}

absl::Status Outbox::Remove(std::string_view contribution) {
  absl::MutexLock lock(&mutex_);
  const auto at = entries_.find(contribution);
  if (at == entries_.end()) return absl::OkStatus();
  const std::filesystem::path folder = FolderOf(contribution);
  if (unlink((folder / kRecord).c_str()) != 0 && errno != ENOENT)
    return ErrnoStatus(errno, (folder / kRecord).string());
  entries_.erase(at);
  FEDERITY_RETURN_IF_ERROR(SyncDirectory(folder));
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  return error ? ErrnoStatus(error.value(), folder.string()) : absl::OkStatus();
}

}  // namespace federity::state
