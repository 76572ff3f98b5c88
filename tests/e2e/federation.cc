#include "tests/e2e/federation.h"

#include <chrono>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace federity::e2e {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Fail(const std::string& message) { throw std::runtime_error(message); }

std::string Quote(const std::vector<std::string>& arguments) {
  std::string line;
  for (const std::string& argument : arguments) line += " " + argument;
  return line;
}

}  // namespace

Agent::Agent(fs::path directory, std::string organization)
    : directory_(std::move(directory)), organization_(std::move(organization)) {
  fs::create_directories(directory_);
}

Finished Agent::Try(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), Program("federity-agent").string());
  arguments.insert(arguments.end(), {"--state-dir", state().string()});
  return testing::Run({.argv = std::move(arguments),
                       .environment = {{"HOME", directory_.string()}, {"LANG", "C.UTF-8"}},
                       .input = input});
}

std::string Agent::Do(std::vector<std::string> arguments, const std::string& input) {
  const std::string line = Quote(arguments);
  Finished finished = Try(std::move(arguments), input);
  if (finished.status != 0) {
    Fail("federity-agent" + line + ": exit " + std::to_string(finished.status) + "\n" +
         finished.out + finished.err);
  }
  return finished.out;
}

nlohmann::json Agent::Json(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  return nlohmann::json::parse(Do(std::move(arguments)));
}

void Agent::Start(const std::map<std::string, std::string>& environment) {
  std::map<std::string, std::string> variables = {{"HOME", directory_.string()},
                                                  {"LANG", "C.UTF-8"}};
  variables.insert(environment.begin(), environment.end());
  daemon_ = std::make_unique<testing::Daemon>(
      testing::Command{
          .argv = {Program("federity-agent").string(), "run", "--state-dir", state().string()},
          .environment = std::move(variables)},
      directory_ / "agent.log");
}

Federation::Federation(testing::ServerProcess::Options options) : coordinator_(std::move(options)) {
  Do("admin", {"join", "-"}, coordinator_.administrator_link());
  Do("owner", {"join", "-"}, Json("admin", {"org", "invite", "st-mary"}).at("link"));
}

Finished Federation::Try(const std::string& who, std::vector<std::string> arguments,
                         const std::string& input) {
  arguments.insert(arguments.begin(), Program("federity").string());
  return testing::Run({.argv = std::move(arguments),
                       .environment = {{"FEDERITY_HOME", home(who).string()},
                                       {"HOME", directory().string()},
                                       {"LANG", "C.UTF-8"}},
                       .input = input});
}

std::string Federation::Do(const std::string& who, std::vector<std::string> arguments,
                           const std::string& input) {
  const std::string line = Quote(arguments);
  Finished finished = Try(who, std::move(arguments), input);
  if (finished.status != 0) {
    Fail(who + ": federity" + line + ": exit " + std::to_string(finished.status) + "\n" +
         finished.out + finished.err + "\ncoordinator:\n" + coordinator_.output());
  }
  return finished.out;
}

nlohmann::json Federation::Json(const std::string& who, std::vector<std::string> arguments) {
  arguments.push_back("--json");
  return nlohmann::json::parse(Do(who, std::move(arguments)));
}

void Federation::CreateRepository(const std::string& repository, const fs::path& model,
                                  const std::string& plan) {
  const fs::path file = directory() / "plan.toml";
  WriteText(file, plan);
  Do("owner", {"repo", "create", repository, "--model", model.string(), "--plan", file.string()});
}

void Federation::SetPlan(const std::string& repository, const std::string& plan) {
  const fs::path file = directory() / "plan.toml";
  WriteText(file, plan);
  Do("owner", {"plan", "set", repository, file.string()});
}

std::string Federation::Invite(const std::string& repository, const std::string& role,
                               const std::string& organization, std::vector<std::string> options) {
  std::vector<std::string> arguments = {"invite", repository, "--role",
                                        role,     "--org",    organization};
  arguments.insert(arguments.end(), options.begin(), options.end());
  return Json("owner", std::move(arguments)).at("link");
}

void Federation::AddPerson(const std::string& who, const std::string& repository,
                           const std::string& role, const std::string& organization) {
  Do(who, {"join", "-"}, Invite(repository, role, organization, {"--for", "person"}));
}

Agent& Federation::JoinAgent(const std::string& repository, const std::string& organization) {
  const std::string link = Invite(repository, "contributor", organization);
  agents_.push_back(std::make_unique<Agent>(
      directory() / ("agent-" + std::to_string(agents_.size() + 1)), organization));
  agents_.back()->Do({"join", "-"}, link);
  return *agents_.back();
}

void Federation::Approve(Agent& agent, const std::string& repository) {
  const std::string digest = agent.Json({"approve", repository, "--show"}).at("approval_digest");
  agent.Do({"approve", repository, "--digest", digest});
}

Agent& Federation::AddAgent(const std::string& repository, const std::string& organization,
                            std::vector<std::string> dataset) {
  Agent& agent = JoinAgent(repository, organization);
  dataset.insert(dataset.begin(), {"dataset", "add"});
  dataset.insert(dataset.end(), {"--repo", repository});
  agent.Do(std::move(dataset));
  Approve(agent, repository);
  agent.Start();
  AwaitOnline(repository, agent);
  return agent;
}

Agent& Federation::AddTableAgent(const std::string& repository, const std::string& organization,
                                 const std::string& csv) {
  const fs::path file = directory() / ("patients-" + std::to_string(agents_.size() + 1) + ".csv");
  WriteText(file, csv);
  return AddAgent(repository, organization, {file.string()});
}

// Each look is a call of the program, so this does not spin.
void Federation::AwaitOnline(const std::string& repository, const Agent& agent) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < end) {
    const nlohmann::json list = Json("owner", {"member", "list", repository});
    for (const nlohmann::json& member : list.at("members")) {
      if (member.value("organization_display_name", "") == agent.organization() &&
          member.value("online", false)) {
        return;
      }
    }
  }
  Fail(agent.organization() + " did not come online in 60 s; its agent says:\n" + agent.log());
}

nlohmann::json Federation::Watch(const std::string& repository) {
  const Finished watch = Try("owner", {"round", "watch", repository, "--json"});
  std::istringstream lines(watch.out);
  std::string line, last;
  while (std::getline(lines, line)) {
    if (!line.empty()) last = line;
  }
  if (last.empty()) Fail("round watch shows nothing: " + watch.err);
  return nlohmann::json::parse(last);
}

nlohmann::json Federation::RunRounds(const std::string& repository, int count) {
  Do("owner", {"round", "start", repository, "--count", std::to_string(count)});
  return Watch(repository);
}

nlohmann::json Federation::Head(const std::string& repository) {
  return Json("owner", {"show", repository});
}

Hospitals::Hospitals(const std::string& plan, testing::ServerProcess::Options options)
    : federation(std::move(options)) {
  federation.CreateRepository(kRepository, DemoFile("models/wdbc.pt"), plan);
  for (const std::string& csv : DealBreastCancer(3)) {
    agents.push_back(&federation.AddTableAgent(
        kRepository, "Hospital " + std::to_string(agents.size() + 1), csv));
  }
  federation.Do("owner", {"stats", "run", kRepository});
}

Hospitals::Hospitals(testing::ServerProcess::Options options)
    : Hospitals(ReadText(DemoFile("plan-wdbc.toml")), std::move(options)) {}

void Prefer(const fs::path& home, const std::vector<std::string>& addresses) {
  for (const auto& entry : fs::directory_iterator(home / "identities")) {
    const fs::path file = entry.path() / "identity.json";
    nlohmann::json identity = nlohmann::json::parse(ReadText(file));
    identity["addresses"] = addresses;
    WriteText(file, identity.dump());
  }
}

std::vector<std::string> DealBreastCancer(int parts) {
  std::istringstream lines(ReadText(DemoFile("data/wdbc.csv")));
  std::string header, line;
  std::getline(lines, header);
  std::vector<std::string> dealt(static_cast<size_t>(parts), header + "\n");
  for (size_t i = 0; std::getline(lines, line); ++i) dealt[i % dealt.size()] += line + "\n";
  return dealt;
}

fs::path DemoFile(const std::string& name) {
  return fs::path(FEDERITY_SOURCE_DIR) / "deploy" / "demo" / name;
}

fs::path GoldenModel(const std::string& name) {
  return fs::path(FEDERITY_SOURCE_DIR) / "tests" / "golden" / "models" / (name + ".torch1.13.pt");
}

fs::path Program(const std::string& name) { return fs::path(FEDERITY_BIN_DIR) / name; }

std::string Edited(std::string text, const std::string& from, const std::string& to) {
  const size_t place = text.find(from);
  if (place == std::string::npos || text.find(from, place + 1) != std::string::npos) {
    Fail("not exactly one '" + from + "'");
  }
  return text.replace(place, from.size(), to);
}

}  // namespace federity::e2e
