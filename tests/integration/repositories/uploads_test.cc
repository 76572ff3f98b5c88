#include "server/repositories/uploads.h"

#include <algorithm>

#include "server/blobs/blob_format.h"
#include "tests/integration/repositories/repository_fixture.h"

namespace federity::testing {
namespace {

std::string Content(size_t size) {
  std::string content(size, '\0');
  uint32_t state = 7;
  for (char& c : content) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return content;
}

constexpr int64_t kMiB = 1 << 20;

class SmallLimits : public RepositoryFixture {
 public:
  SmallLimits()
      : RepositoryFixture({.max_upload_bytes = 1000,
                           .max_open_uploads = 3,
                           .max_open_bytes = 2500,
                           .lifetime = absl::Hours(1)}) {}
};

}  // namespace

TEST_CASE_METHOD(RepositoryFixture, "Bytes that arrive are progress in the member's round",
                 "[uploads]") {
  MustPush("", "program", Weights({1, 2}));
  StartRound();
  const Member agent =
      api_.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT);
  const Member other =
      api_.MakeMember("st-mary", "heart", v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT, "mercy");
  const absl::Time start = api_.clock().Now();
  for (const Member* member : {&agent, &other}) {
    api_.Sql(
        "INSERT INTO contributions (id, repository, round, member, state, created_at, "
        "progress_at, updated_at) VALUES ($1, $2, 1, $3, 1, $4, $4, $4)",
        store::Params().Text(crypto::RandomUuid()).Text(id_).Text(member->id).Time(start));
  }
  const auto progress = [&](const Member& member) {
    return api_
        .Sql("SELECT progress_at FROM contributions WHERE member = $1",
             store::Params().Text(member.id))[0]
        .Time(0);
  };
  const std::string content = Content(2 * kMiB);
  v1::Upload upload;
  REQUIRE(CreateUpload(agent, 2 * kMiB, crypto::Sha256(content).ToString(), &upload).ok());
  const std::string name = upload.name();
  for (int64_t sent = 0; sent < 2 * kMiB; sent += kMiB) {
    api_.clock().Advance(absl::Seconds(50));
    REQUIRE(WriteUpload(agent, name, sent,
                        std::string_view(content).substr(static_cast<size_t>(sent), kMiB), &upload)
                .ok());
    CHECK(absl::AbsDuration(progress(agent) - api_.clock().Now()) < absl::Milliseconds(1));
  }
  CHECK(absl::AbsDuration(progress(other) - start) < absl::Milliseconds(1));
}

TEST_CASE_METHOD(RepositoryFixture, "Removal ends an upload under way", "[uploads]") {
  const Member contributor = MakeMember(v1::ROLE_CONTRIBUTOR);
  const std::string content = Content(2 * kMiB);
  v1::Upload upload;
  REQUIRE(CreateUpload(contributor, 2 * kMiB, crypto::Sha256(content).ToString(), &upload).ok());
  api_.clock().Advance(absl::Minutes(2));
  auto stub = v1::UploadService::NewStub(contributor.channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  auto stream = stub->WriteUpload(&context, &upload);
  v1::WriteUploadRequest message;
  message.set_name(upload.name());
  message.set_data(content.substr(0, kMiB));
  REQUIRE(stream->Write(message));
  // The stream is authorised once it was heard.
  const auto heard = [&] {
    return api_.Sql(
                   "SELECT 1 FROM members WHERE id = $1 AND last_seen_at >= $2",
                   store::Params().Text(contributor.id).Time(api_.clock().Now() - absl::Minutes(1)))
               .size() == 1;
  };
  for (const absl::Time end = absl::Now() + absl::Seconds(20); !heard();) {
    REQUIRE(absl::Now() < end);
  }
  RemoveAtOnce(contributor);
  message.Clear();
  message.set_data(content.substr(kMiB));
  stream->Write(message);
  stream->WritesDone();
  CheckReason(rpc::FromGrpc(stream->Finish()), v1::ERROR_REASON_MEMBER_REMOVED);
}

TEST_CASE_METHOD(RepositoryFixture, "An upload goes on after a break at its committed size",
                 "[uploads]") {
  const Member contributor = MakeMember(v1::ROLE_CONTRIBUTOR);
  const std::string content = Content(3 * kMiB + 77);
  v1::Upload upload;
  REQUIRE(CreateUpload(contributor, static_cast<int64_t>(content.size()),
                       crypto::Sha256(content).ToString(), &upload) == absl::OkStatus());
  const std::string name = upload.name();
  CHECK(upload.committed_bytes() == 0);
  CHECK(!upload.complete());

  // A stream that ends early keeps its whole frames.
  REQUIRE(WriteUpload(contributor, name, 0, std::string_view(content).substr(0, kMiB + 500),
                      &upload, 65536) == absl::OkStatus());
  CHECK(upload.committed_bytes() == kMiB);
  CHECK(!upload.complete());
  REQUIRE(GetUpload(contributor, name, &upload).ok());
  CHECK(upload.committed_bytes() == kMiB);

  // So does one that is broken off.
  {
    auto stub = v1::UploadService::NewStub(contributor.channel);
    grpc::ClientContext context;
    auto stream = stub->WriteUpload(&context, &upload);
    v1::WriteUploadRequest message;
    message.set_name(name);
    message.set_offset(kMiB);
    message.set_data(content.substr(kMiB, kMiB));
    REQUIRE(stream->Write(message));
    message.Clear();
    message.set_data(content.substr(2 * kMiB, 10));
    REQUIRE(stream->Write(message));
    while (store_->PartialBytes(id_, name.substr(name.rfind('/') + 1)) < 2 * kMiB) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    context.TryCancel();
    CHECK(!stream->Finish().ok());
  }

  for (int64_t offset : {int64_t{0}, kMiB, 2 * kMiB + 10, -int64_t{1}}) {
    const absl::Status wrong = WriteUpload(contributor, name, offset, "x", &upload);
    CheckReason(wrong, v1::ERROR_REASON_OFFSET_MISMATCH);
    CHECK(MetadataOf(wrong)["committed_bytes"] == std::to_string(2 * kMiB));
  }
  REQUIRE(WriteUpload(contributor, name, 2 * kMiB, content.substr(2 * kMiB), &upload) ==
          absl::OkStatus());
  CHECK(upload.complete());
  CHECK(upload.committed_bytes() == static_cast<int64_t>(content.size()));
  auto reader = store_->OpenReader(
      id_, crypto::Sha256(content), *[&]() -> absl::StatusOr<crypto::Secret> {
        crypto::Secret key;
        REQUIRE(api_.database()
                    .RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
                      auto found = repositories::BlobKey(transaction, id_, key_file_);
                      if (!found.ok()) return found.status();
                      key = *std::move(found);
                      return absl::OkStatus();
                    })
                    .ok());
        return key;
      }());
  REQUIRE(reader.ok());
  std::string stored(content.size(), '\0');
  REQUIRE((*reader)->Read(0, stored).ok());
  CHECK(stored == content);

  // Complete is complete: nothing more fits, and asking again is harmless.
  CheckReason(WriteUpload(contributor, name, static_cast<int64_t>(content.size()), "x", &upload),
              v1::ERROR_REASON_UPLOAD_TOO_LARGE);
  REQUIRE(WriteUpload(contributor, name, static_cast<int64_t>(content.size()), "", &upload).ok());
  CHECK(upload.complete());
}

TEST_CASE_METHOD(RepositoryFixture, "A newer stream takes an upload over", "[uploads]") {
  const std::string content = Content(2 * kMiB + 5);
  v1::Upload upload;
  REQUIRE(CreateUpload(owner_, static_cast<int64_t>(content.size()),
                       crypto::Sha256(content).ToString(), &upload)
              .ok());
  const std::string name = upload.name();
  auto stub = v1::UploadService::NewStub(owner_.channel);
  grpc::ClientContext context;
  v1::Upload ignored;
  auto stale = stub->WriteUpload(&context, &ignored);
  v1::WriteUploadRequest message;
  message.set_name(name);
  message.set_data(content.substr(0, kMiB));
  REQUIRE(stale->Write(message));
  message.Clear();
  message.set_data(content.substr(kMiB, 100));
  REQUIRE(stale->Write(message));
  while (store_->PartialBytes(id_, name.substr(name.rfind('/') + 1)) < kMiB) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  // The stale connection is still open, and its buffered bytes are dropped.
  REQUIRE(WriteUpload(owner_, name, kMiB, content.substr(kMiB), &upload) == absl::OkStatus());
  CHECK(upload.complete());
  stale->Write(message);
  stale->WritesDone();
  CHECK(stale->Finish().error_code() == grpc::StatusCode::ABORTED);
  CHECK(GetUpload(owner_, name, &upload).ok());
  CHECK(upload.complete());
}

TEST_CASE_METHOD(RepositoryFixture, "Bytes that were not declared are refused", "[uploads]") {
  const std::string content = Content(kMiB + 100);
  v1::Upload upload;
  REQUIRE(CreateUpload(owner_, static_cast<int64_t>(content.size()),
                       crypto::Sha256(content).ToString(), &upload)
              .ok());
  const std::string name = upload.name();
  SECTION("too many") {
    CheckReason(WriteUpload(owner_, name, 0, content + "x", &upload, 65536),
                v1::ERROR_REASON_UPLOAD_TOO_LARGE);
    REQUIRE(GetUpload(owner_, name, &upload).ok());
    CHECK(!upload.complete());
    CHECK(WriteUpload(owner_, name, kMiB, content.substr(kMiB), &upload).ok());
    CHECK(upload.complete());
  }
  SECTION("others") {
    std::string other = content;
    other[5] ^= 1;
    CheckReason(WriteUpload(owner_, name, 0, other, &upload), v1::ERROR_REASON_DIGEST_MISMATCH);
    // It starts again.
    CheckReason(WriteUpload(owner_, name, kMiB, content.substr(kMiB), &upload),
                v1::ERROR_REASON_OFFSET_MISMATCH);
    CHECK(WriteUpload(owner_, name, 0, content, &upload).ok());
    CHECK(upload.complete());
  }
  SECTION("a message that is too large") {
    CheckReason(WriteUpload(owner_, name, 0, content, &upload, content.size()),
                v1::ERROR_REASON_INVALID_ARGUMENT);
  }
  SECTION("no message at all") {
    auto stub = v1::UploadService::NewStub(owner_.channel);
    grpc::ClientContext context;
    auto stream = stub->WriteUpload(&context, &upload);
    stream->WritesDone();
    CheckReason(rpc::FromGrpc(stream->Finish()), v1::ERROR_REASON_INVALID_ARGUMENT);
  }
}

TEST_CASE_METHOD(RepositoryFixture, "Uploads belong to the member that made them", "[uploads]") {
  const Member alice = MakeMember(v1::ROLE_CONTRIBUTOR);
  const Member bob = MakeMember(v1::ROLE_CONTRIBUTOR, "clinic");
  v1::Upload upload;
  REQUIRE(CreateUpload(alice, 3, crypto::Sha256("abc").ToString(), &upload).ok());
  const std::string name = upload.name();
  CheckReason(GetUpload(bob, name, &upload), v1::ERROR_REASON_NOT_FOUND);
  CheckReason(WriteUpload(bob, name, 0, "abc", &upload), v1::ERROR_REASON_NOT_FOUND);
  CheckReason(
      CreateUpload(MakeMember(v1::ROLE_VIEWER), 3, crypto::Sha256("abc").ToString(), &upload),
      v1::ERROR_REASON_ROLE_REQUIRED);
  // Content that is here already is no secret given away: its bytes are wanted.
  REQUIRE(WriteUpload(alice, name, 0, "abc", &upload).ok());
  REQUIRE(CreateUpload(bob, 3, crypto::Sha256("abc").ToString(), &upload).ok());
  CHECK(!upload.complete());
  CHECK(upload.committed_bytes() == 0);
  {
    auto stub = v1::UploadService::NewStub(api_.AnonymousChannel());
    grpc::ClientContext context;
    auto stream = stub->WriteUpload(&context, &upload);
    CheckReason(rpc::FromGrpc(stream->Finish()), v1::ERROR_REASON_CERTIFICATE_REQUIRED);
  }
}

TEST_CASE_METHOD(SmallLimits, "Uploads keep their limits", "[uploads]") {
  v1::Upload upload;
  const std::string digest = crypto::Sha256("abc").ToString();
  CheckReason(CreateUpload(owner_, 1001, digest, &upload), v1::ERROR_REASON_UPLOAD_TOO_LARGE);
  for (int64_t size : {int64_t{0}, int64_t{-1}}) {
    CheckReason(CreateUpload(owner_, size, digest, &upload), v1::ERROR_REASON_INVALID_ARGUMENT);
  }
  for (const char* bad : {"", "sha256:", "abc", "md5:00"}) {
    CheckReason(CreateUpload(owner_, 1, bad, &upload), v1::ERROR_REASON_INVALID_ARGUMENT);
  }
  REQUIRE(CreateUpload(owner_, 1000, digest, &upload).ok());
  const std::string first = upload.name();
  REQUIRE(CreateUpload(owner_, 1000, digest, &upload).ok());
  CheckReason(CreateUpload(owner_, 501, digest, &upload), v1::ERROR_REASON_LIMIT_EXCEEDED);
  REQUIRE(CreateUpload(owner_, 500, digest, &upload).ok());
  CheckReason(CreateUpload(owner_, 1, digest, &upload), v1::ERROR_REASON_LIMIT_EXCEEDED);
  CHECK(CreateUpload(MakeMember(v1::ROLE_CONTRIBUTOR), 1, digest, &upload).ok());
  // Expired ones don't count, and don't exist.
  api_.clock().Advance(absl::Minutes(61));
  CheckReason(GetUpload(owner_, first, &upload), v1::ERROR_REASON_NOT_FOUND);
  CHECK(CreateUpload(owner_, 1000, digest, &upload).ok());
}

TEST_CASE_METHOD(SmallLimits, "Progress extends an upload's life", "[uploads]") {
  v1::Upload upload;
  REQUIRE(CreateUpload(owner_, 3, crypto::Sha256("abc").ToString(), &upload).ok());
  const std::string name = upload.name();
  api_.clock().Advance(absl::Minutes(50));
  REQUIRE(WriteUpload(owner_, name, 0, "ab", &upload).ok());
  api_.clock().Advance(absl::Minutes(50));
  REQUIRE(WriteUpload(owner_, name, 0, "abc", &upload).ok());
  CHECK(upload.complete());
}

}  // namespace federity::testing
