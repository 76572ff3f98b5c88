// Reads the #include lines of the tree and fails on an edge that
// docs/design/architecture.md forbids: dependencies go one way.

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Include {
  std::string file;    // "server/api/dispatcher.cc"
  std::string target;  // "server/store/database.h" or "torch/script.h"
  bool quoted = false;
};

std::vector<Include> IncludesBelow(const fs::path& root, const std::vector<std::string>& tops) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^">]+)[">])");
  std::vector<Include> includes;
  for (const std::string& top : tops) {
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc") continue;
      std::ifstream in(entry.path());
      std::string line;
      while (std::getline(in, line)) {
        std::smatch match;
        if (std::regex_search(line, match, kInclude)) {
          includes.push_back({fs::relative(entry.path(), root).string(), match[2].str(),
                              match[1].str() == "\""});
        }
      }
    }
  }
  return includes;
}

// "server/api/x.cc" → "server/api"; "client/trainer/worker/x.cc" → "client/trainer/worker".
std::string FolderOf(const std::string& file) { return fs::path(file).parent_path().string(); }

bool Below(const std::string& folder, const std::string& ancestor) {
  return folder == ancestor || folder.rfind(ancestor + "/", 0) == 0;
}

// Layers of a program, lowest first: a folder may include its own layer's
// folders only where `siblings` lets it, and every lower layer.
using Allowed = std::map<std::string, std::set<std::string>>;

// Each folder with what it may include below its own top folder.
const Allowed& AllowedServer() {
  static const Allowed kAllowed = {
      {"server/store", {}},
      {"server/blobs", {}},
      {"server/embedded_postgres", {}},
      {"server/audit", {"server/store", "server/membership"}},
      {"server/membership", {"server/store", "server/audit"}},
      {"server/repositories", {"server/store", "server/blobs", "server/membership", "server/audit"}},
      {"server/aggregation", {"server/blobs"}},
      {"server/statistics",
       {"server/store", "server/audit", "server/membership", "server/repositories"}},
      {"server/rounds",
       {"server/store", "server/blobs", "server/audit", "server/membership", "server/repositories",
        "server/aggregation", "server/statistics"}},
      {"server/api",
       {"server/store", "server/blobs", "server/audit", "server/membership", "server/repositories",
        "server/statistics", "server/rounds"}},
      {"server/maintenance",
       {"server/store", "server/blobs", "server/embedded_postgres", "server/audit",
        "server/membership", "server/repositories", "server/statistics", "server/rounds"}},
      {"server/app", {"server"}},
  };
  return kAllowed;
}

const Allowed& AllowedClient() {
  static const Allowed kAllowed = {
      {"client/terminal", {}},
      {"client/identity", {}},
      {"client/transfer", {}},
      {"client/state", {"client/datasets"}},
      {"client/trainer", {}},
      {"client/trainer/sandbox", {}},
      {"client/trainer/data", {"client/trainer"}},
      {"client/trainer/worker", {"client/trainer/sandbox", "client/trainer/data", "client/trainer"}},
      {"client/datasets", {"client/trainer"}},
      {"client/agent",
       {"client/identity", "client/transfer", "client/state", "client/trainer", "client/datasets",
        "client/terminal"}},
      {"client/cli",
       {"client/identity", "client/transfer", "client/trainer", "client/terminal"}},
  };
  return kAllowed;
}

const Allowed& AllowedCommon() {
  static const Allowed kAllowed = {
      {"common/base", {}},
      {"common/crypto", {"common/base"}},
      {"common/log", {"common/base"}},
      {"common/config", {"common/base"}},
      {"common/tensor", {"common/base", "common/crypto"}},
      {"common/plan", {"common/base", "common/crypto", "common/config"}},
      {"common/contribution", {"common/base", "common/crypto"}},
      {"common/rpc", {"common/base", "common/crypto"}},
  };
  return kAllowed;
}

// The most specific rule that covers a folder.
const std::set<std::string>* RuleFor(const Allowed& allowed, const std::string& folder,
                                     std::string* key) {
  const std::set<std::string>* found = nullptr;
  for (const auto& [name, targets] : allowed) {
    if (Below(folder, name) && (found == nullptr || name.size() > key->size())) {
      found = &targets;
      *key = name;
    }
  }
  return found;
}

std::vector<std::string> Violations(const std::vector<Include>& includes) {
  const std::map<std::string, const Allowed*> tops = {
      {"common", &AllowedCommon()}, {"server", &AllowedServer()}, {"client", &AllowedClient()}};
  std::vector<std::string> violations;
  for (const Include& include : includes) {
    if (!include.quoted) continue;
    const std::string from = FolderOf(include.file);
    const std::string to = FolderOf(include.target);
    const std::string from_top = from.substr(0, from.find('/'));
    const std::string to_top = to.substr(0, to.find('/'));
    const std::string edge = include.file + " includes " + include.target;
    if (tops.count(to_top) == 0) continue;  // generated code
    if (from_top != to_top) {
      if (to_top != "common") violations.push_back(edge);
      continue;
    }
    std::string key;
    const std::set<std::string>* rule = RuleFor(*tops.at(from_top), from, &key);
    if (rule == nullptr) {
      std::string violation = edge;
      violation.append(" (").append(from).append(" has no rule; add it here and to the docs)");
      violations.push_back(violation);
      continue;
    }
    std::string to_key;
    RuleFor(*tops.at(from_top), to, &to_key);
    bool ok = to_key == key;
    for (const std::string& target : *rule) ok = ok || to_key == target || target == from_top;
    if (!ok) violations.push_back(edge);
  }
  return violations;
}

std::string Join(const std::vector<std::string>& lines) {
  std::ostringstream out;
  for (const std::string& line : lines) out << "\n  " << line;
  return out.str();
}

}  // namespace

TEST_CASE("Includes follow the architecture", "[architecture]") {
  const auto includes = IncludesBelow(FEDERITY_SOURCE_DIR, {"common", "server", "client"});
  REQUIRE(includes.size() > 100);
  const auto violations = Violations(includes);
  INFO(Join(violations));
  CHECK(violations.empty());
}

TEST_CASE("Only the trainer's worker includes LibTorch", "[architecture]") {
  std::vector<std::string> violations;
  for (const Include& include : IncludesBelow(FEDERITY_SOURCE_DIR, {"common", "server", "client"})) {
    const bool torch = include.target.rfind("torch/", 0) == 0 ||
                       include.target.rfind("ATen/", 0) == 0 ||
                       include.target.rfind("c10/", 0) == 0 || include.target.rfind("caffe2/", 0) == 0;
    if (torch && !Below(FolderOf(include.file), "client/trainer/worker")) {
      violations.push_back(include.file + " includes " + include.target);
    }
  }
  INFO(Join(violations));
  CHECK(violations.empty());
}

TEST_CASE("libpqxx stays in the store", "[architecture]") {
  std::vector<std::string> violations;
  for (const Include& include : IncludesBelow(FEDERITY_SOURCE_DIR, {"common", "server", "client"})) {
    if (include.target.rfind("pqxx", 0) == 0 && !Below(FolderOf(include.file), "server/store")) {
      violations.push_back(include.file + " includes " + include.target);
    }
  }
  INFO(Join(violations));
  CHECK(violations.empty());
}

TEST_CASE("The check itself finds a forbidden edge", "[architecture]") {
  CHECK(Violations({{"common/base/x.h", "server/store/database.h", true}}).size() == 1);
  CHECK(Violations({{"client/cli/x.cc", "server/store/database.h", true}}).size() == 1);
  CHECK(Violations({{"server/store/x.cc", "server/api/dispatcher.h", true}}).size() == 1);
  CHECK(Violations({{"server/unheard_of/x.cc", "server/store/database.h", true}}).size() == 1);
  CHECK(Violations({{"client/trainer/worker/x.cc", "client/trainer/sandbox/s.h", true}}).empty());
  CHECK(Violations({{"client/trainer/sandbox/x.cc", "client/trainer/supervisor.h", true}}).size() == 1);
  CHECK(Violations({{"client/trainer/data/x.cc", "client/trainer/sandbox/s.h", true}}).size() == 1);
  CHECK(Violations({{"client/datasets/x.cc", "client/trainer/data/examples.h", true}}).size() == 1);
  CHECK(Violations({{"server/app/x.cc", "server/rounds/round_machine.h", true}}).empty());
}
