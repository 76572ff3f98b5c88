// Who may do what, through the programs.

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "tests/e2e/federation.h"

namespace federity::e2e {
namespace {

using nlohmann::json;

constexpr auto kRepository = Hospitals::kRepository;

}  // namespace

TEST_CASE("Each role may what it is for, and nothing else", "[e2e]") {
  Hospitals hospitals;
  Federation& federation = hospitals.federation;
  REQUIRE(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
  federation.AddPerson("maintainer", kRepository, "maintainer", "St Mary");
  federation.AddPerson("contributor", kRepository, "contributor", "Hospital 1");
  federation.AddPerson("viewer", kRepository, "viewer", "University");
  federation.AddPerson("auditor", kRepository, "auditor", "Audit Office");
  federation.AddPerson("removed", kRepository, "maintainer", "Gone");
  federation.Do("outsider", {"join", "-"},
                federation.Json("admin", {"org", "invite", "st-luke"}).at("link"));
  const json members = federation.Json("owner", {"member", "list", kRepository});
  for (const json& member : members.at("members")) {
    if (member.at("organization_display_name") != "Gone") continue;
    const std::string name = member.at("name");
    federation.Do("owner", {"member", "remove", kRepository, name.substr(name.rfind('/') + 1),
                            "--yes"});
  }

  const std::string file = (federation.directory() / "model.safetensors").string();
  const std::string model = DemoFile("models/wdbc.pt").string();
  const std::string plan = DemoFile("plan-wdbc.toml").string();
  struct Attempt {
    std::vector<std::string> arguments;
    std::string allowed;  // initials of who may
  };
  const std::vector<Attempt> attempts = {
      {{"log", kRepository}, "mcva"},
      {{"show", kRepository}, "mcva"},
      {{"repo", "show", kRepository}, "mcva"},
      {{"round", "list", kRepository}, "mcva"},
      {{"pull", kRepository, "-o", file}, "mcv"},
      {{"audit", kRepository}, "ma"},
      {{"stats", "show", kRepository}, "mcv"},
      {{"plan", "show", kRepository}, "mcva"},
      {{"plan", "set", kRepository, plan}, "m"},
      {{"tag", kRepository, "good", "--force"}, "m"},
      {{"invite", kRepository, "--role", "viewer", "--org", "Friends"}, "m"},
      {{"invite", kRepository, "--role", "owner", "--org", "Friends"}, ""},
      {{"repo", "delete", kRepository, "--yes"}, ""},
  };
  for (const Attempt& attempt : attempts) {
    for (const char* who : {"maintainer", "contributor", "viewer", "auditor", "removed",
                            "outsider", "admin"}) {
      std::filesystem::remove(file);
      const Finished finished = federation.Try(who, attempt.arguments);
      INFO(who << " " << attempt.arguments[0] << " " << attempt.arguments[1] << "\n"
               << finished.out << finished.err);
      const bool may = std::string("mcva").find(who[0]) != std::string::npos &&
                       std::string(who) != "admin" &&
                       attempt.allowed.find(who[0]) != std::string::npos;
      CHECK((finished.status == 0) == may);
      if (!may) {
        CHECK(finished.out.empty());
        CHECK(finished.err.find("error:") != std::string::npos);
        CHECK_FALSE(std::filesystem::exists(file));
      }
    }
  }
  // An outsider can't tell that the repository exists.
  const Finished real = federation.Try("outsider", {"log", kRepository});
  const Finished unreal = federation.Try("outsider", {"log", "st-mary/nothing"});
  CHECK(real.status == unreal.status);
  CHECK(Edited(real.err, "st-mary/breast", "st-mary/nothing") == unreal.err);

  // All of it is in the audit, refusals too; the removed member stays attributed.
  const std::string audit = federation.Do("auditor", {"audit", kRepository});
  for (const char* method : {"StartRound", "DownloadCommit", "RemoveMember", "SetPlan"}) {
    INFO(audit);
    CHECK(audit.find(method) != std::string::npos);
  }
  CHECK(federation.Head(kRepository).at("contributions") == 3);
}

TEST_CASE("A removed agent is cut off at once and trains no more", "[e2e]") {
  Hospitals hospitals;
  Federation& federation = hospitals.federation;
  const json members = federation.Json("owner", {"member", "list", kRepository});
  for (const json& member : members.at("members")) {
    if (member.at("organization_display_name") != "Hospital 3") continue;
    const std::string name = member.at("name");
    federation.Do("owner", {"member", "remove", kRepository, name.substr(name.rfind('/') + 1),
                            "--yes"});
  }
  const Finished start = federation.Try("owner", {"round", "start", kRepository});
  CHECK(start.status == 1);
  CHECK(start.err.find("Hospital 3") == std::string::npos);
  // Another machine of that hospital takes its place.
  federation.AddTableAgent(kRepository, "Hospital 3", DealBreastCancer(3)[2]);
  CHECK(federation.RunRounds(kRepository, 1).at("accepted") == 3);
  // The old one says what happened, and can be tidied up.
  Agent& old = *hospitals.agents[2];
  CHECK(old.Do({"status"}).find("removed") != std::string::npos);
  CHECK(old.Try({"approve", kRepository, "--show"}).status == 1);
  old.Do({"leave", kRepository});
}

}  // namespace federity::e2e
