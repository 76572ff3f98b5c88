#include <catch2/catch.hpp>

#include "client/transfer/transfer.h"
#include "tests/unit/client/fake_coordinator.h"
#include "tests/unit/client/temp_dir.h"

namespace federity::transfer {
namespace {

using testing::FakeCoordinator;
using testing::Pattern;
using testing::ReadAll;
using testing::TempDir;

constexpr char kCommit[] = "organizations/o/repositories/r/commits/abcdef";

struct Download {
  TempDir dir;
  FakeCoordinator coordinator;
  std::string content = Pattern(300'000);
  TransferOptions options{.first_pause = absl::Milliseconds(1)};

  Download() {
    coordinator.Locked([&](auto& script, auto&) {
      script.parts[{kCommit, v1::COMMIT_PART_WEIGHTS}] = content;
    });
  }
  absl::Status Run() {
    return DownloadCommitPart(coordinator.channel(), kCommit, v1::COMMIT_PART_WEIGHTS,
                              dir / "weights", options);
  }
  bool LeftNothing() const {
    return !std::filesystem::exists(dir / "weights") &&
           !std::filesystem::exists(dir / "weights.partial");
  }
  std::vector<int64_t> Offsets() {
    return coordinator.Locked([](auto&, auto& seen) { return seen.download_offsets; });
  }
};

TEST_CASE("DownloadCommitPart brings every byte over breaks", "[transfer]") {
  Download download;
  const auto breaks =
      GENERATE(std::deque<int64_t>{}, std::deque<int64_t>{1},
               std::deque<int64_t>{65'536, 65'537, 200'000}, std::deque<int64_t>{0, 299'999});
  download.coordinator.Locked([&](auto& script, auto&) { script.download_breaks = breaks; });
  REQUIRE(download.Run().ok());
  CHECK(ReadAll(download.dir / "weights") == download.content);
  CHECK_FALSE(std::filesystem::exists(download.dir / "weights.partial"));
  CHECK(download.Offsets().size() == breaks.size() + 1);
}

TEST_CASE("DownloadCommitPart continues a partial file", "[transfer]") {
  Download download;
  const size_t have = GENERATE(size_t{1}, size_t{123'456}, size_t{300'000});
  download.dir.Write("weights.partial", download.content.substr(0, have));
  REQUIRE(download.Run().ok());
  CHECK(ReadAll(download.dir / "weights") == download.content);
  CHECK(download.Offsets() == std::vector<int64_t>{static_cast<int64_t>(have)});
}

TEST_CASE("DownloadCommitPart drops a partial file of something else", "[transfer]") {
  Download download;
  SECTION("longer than the whole: begins anew") {
    download.dir.Write("weights.partial", Pattern(400'000));
    CHECK(download.Run().ok());
    CHECK(ReadAll(download.dir / "weights") == download.content);
  }
  SECTION("other bytes: found by the digest") {
    download.dir.Write("weights.partial", std::string(1000, 'x'));
    CHECK(absl::IsDataLoss(download.Run()));
    CHECK(download.LeftNothing());
    CHECK(download.Run().ok());
  }
}

TEST_CASE("DownloadCommitPart believes no coordinator", "[transfer]") {
  Download download;
  SECTION("another digest than the approved one") {
    download.options.expected_digest = crypto::Sha256("approved").ToString();
    CHECK(absl::IsDataLoss(download.Run()));
  }
  SECTION("the approved digest declared, other bytes sent") {
    download.options.expected_digest = crypto::Sha256("approved").ToString();
    download.coordinator.Locked(
        [&](auto& script, auto&) { script.declared_digest = download.options.expected_digest; });
    CHECK(absl::IsDataLoss(download.Run()));
  }
  SECTION("more bytes than declared") {
    download.coordinator.Locked([](auto& script, auto&) { script.declared_size = 1000; });
    CHECK(absl::IsDataLoss(download.Run()));
  }
  SECTION("larger than asked for") {
    download.options.max_bytes = 299'999;
    CHECK(ReasonOf(download.Run()) == v1::ERROR_REASON_LIMIT_EXCEEDED);
  }
  SECTION("fewer bytes than declared, for ever") {
    download.options.give_up_after = absl::ZeroDuration();
    download.coordinator.Locked([](auto& script, auto&) { script.declared_size = 300'001; });
    CHECK(absl::IsUnavailable(download.Run()));
  }
  CHECK_FALSE(std::filesystem::exists(download.dir / "weights"));
}

}  // namespace
}  // namespace federity::transfer
