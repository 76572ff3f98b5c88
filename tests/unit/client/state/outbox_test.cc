#include "client/state/outbox.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "common/crypto/digest.h"
#include "tests/unit/client/temp_dir.h"

namespace federity::state {
namespace {

using testing::ReadAll;
using testing::TempDir;

constexpr char kName[] = "organizations/o/repositories/r/rounds/1/contributions/..";

OutboxEntry Entry() {
  OutboxEntry entry;
  entry.contribution = kName;  // an identifier that must not become a path
  entry.identity = "id-1";
  entry.repository = "organizations/o/repositories/r";
  entry.delta_digest = crypto::Sha256("bytes").ToString();
  entry.examples = 42;
  entry.base_metrics.set_examples(10);
  entry.base_metrics.set_loss_sum(1.5);
  entry.base_metrics.add_confusion(10);
  entry.base_metrics.set_contributors(1);
  entry.time = absl::FromUnixSeconds(1'700'000'000);
  entry.upload_request_id = "u";
  entry.submit_request_id = "s";
  return entry;
}

size_t Folders(const std::filesystem::path& path) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
}

TEST_CASE("Outbox keeps entries and steps over a restart", "[state]") {
  TempDir dir;
  auto outbox = *Outbox::Open(dir / "outbox");
  REQUIRE(outbox->Add(Entry(), dir.Write("delta", "bytes")).ok());
  CHECK_FALSE(std::filesystem::exists(dir / "delta"));
  CHECK(ReadAll(outbox->DeltaPath(kName)) == "bytes");
  CHECK(Folders(dir.path()) == 1);

  OutboxEntry entry = *(*Outbox::Open(dir / "outbox"))->Find(kName);
  CHECK(ToJson(entry) == ToJson(Entry()));
  entry.step = OutboxEntry::Step::kUploaded;
  entry.upload = "uploads/1";
  REQUIRE(outbox->Update(entry).ok());
  CHECK(ToJson(*(*Outbox::Open(dir / "outbox"))->Find(kName)) == ToJson(entry));

  REQUIRE(outbox->Remove(kName).ok());
  CHECK(outbox->Remove(kName).ok());
  CHECK(absl::IsNotFound(outbox->Update(entry)));
  CHECK(Folders(dir / "outbox") == 0);
  CHECK((*Outbox::Open(dir / "outbox"))->List().empty());
}

TEST_CASE("Outbox: what a crash left half-way is no entry and goes", "[state]") {
  TempDir dir;
  {
    auto outbox = *Outbox::Open(dir / "outbox");
    REQUIRE(outbox->Add(Entry(), dir.Write("delta", "bytes")).ok());
    OutboxEntry second = Entry();
    second.contribution += "2";
    REQUIRE(outbox->Add(second, dir.Write("delta", "bytes")).ok());
    const auto folder = outbox->DeltaPath(kName).parent_path();
    SECTION("the delta without its record") {
      std::filesystem::remove(folder / "record.json");
      auto again = *Outbox::Open(dir / "outbox");
      CHECK_FALSE(again->Find(kName));
      CHECK(again->RemoveLeftOvers().empty());
    }
    SECTION("a record that does not read") {
      std::ofstream(folder / "record.json") << R"({"contribution": "x", "step": "flying"})";
      auto again = *Outbox::Open(dir / "outbox");
      CHECK_FALSE(again->Find(kName));
      CHECK(again->RemoveLeftOvers().size() == 1);
    }
    SECTION("a record of another contribution") {
      std::ofstream(folder / "record.json") << ToJson(second).dump();
      auto again = *Outbox::Open(dir / "outbox");
      CHECK_FALSE(again->Find(kName));
      CHECK(again->RemoveLeftOvers().size() <= 1);
    }
    SECTION("a delta that the disk damaged") {
      std::ofstream(folder / "delta.safetensors") << "bites";
      auto again = *Outbox::Open(dir / "outbox");
      CHECK(again->RemoveLeftOvers().size() == 1);
      CHECK_FALSE(again->Find(kName));
    }
    SECTION("a delta that is gone") {
      std::filesystem::remove(folder / "delta.safetensors");
      auto again = *Outbox::Open(dir / "outbox");
      CHECK(again->RemoveLeftOvers().size() == 1);
    }
  }
  auto outbox = *Outbox::Open(dir / "outbox");
  CHECK(outbox->List().size() == 1);
  CHECK(Folders(dir / "outbox") == 1);
}

}  // namespace
}  // namespace federity::state
