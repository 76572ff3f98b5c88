// The commands over a coordinator in this process.

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/client/cli/fake_federation.h"

namespace federity::cli {
namespace {

using Catch::Matchers::Contains;

constexpr char kPlan[] =
    "[data]\nkind = \"table\"\nfeatures = [\"x\"]\nlabel = \"y\"\nclasses = [\"a\", \"b\"]\n";

size_t Count(const std::vector<std::string>& calls, const std::string& method) {
  return static_cast<size_t>(std::count(calls.begin(), calls.end(), method));
}

// A trainer that splits every model into the same two files.
auto SplitInto(const std::string& program, const std::string& weights) {
  return [=](const worker::v1::Request& request,
             const trainer::JobOptions&) -> absl::StatusOr<worker::v1::Result> {
    REQUIRE(request.has_split());
    REQUIRE(WriteFileAtomically(request.split().program_path(), program).ok());
    REQUIRE(WriteFileAtomically(request.split().weights_path(), weights).ok());
    worker::v1::Result result;
    result.add_warnings("frozen: layer1");
    return result;
  };
}

struct CreateFixture : FakeFederation {
  std::string model = Write("model.pt", "an archive");
  std::string plan = Write("plan.toml", kPlan);
  CreateFixture() { run_job = SplitInto("the program", "the weights"); }
  Result Create(const std::string& plan_file) {
    return Run(
        {"repo", "create", "st-mary/heart", "--model", model, "--plan", plan_file, "--json"});
  }
};

}  // namespace

TEST_CASE("A wrong command line is status 2 and nothing is called", "[cli]") {
  FakeFederation f;
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {},
           {"nothing"},
           {"log"},
           {"log", "St-Mary/heart"},
           {"log", "st-mary"},
           {"log", "st-mary/heart/x"},
           {"log", "../heart"},
           {"show", "st-mary/heart@"},
           {"invite", "st-mary/heart", "--org", "St Luke", "--role", "king"},
           {"invite", "st-mary/heart", "--org", "St Luke", "--role", "viewer", "--expires", "soon"},
           {"round", "start", "st-mary/heart", "--count", "0"},
           {"pull", "st-mary/heart", "-o", "model.onnx"},
           {"pull", "st-mary/heart", "-o", "/no/such/folder/model.pt"},
           {"repo", "create", "st-mary/heart", "--model", "/no/such/file", "--plan", "x"}}) {
    const auto result = f.Run(arguments);
    INFO(result.err);
    CHECK(result.status == 2);
    CHECK_FALSE(result.err.empty());
  }
  CHECK(f.services.calls.empty());
}

TEST_CASE("Help and version are no errors", "[cli]") {
  FakeFederation f;
  CHECK(f.Run({"--help"}).status == 0);
  CHECK_THAT(f.Run({"--help"}).out, Contains("Own a model:") && Contains("Check:"));
  CHECK(f.Run({"round", "--help"}).status == 0);
  CHECK_THAT(f.Run({"--version"}).out, Contains("federity "));
}

TEST_CASE("A call is repeated with the same request_id, a command gets a new one", "[cli]") {
  FakeFederation f;
  f.services.failures["StartRound"] = {absl::UnavailableError("restarting"),
                                       absl::AbortedError("serialization")};
  const auto first = f.Run({"round", "start", "st-mary/heart"});
  INFO(first.err);
  CHECK(first.status == 0);
  CHECK_THAT(first.err, Contains("does not answer"));
  const auto& ids = f.services.request_ids["StartRound"];
  REQUIRE(ids.size() == 3);
  CHECK(ids[0] == ids[1]);
  CHECK(ids[1] == ids[2]);
  CHECK(ids[0].size() == 36);
  CHECK(f.Run({"round", "start", "st-mary/heart"}).status == 0);
  CHECK(f.services.request_ids["StartRound"][3] != ids[0]);
}

TEST_CASE("What the coordinator refuses is not repeated and is shown with a remedy", "[cli]") {
  FakeFederation f;
  f.services.failures["StartRound"] = {
      Error(v1::ERROR_REASON_STANDARDISATION_MISSING, "no standardisation\x1b[2J yet")};
  const auto result = f.Run({"round", "start", "st-mary/heart"});
  CHECK(result.status == 1);
  CHECK(f.services.calls.size() == 1);
  CHECK_THAT(result.err, Contains("error: no standardisation") && Contains("federity stats run"));
  CHECK_THAT(result.err, !Contains("\x1b"));
}

TEST_CASE("A repository that nobody here belongs to is refused with what there is", "[cli]") {
  FakeFederation f;
  const auto result = f.Run({"log", "st-luke/lung"});
  CHECK(result.status == 1);
  CHECK_THAT(result.err, Contains("st-luke/lung") && Contains("st-mary"));
  CHECK(f.services.calls.empty());
}

TEST_CASE("The same name at two coordinators: context use decides", "[cli]") {
  FakeFederation f;
  f.services.commit = std::make_unique<v1::Commit>();
  identity::Identity other = f.store.identities[0];
  other.id = "22222222-0000-4000-8000-000000000002";
  other.ca_fingerprint = std::string(64, 'd');
  other.address = "elsewhere:8443";
  other.addresses = {other.address};
  f.store.identities.push_back(other);
  const auto ambiguous = f.Run({"log", "st-mary/heart"});
  CHECK(ambiguous.status == 1);
  CHECK_THAT(ambiguous.err, Contains("host:8443") && Contains("elsewhere:8443") &&
                                Contains("federity context use"));
  CHECK(f.Run({"context", "use", "nowhere:1"}).status == 1);
  CHECK(f.Run({"context", "use", "elsewhere:8443"}).status == 0);
  CHECK(f.Run({"log", "st-mary/heart"}).status == 0);
  const auto list = f.Run({"context", "list", "--json"}).Json();
  REQUIRE(list["coordinators"].size() == 2);
  CHECK(list["coordinators"][0]["coordinator"] == "elsewhere:8443");
  CHECK(list["coordinators"][0]["chosen"] == true);
  CHECK(list["coordinators"][1]["chosen"] == false);
}

TEST_CASE("repo create uploads both parts and commits", "[cli]") {
  CreateFixture f;
  const auto result = f.Create(f.plan);
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK_THAT(result.err, Contains("frozen: layer1"));
  REQUIRE(f.services.uploads.size() == 2);
  std::vector<std::string> bytes;
  for (const auto& [id, data] : f.services.uploads) bytes.push_back(data);
  std::sort(bytes.begin(), bytes.end());
  CHECK(bytes == std::vector<std::string>{"the program", "the weights"});
  const auto json = result.Json();
  CHECK(json["repository"]["name"] == kRepository);
  CHECK(json["commit"]["program_digest"] == crypto::Sha256("the program").ToString());
  CHECK(json["warnings"].is_array());
  // The parts went with their folder.
  CHECK(f.services.committed.parent_commit().empty());
}

TEST_CASE("repo create refuses before anything is made", "[cli]") {
  CreateFixture f;
  SECTION("a bad plan") { CHECK(f.Create(f.Write("bad.toml", "nonsense = 1\n")).status == 1); }
  SECTION("a model that the trainer refuses") {
    f.run_job = [](const auto&, const auto&) -> absl::StatusOr<worker::v1::Result> {
      return absl::InvalidArgumentError("aten::from_file is not allowed");
    };
    const auto result = f.Create(f.plan);
    CHECK(result.status == 1);
    CHECK_THAT(result.err, Contains("aten::from_file is not allowed"));
  }
  CHECK(f.services.calls.empty());
}

TEST_CASE("repo create goes on where a broken call stopped", "[cli]") {
  CreateFixture f;
  f.services.failures["CreateCommit"] = {absl::InternalError("broken")};
  CHECK(f.Create(f.plan).status == 1);
  CHECK(f.services.repository->head().empty());
  const auto again = f.Create(f.plan);
  INFO(again.err);
  CHECK(again.status == 0);
  // The same bytes under the same request_id: nothing went twice.
  CHECK(f.services.uploads.size() == 2);
  CHECK(Count(f.services.calls, "WriteUpload") == 2);
  CHECK_FALSE(f.services.repository->head().empty());
  // And once more: it is all there.
  CHECK(f.Create(f.plan).status == 0);
  CHECK(Count(f.services.calls, "CreateCommit") == 2);
}

TEST_CASE("repo create does not take another repository for its own", "[cli]") {
  CreateFixture f;
  REQUIRE(f.Create(f.plan).status == 0);
  SECTION("another plan") {
    const auto result = f.Create(f.Write("other.toml", StrCat(kPlan, "[training]\nepochs = 7\n")));
    CHECK(result.status == 1);
    CHECK_THAT(result.err, Contains("another plan"));
  }
  SECTION("another model") {
    f.run_job = SplitInto("the program", "other weights");
    const auto result = f.Create(f.plan);
    CHECK(result.status == 1);
    CHECK_THAT(result.err, Contains("another model"));
  }
}

TEST_CASE("log reads every page and shows what the sums say", "[cli]") {
  FakeFederation f;
  f.services.commit = std::make_unique<v1::Commit>();
  v1::Commit& commit = *f.services.commit;
  commit.set_name(StrCat(kRepository, "/commits/", std::string(64, 'a')));
  commit.set_contribution_count(3);
  commit.set_message("a\x1b[31mb");
  commit.mutable_metrics()->set_examples(100);
  commit.mutable_metrics()->set_loss_sum(25);
  for (const int64_t count : {60, 5, 5, 30}) commit.mutable_metrics()->add_confusion(count);
  const auto json = f.Run({"log", "st-mary/heart", "--json"}).Json();
  REQUIRE(json["commits"].size() == 2);
  CHECK(json["commits"][0]["version"] == 2);
  CHECK(json["commits"][1]["version"] == 1);
  CHECK(json["commits"][0]["accuracy"] == 0.9);
  CHECK(json["commits"][0]["loss"] == 0.25);
  CHECK(json["commits"][0]["contributions"] == 3);
  const auto text = f.Run({"log", "st-mary/heart"});
  CHECK_THAT(text.out, Contains("90.0 %") && Contains("0.2500") && Contains("aaaaaaaaaaaa"));
  CHECK_THAT(text.out, !Contains("\x1b"));
  CHECK(f.Run({"log", "st-mary/heart", "--limit", "1", "--json"}).Json()["commits"].size() == 1);
}

TEST_CASE("invite prints the link alone on standard output", "[cli]") {
  FakeFederation f;
  const auto result = f.Run({"invite", "st-mary/heart", "--role", "contributor", "--org", "St Luke",
                             "--expires", "2d", "--count", "4"});
  CHECK(result.status == 0);
  CHECK(result.out == "federity://host:8443/j1/secret\n");
  CHECK_THAT(result.err, Contains("federity-agent join"));
  CHECK(f.services.invited.parent() == kRepository);
  CHECK(f.services.invited.kind() == v1::MEMBER_KIND_AGENT);
  CHECK(f.services.invited.lifetime_seconds() == 2 * 24 * 3600);
  CHECK(f.services.invited.count() == 4);
  const auto viewer =
      f.Run({"invite", "st-mary/heart", "--role", "viewer", "--org", "X", "--json"});
  CHECK(viewer.Json()["link"] == "federity://host:8443/j1/secret");
  CHECK(f.services.invited.kind() == v1::MEMBER_KIND_PERSON);
}

TEST_CASE("Members are named by the beginning of their identifier", "[cli]") {
  FakeFederation f;
  for (const char* id : {"abcd1111", "abcd2222", "ffff0000"}) {
    v1::Member member;
    member.set_name(StrCat(kRepository, "/members/", id));
    member.set_kind(v1::MEMBER_KIND_AGENT);
    member.set_approval(v1::APPROVAL_STATE_OUTDATED);
    member.add_datasets()->set_rows(120);
    f.services.members.push_back(member);
  }
  const auto list = f.Run({"member", "list", "st-mary/heart"});
  CHECK_THAT(list.out, Contains("abcd1111") && Contains("old") && Contains("120"));
  CHECK(f.Run({"member", "remove", "st-mary/heart", "abcd", "--yes"}).status == 1);
  CHECK(f.Run({"member", "remove", "st-mary/heart", "ff", "--yes"}).status == 1);
  CHECK(f.Run({"member", "remove", "st-mary/heart", "eeee", "--yes"}).status == 1);
  CHECK(Count(f.services.calls, "RemoveMember") == 0);
  // Nobody is here to be asked.
  CHECK(f.Run({"member", "remove", "st-mary/heart", "ffff"}).status == 1);
  CHECK(f.Run({"member", "remove", "st-mary/heart", "ffff", "--yes"}).status == 0);
  CHECK(Count(f.services.calls, "RemoveMember") == 1);
}

TEST_CASE("What a member may not see of others is shown as such", "[cli]") {
  FakeFederation f;
  v1::Member member;
  member.set_name(StrCat(kRepository, "/members/abcd1111"));
  member.set_kind(v1::MEMBER_KIND_AGENT);
  f.services.members.push_back(member);
  const auto hidden = f.Run({"member", "list", "st-mary/heart"});
  CHECK_THAT(hidden.out, !Contains("never") && !Contains(" 0"));
  // An agent that offers nothing yet, to a maintainer.
  f.services.members[0].set_approval(v1::APPROVAL_STATE_NONE);
  f.services.members[0].mutable_last_seen_time()->set_seconds(1);
  const auto shown = f.Run({"member", "list", "st-mary/heart"});
  CHECK_THAT(shown.out, Contains(" ago") && Contains(" no ") && Contains(" 0"));
}

TEST_CASE("An administrator speaks for the server and for organisations", "[cli]") {
  FakeFederation f;
  identity::Identity administrator = f.store.identities[0];
  administrator.id = "22222222-0000-4000-8000-000000000002";
  administrator.scope = "";
  administrator.member = StrCat("members/", administrator.id);
  administrator.role = v1::ROLE_ADMINISTRATOR;
  // Not before: nobody else has anything to do with st-luke.
  CHECK_THAT(f.Run({"invitation", "list", "st-luke"}).err, Contains("no membership here"));
  CHECK_THAT(f.Run({"member", "list", "server"}).err, Contains("no membership here"));
  CHECK(f.services.calls.empty());
  f.store.identities.push_back(administrator);
  for (const char* scope : {"st-luke", "server"}) {
    CHECK(f.Run({"invitation", "list", scope}).status == 0);
    CHECK(f.Run({"member", "list", scope}).status == 0);
  }
  CHECK(f.services.listed == std::vector<std::string>{"organizations/st-luke",
                                                      "organizations/st-luke", "server", "server"});
  CHECK(f.Run({"org", "invite", "St Luke"}).status == 0);
  CHECK(f.services.invited.parent() == "organizations/st-luke");
  // Repositories are none of its business, nor does it leave for others.
  CHECK(f.Run({"member", "list", "st-luke/heart"}).status == 1);
  CHECK_THAT(f.Run({"leave", "st-luke", "--yes"}).err, Contains("no membership here"));
}

TEST_CASE("A word that is no command is named, and nothing at all shows the help", "[cli]") {
  FakeFederation f;
  const auto bare = f.Run({});
  CHECK(bare.status == 2);
  CHECK_THAT(bare.err, Contains("Begin:") && Contains("join"));
  const auto unknown = f.Run({"fly", "--json"});
  CHECK(unknown.status == 2);
  CHECK(unknown.err == "'fly' is no command; federity --help lists them\n");
  CHECK(f.Run({"round", "strat"}).err ==
        "'strat' is no command; federity round --help lists them\n");
  CHECK_THAT(f.Run({"round"}).err, Contains("watch"));
  CHECK_THAT(f.Run({"round", "start"}).err, Contains("REPO is required"));
}

TEST_CASE("What does not exist yet is told with what makes it", "[cli]") {
  FakeFederation f;
  CHECK_THAT(f.Run({"round", "watch", "st-mary/heart"}).err, Contains("federity round start"));
  CHECK_THAT(f.Run({"round", "watch", "st-mary/heart", "9"}).err,
             !Contains("federity round start"));
  f.store.identities.clear();
  CHECK_THAT(f.Run({"repo", "list"}).out, Contains("federity join"));
}

TEST_CASE("leave ends the membership there and wipes it here", "[cli]") {
  FakeFederation f;
  // Rights that come from the organisation are not those of the repository.
  const auto through = f.Run({"leave", "st-mary/heart", "--yes"});
  CHECK(through.status == 1);
  CHECK_THAT(through.err, Contains("federity leave st-mary"));
  CHECK(f.services.calls.empty());
  CHECK(f.Run({"leave", "st-mary", "--yes"}).status == 0);
  CHECK(f.store.removed == std::vector<std::string>{f.store.identities[0].id});
  // Ended before, by an answer that was lost or by somebody else: only the keys
  // are left to wipe.
  f.services.failures["RemoveMember"] = {Error(v1::ERROR_REASON_MEMBER_REMOVED, "gone"),
                                         NotFound("the organisation")};
  CHECK(f.Run({"leave", "st-mary", "--yes"}).status == 0);
  CHECK(f.Run({"leave", "st-mary", "--yes", "--withdraw"}).status == 0);
  CHECK(f.store.removed.size() == 3);
  // Also where the certificate can't even be renewed for that reason.
  f.store.connect = Annotate(Error(v1::ERROR_REASON_MEMBER_REMOVED, "removed"), "renewing");
  CHECK(f.Run({"leave", "st-mary", "--yes"}).status == 0);
  CHECK(f.store.removed.size() == 4);
  // Any other error leaves the keys alone.
  f.store.connect = absl::OkStatus();
  f.services.failures["RemoveMember"] = {Error(v1::ERROR_REASON_LAST_OWNER, "stay")};
  CHECK(f.Run({"leave", "st-mary", "--yes"}).status == 1);
  CHECK(f.store.removed.size() == 4);
}

TEST_CASE("A link for an agent is refused by name", "[cli]") {
  FakeFederation f;
  const std::string link = rpc::FormatJoinLink({.address = "localhost:1",
                                                .kind = v1::MEMBER_KIND_AGENT,
                                                .secret = std::string(rpc::kJoinSecretSize, 's')});
  // The real store: it refuses before it looks for the coordinator.
  const auto store = *identity::IdentityStore::Open(f.folder);
  const auto refused = store->Join(*rpc::ParseJoinLink(link), v1::MEMBER_KIND_PERSON, "0");
  CHECK_THAT(std::string(refused.status().message()), Contains("federity-agent join"));
  CHECK(f.Run({"join", "-"}, "not a link\n").status == 1);
}

}  // namespace federity::cli
