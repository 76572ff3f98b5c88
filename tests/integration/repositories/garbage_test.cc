#include "server/repositories/garbage.h"

#include <chrono>

#include "server/repositories/text.h"
#include "tests/integration/repositories/repository_fixture.h"

namespace federity::testing {
namespace {

namespace fs = std::filesystem;

class GarbageFixture : public RepositoryFixture {
 protected:
  // Makes every file two hours old.
  void MakeAllOld() {
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "blobs")) {
      if (entry.is_regular_file()) {
        fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(2));
      }
    }
  }
  repositories::GarbageReport Collect() {
    auto report = repositories::CollectGarbage(api_.database(), *store_, api_.clock().Now());
    REQUIRE(report.status() == absl::OkStatus());
    return *report;
  }
  bool Exists(const std::string& content) { return store_->Exists(id_, crypto::Sha256(content)); }
};

}  // namespace

TEST_CASE_METHOD(GarbageFixture, "Only what nothing names is collected", "[garbage]") {
  const std::string weights = Weights({1, 2});
  MustPush("", "program", weights);
  const std::string waiting = Upload(owner_, "waiting to be named");
  const std::string expiring = Upload(owner_, "never named");
  api_.Sql("UPDATE uploads SET expires_at = $2 WHERE id::text = $1",
           store::Params()
               .Text(expiring.substr(expiring.rfind('/') + 1))
               .Time(api_.clock().Now() - absl::Seconds(1)));
  v1::Upload half;
  REQUIRE(CreateUpload(owner_, 10, crypto::Sha256("x").ToString(), &half).ok());
  REQUIRE(WriteUpload(owner_, half.name(), 0, "part", &half).ok());
  // A merge's partial blob, which is no upload.
  const std::string merge = "33333333-0000-4000-8000-000000000001";
  {
    auto writer = store_->OpenWriter(id_, merge, crypto::Secret(std::string(32, 'k')));
    REQUIRE(writer.ok());
  }

  // Young files stay, named or not.
  CHECK(Collect().uploads == 1);
  CHECK(Exists("never named"));
  CHECK(store_->ListPartial(id_)->empty());

  MakeAllOld();
  const repositories::GarbageReport report = Collect();
  CHECK(report.blobs == 1);
  CHECK(report.partials == 1);  // the merge's
  CHECK(!Exists("never named"));
  CHECK(Exists("waiting to be named"));
  CHECK(Exists("program"));
  CHECK(Exists(weights));
  CHECK(*store_->ListPartial(id_) ==
        std::vector<std::string>{half.name().substr(half.name().rfind('/') + 1)});
  CHECK(api_.Sql("SELECT 1 FROM blobs WHERE digest = $1",
                 store::Params().Text(crypto::Sha256("never named").ToString()))
            .empty());
  CHECK(Collect().blobs == 0);

  api_.clock().Advance(absl::Hours(48));
  MakeAllOld();
  const repositories::GarbageReport later = Collect();
  CHECK(later.uploads == 2);
  CHECK(later.blobs == 1);
  CHECK(later.partials == 1);
  std::string content;
  CHECK(Download(owner_, "head", v1::COMMIT_PART_WEIGHTS, 0, &content) == absl::OkStatus());
  CHECK(content == weights);
}

TEST_CASE_METHOD(GarbageFixture, "Deltas live as long as their round", "[garbage]") {
  MustPush("", "program", Weights({1, 2}));
  const Member contributor = MakeMember(v1::ROLE_CONTRIBUTOR);
  const std::string upload = Upload(contributor, "a delta");
  StartRound();
  api_.Sql(
      "INSERT INTO contributions (id, repository, round, member, state, delta_digest, "
      "created_at, progress_at, updated_at) VALUES (gen_random_uuid(), $1, 1, $2, 4, $3, "
      "now(), now(), now())",
      store::Params().Text(id_).Text(contributor.id).Text(crypto::Sha256("a delta").ToString()));
  api_.Sql("DELETE FROM uploads WHERE id::text = $1",
           store::Params().Text(upload.substr(upload.rfind('/') + 1)));
  MakeAllOld();
  CHECK(Collect().blobs == 0);
  CHECK(Exists("a delta"));
  EndRound(4);
  CHECK(Collect().blobs == 1);
  CHECK(!Exists("a delta"));
}

TEST_CASE_METHOD(GarbageFixture, "What a deleted repository left is collected", "[garbage]") {
  MustPush("", "program", Weights({1, 2}));
  api_.Sql("UPDATE repositories SET deleted_at = now(), blob_key_wrapped = NULL WHERE id = $1",
           store::Params().Text(id_));
  Collect();
  CHECK(!fs::exists(folder_ / "blobs" / id_));
}

}  // namespace federity::testing
