#include "client/identity/identity_store.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "client/identity/call.h"
#include "common/base/files.h"
#include "tests/unit/client/identity/fake_coordinator.h"

namespace federity::identity {
namespace {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "federity-identity-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

class ManualClock : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::Now();
};

struct Fixture {
  FakeCoordinator coordinator;
  TemporaryFolder folder;
  ManualClock clock;
  // Opening it anew is what a restart does.
  std::unique_ptr<IdentityStore> Open() { return *IdentityStore::Open(folder.path(), clock); }
  absl::StatusOr<Identity> Join() {
    return Open()->Join(coordinator.Link(), v1::MEMBER_KIND_PERSON, "0.1.0");
  }
  fs::path Home() const { return folder.path() / "identities" / coordinator.member_id(); }
};

size_t Entries(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
}

std::string Read(const fs::path& file) { return *ReadFile(file, 1 << 20); }

// Whether the coordinator takes the certificate of a fresh channel.
absl::Status SignIn(IdentityStore& store, const std::string& id) {
  const auto channel = store.Connect(id);
  if (!channel.ok()) return channel.status();
  v1::MembershipService::Stub stub(*channel);
  return Call(stub, &v1::MembershipService::Stub::GetCaller, {}).status();
}

TEST_CASE("Joining makes a membership that signs in", "[identity]") {
  Fixture f;
  const auto identity = f.Join();
  INFO(identity.status().message());
  REQUIRE(identity.ok());
  CHECK(identity->id == f.coordinator.member_id());
  CHECK(identity->scope == "organizations/st-mary/repositories/heart");
  CHECK(identity->organization_display_name == "St Luke");
  CHECK(identity->role == v1::ROLE_CONTRIBUTOR);
  CHECK(identity->kind == v1::MEMBER_KIND_PERSON);
  CHECK(identity->address == f.coordinator.address());
  CHECK(identity->ca_fingerprint == f.coordinator.Link().ca_fingerprint.Hex());
  CHECK(identity->coordinator_key == f.coordinator.coordinator_key);
  CHECK(identity->renew_time > absl::Now());
  CHECK(identity->renew_time < identity->expire_time);
  CHECK(f.Open()->ContributionKey(identity->id)->public_key() ==
        f.coordinator.seen().join_keys.front());
  CHECK(SignIn(*f.Open(), identity->id).ok());
  CHECK(f.coordinator.seen().signed_in == 1);
  CHECK(Entries(f.folder.path() / "pending") == 0);
}

TEST_CASE("A role of a later version is kept as one that is not known", "[identity]") {
  Fixture f;
  f.coordinator.Set(&FakeCoordinator::Behaviour::role, static_cast<v1::Role>(99));
  REQUIRE(f.Join().ok());
  const auto identities = f.Open()->List();
  REQUIRE(identities.ok());
  REQUIRE(identities->size() == 1);
  CHECK(identities->front().role == v1::ROLE_UNSPECIFIED);
  CHECK(SignIn(*f.Open(), f.coordinator.member_id()).ok());
}

TEST_CASE("Secrets are for their owner's eyes", "[identity]") {
  Fixture f;
  REQUIRE(f.Join().ok());
  for (const auto& entry : fs::directory_iterator(f.Home())) {
    struct stat info {};
    REQUIRE(::stat(entry.path().c_str(), &info) == 0);
    INFO(entry.path());
    CHECK((info.st_mode & 0777) == 0600);
  }
  CHECK_FALSE(fs::exists(f.Home() / "request.der"));
  // The link's secret is nowhere.
  const std::string secret = f.coordinator.Link().secret;
  for (const auto& entry : fs::recursive_directory_iterator(f.folder.path())) {
    if (entry.is_regular_file()) CHECK(Read(entry.path()).find(secret) == std::string::npos);
  }
}

mode_t ModeOf(const fs::path& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

TEST_CASE("Folders are for their owner alone, and narrowed where they were not", "[identity]") {
  TemporaryFolder folder;
  const fs::path home = folder.path() / "config" / "federity";
  REQUIRE(IdentityStore::Open(home).ok());
  for (const char* part : {"", "identities", "pending"}) {
    INFO(part);
    CHECK(ModeOf(home / part) == 0700);
  }
  for (const char* part : {"", "identities", "pending"}) {
    REQUIRE(::chmod((home / part).c_str(), 0755) == 0);
  }
  REQUIRE(IdentityStore::Open(home).ok());
  CHECK(ModeOf(home / "identities") == 0700);
  CHECK(ModeOf(home / "pending") == 0700);
  CHECK(ModeOf(home) == 0755);
}

TEST_CASE("A coordinator's addresses are learned at the join and every hour of use", "[identity]") {
  Fixture f;
  const std::string here = f.coordinator.address();
  f.coordinator.Set(&FakeCoordinator::Behaviour::lifetime, absl::Hours(8));
  f.coordinator.Set(&FakeCoordinator::Behaviour::addresses,
                    std::vector<std::string>{"127.0.0.1:1", here});
  const auto joined = f.Join();
  REQUIRE(joined.ok());
  CHECK(joined->addresses.size() == 2);
  CHECK(joined->address == here);
  CHECK(f.coordinator.seen().asked == 1);

  // Whichever is first, the one that answers is used.
  f.coordinator.Set(&FakeCoordinator::Behaviour::addresses,
                    std::vector<std::string>{"127.0.0.1:1"});
  f.clock.now += absl::Minutes(59);
  CHECK(SignIn(*f.Open(), joined->id).ok());
  CHECK(f.coordinator.seen().asked == 1);
  f.clock.now += absl::Minutes(1);
  CHECK(SignIn(*f.Open(), joined->id).ok());
  CHECK(f.coordinator.seen().asked == 2);
  CHECK(f.Open()->Get(joined->id)->addresses == std::vector<std::string>{"127.0.0.1:1", here});
  CHECK(SignIn(*f.Open(), joined->id).ok());
  CHECK(f.coordinator.seen().signed_in == 3);

  // Renewal finds its way too.
  f.clock.now = joined->renew_time + absl::Seconds(1);
  CHECK(SignIn(*f.Open(), joined->id).ok());
  CHECK(f.coordinator.seen().renewals == 1);
}

TEST_CASE("A membership that knows one address, or nonsense, goes on", "[identity]") {
  Fixture f;
  const auto joined = f.Join();
  REQUIRE(joined.ok());
  CHECK(joined->addresses == std::vector<std::string>{f.coordinator.address()});
  auto json = nlohmann::json::parse(Read(f.Home() / "identity.json"));
  const auto with = [&](const nlohmann::json& addresses, const nlohmann::json& time) {
    json["addresses"] = addresses;
    json["addresses_time"] = time;
    REQUIRE(WriteFileAtomically(f.Home() / "identity.json", json.dump()).ok());
    const auto identity = f.Open()->Get(joined->id);
    REQUIRE(identity.ok());
    CHECK(identity->addresses == std::vector<std::string>{f.coordinator.address()});
    CHECK(SignIn(*f.Open(), joined->id).ok());
  };
  with(nlohmann::json::array(), 0);
  with("host:1", "yesterday");
  with({1, nullptr, "", "host", "host:99999"}, -5);
  with(nullptr, 1e300);
  json.erase("addresses");
  json.erase("addresses_time");
  REQUIRE(WriteFileAtomically(f.Home() / "identity.json", json.dump()).ok());
  CHECK(SignIn(*f.Open(), joined->id).ok());
}

TEST_CASE("A link for the other program is refused before anything is sent", "[identity]") {
  Fixture f;
  const auto as_person =
      f.Open()->Join(f.coordinator.Link(v1::MEMBER_KIND_AGENT), v1::MEMBER_KIND_PERSON, "0.1.0");
  CHECK(absl::IsInvalidArgument(as_person.status()));
  CHECK(as_person.status().message().find("federity-agent join") != absl::string_view::npos);
  const auto as_agent =
      f.Open()->Join(f.coordinator.Link(v1::MEMBER_KIND_PERSON), v1::MEMBER_KIND_AGENT, "0.1.0");
  CHECK(absl::IsInvalidArgument(as_agent.status()));
  CHECK(as_agent.status().message().find("run: federity join") != absl::string_view::npos);
  CHECK(f.coordinator.seen().join_keys.empty());
  CHECK(Entries(f.folder.path() / "pending") == 0);
}

TEST_CASE("A join that broke after the call is finished with the same keys", "[identity]") {
  Fixture f;
  f.coordinator.Set(&FakeCoordinator::Behaviour::fail_join,
                    absl::InternalError("the answer was lost"));
  CHECK_FALSE(f.Join().ok());
  CHECK(Entries(f.folder.path() / "pending") == 1);
  f.coordinator.Set(&FakeCoordinator::Behaviour::fail_join, absl::OkStatus());
  const auto identity = f.Join();
  REQUIRE(identity.ok());
  const std::vector<std::string> keys = f.coordinator.seen().join_keys;
  REQUIRE(keys.size() == 2);
  CHECK(keys[0] == keys[1]);
  CHECK(SignIn(*f.Open(), identity->id).ok());
  CHECK(Entries(f.folder.path() / "pending") == 0);
}

TEST_CASE("A join that broke before its keys were complete begins anew", "[identity]") {
  Fixture f;
  f.Open();
  // What a crash within PreparePending leaves: a folder without its last name.
  REQUIRE(MakeDirectories(f.folder.path() / "pending" / ".half").ok());
  REQUIRE(WriteFileAtomically(f.folder.path() / "pending" / ".half" / "tls.pem", "x").ok());
  CHECK(f.Join().ok());
}

TEST_CASE("Joining again with the same link gives the same membership", "[identity]") {
  Fixture f;
  const auto first = f.Join();
  const auto second = f.Join();
  REQUIRE(second.ok());
  CHECK(second->id == first->id);
  CHECK(f.coordinator.seen().join_keys.size() == 1);  // nothing was sent
  CHECK(f.Open()->List()->size() == 1);
}

TEST_CASE("What is no membership is left alone", "[identity]") {
  Fixture f;
  const auto identity = f.Join();
  REQUIRE(identity.ok());
  REQUIRE(WriteFileAtomically(f.folder.path() / "identities" / ".DS_Store", "x").ok());
  REQUIRE(WriteFileAtomically(f.folder.path() / "identities" / "notes.txt", "x").ok());
  REQUIRE(f.Open()->List().ok());
  CHECK(f.Open()->List()->size() == 1);
  CHECK(f.Open()->Get(identity->id)->coordinator_key == f.coordinator.coordinator_key);
  CHECK(absl::IsNotFound(f.Open()->Get("notes.txt").status()));
}

TEST_CASE("Keys of a refused link are not kept", "[identity]") {
  Fixture f;
  f.coordinator.Set(&FakeCoordinator::Behaviour::fail_join,
                    Error(v1::ERROR_REASON_INVITATION_EXPIRED, "too late"));
  const auto identity = f.Join();
  CHECK(ReasonOf(identity.status()) == v1::ERROR_REASON_INVITATION_EXPIRED);
  CHECK(Entries(f.folder.path() / "pending") == 0);
}

TEST_CASE("A coordinator with another CA is refused", "[identity]") {
  Fixture f;
  rpc::JoinLink link = f.coordinator.Link();
  link.ca_fingerprint.bytes[0] ^= 1;
  const auto identity = f.Open()->Join(link, v1::MEMBER_KIND_PERSON, "0.1.0");
  CHECK(absl::IsUnauthenticated(identity.status()));
  CHECK(f.coordinator.seen().join_keys.empty());
}

TEST_CASE("A member's name can't lead out of the store", "[identity]") {
  Fixture f;
  for (const std::string hostile :
       {"organizations/st-mary/members/..", "organizations/st-mary/members/../../x",
        "organizations/st-mary/rounds/1", "members/", ""}) {
    f.coordinator.Set(&FakeCoordinator::Behaviour::member_name, hostile.empty() ? " " : hostile);
    const auto identity = f.Join();
    INFO(hostile);
    CHECK(absl::IsInvalidArgument(identity.status()));
  }
  CHECK(Entries(f.folder.path() / "identities") == 0);
}

TEST_CASE("A certificate is renewed at half its life, key and chain at once", "[identity]") {
  Fixture f;
  const auto identity = f.Join();
  REQUIRE(identity.ok());
  const std::string before = Read(f.Home() / "tls.pem");
  CHECK(SignIn(*f.Open(), identity->id).ok());
  CHECK(f.coordinator.seen().renewals == 0);
  CHECK(Read(f.Home() / "tls.pem") == before);

  f.clock.now = identity->renew_time + absl::Seconds(1);
  f.coordinator.Set(&FakeCoordinator::Behaviour::lifetime, absl::Hours(20));
  CHECK(SignIn(*f.Open(), identity->id).ok());
  CHECK(f.coordinator.seen().renewals == 1);
  CHECK(Read(f.Home() / "tls.pem") != before);
  CHECK(f.Open()->List()->front().expire_time > identity->expire_time);
  // Not due again.
  CHECK(SignIn(*f.Open(), identity->id).ok());
  CHECK(f.coordinator.seen().renewals == 1);
}

TEST_CASE("A failed renewal leaves the old certificate as it was", "[identity]") {
  Fixture f;
  const auto identity = f.Join();
  REQUIRE(identity.ok());
  const std::string before = Read(f.Home() / "tls.pem");
  f.coordinator.Set(&FakeCoordinator::Behaviour::fail_renewal, absl::InternalError("no"));
  f.clock.now = identity->renew_time + absl::Seconds(1);
  CHECK(SignIn(*f.Open(), identity->id).ok());  // still good
  CHECK(Read(f.Home() / "tls.pem") == before);

  f.clock.now = identity->expire_time + absl::Hours(24 * 365);
  const auto channel = f.Open()->Connect(identity->id);
  CHECK_FALSE(channel.ok());
  CHECK(channel.status().message().find("renewing") != absl::string_view::npos);

  // A year later it comes back by itself.
  f.coordinator.Set(&FakeCoordinator::Behaviour::fail_renewal, absl::OkStatus());
  CHECK(SignIn(*f.Open(), identity->id).ok());
  CHECK(f.coordinator.seen().renewals == 1);
}

TEST_CASE("A lost or damaged certificate is renewed with the contribution key", "[identity]") {
  Fixture f;
  const auto identity = f.Join();
  REQUIRE(identity.ok());
  SECTION("lost") { fs::remove(f.Home() / "tls.pem"); }
  SECTION("cut short") {
    const std::string text = Read(f.Home() / "tls.pem");
    REQUIRE(WriteFileAtomically(f.Home() / "tls.pem", text.substr(0, text.size() / 4)).ok());
  }
  SECTION("garbage") { REQUIRE(WriteFileAtomically(f.Home() / "tls.pem", "\x00\xff").ok()); }
  CHECK(SignIn(*f.Open(), identity->id).ok());
  CHECK(f.coordinator.seen().renewals == 1);
}

TEST_CASE("A damaged identity is named, not guessed", "[identity]") {
  Fixture f;
  REQUIRE(f.Join().ok());
  for (const std::string text : {"", "{", "[]", "{}", R"({"member": 5, "address": "x"})",
                                 R"({"member": "members/../..", "address": "h:1"})"}) {
    REQUIRE(WriteFileAtomically(f.Home() / "identity.json", text).ok());
    const auto list = f.Open()->List();
    INFO(text);
    CHECK(absl::IsInvalidArgument(list.status()));
    CHECK(list.status().message().find("identity.json") != absl::string_view::npos);
  }
}

TEST_CASE("Removing wipes the folder and can be repeated", "[identity]") {
  Fixture f;
  const auto identity = f.Join();
  REQUIRE(identity.ok());
  const auto store = f.Open();
  CHECK(store->Remove(identity->id).ok());
  CHECK_FALSE(fs::exists(f.Home()));
  CHECK(store->Remove(identity->id).ok());
  CHECK(store->List()->empty());
  CHECK(absl::IsNotFound(store->Connect(identity->id).status()));
  for (const char* hostile : {"", ".", "..", "../pending", "a/b"}) {
    CHECK(absl::IsNotFound(store->Connect(hostile).status()));
    CHECK(store->Remove(hostile).ok());
  }
  CHECK(fs::exists(f.folder.path() / "pending"));
}

}  // namespace
}  // namespace federity::identity
