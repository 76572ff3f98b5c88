#include <algorithm>
#include <cctype>
#include <filesystem>

#include "client/agent/commands.h"
#include "client/agent/names.h"
#include "client/datasets/schema.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::agent {
namespace {

using nlohmann::json;
using state::JsonReader;

constexpr int kMaxProblems = 20;
constexpr size_t kMaxDatasets = 100;

json Describe(const state::Dataset& dataset, const identity::Identity& identity) {
  return {{"repository", ShortName(identity.scope)},
          {"label", dataset.label},
          {"kind", datasets::KindOf(dataset.source)},
          {"format", dataset.source.format},
          {"path", dataset.source.path},
          {"labels_path", dataset.source.labels_path},
          {"label_column", dataset.source.label_column},
          {"schema", dataset.schema},
          {"rows", dataset.rows},
          {"digest", dataset.fingerprint.digest},
          {"added", state::TimeText(dataset.time)},
          {"changed", dataset.changed}};
}

json Describe(const worker::v1::Problem& problem) {
  return {{"row", problem.row()}, {"column", problem.column()}, {"message", problem.message()}};
}

absl::StatusOr<worker::v1::Result> Check(CommandContext& commands, const CurrentPlan& plan,
                                         const datasets::Source& source) {
  worker::v1::Request request;
  worker::v1::CheckData& check = *request.mutable_check_data();
  check.set_plan_toml(plan.toml);
  *check.mutable_dataset() = datasets::ToWorker(source);
  check.set_max_problems(kMaxProblems);
  trainer::JobOptions options;
  options.program = commands.context.config.trainer;
  options.cancelled = [&] { return commands.stopping.load(); };
  return commands.context.run_job(request, options);
}

// The error of `dataset add` and `refresh`: one line a problem.
absl::Status Refusal(const datasets::Source& source, const worker::v1::Result& result) {
  std::string text =
      StrCat("'", source.path, "' does not meet the repository's plan; nothing was registered:");
  for (const worker::v1::Problem& problem : result.problems()) {
    text += "\n  ";
    if (problem.row() > 0) text += StrCat("row ", problem.row(), ", ");
    if (!problem.column().empty()) text += StrCat("'", problem.column(), "': ");
    text += problem.message();
  }
  if (result.problems_size() >= kMaxProblems) text += "\n  … and perhaps more";
  if (result.problems().empty()) text += "\n  it has no usable row";
  return absl::InvalidArgumentError(text);
}

// Checks a source and takes down what it is. Its content must not change
// between check and fingerprint.
absl::StatusOr<state::Dataset> Register(CommandContext& commands,
                                        const identity::Identity& identity,
                                        const datasets::Source& source, std::string label) {
  FEDERITY_RETURN_IF_ERROR(datasets::CheckReadable(source));
  FEDERITY_ASSIGN_OR_RETURN(const CurrentPlan plan, FetchPlan(commands, identity));
  state::Dataset dataset;
  dataset.label = std::move(label);
  dataset.source = source;
  FEDERITY_ASSIGN_OR_RETURN(const std::string stamp, datasets::TakeStamp(source));
  FEDERITY_ASSIGN_OR_RETURN(const worker::v1::Result result, Check(commands, plan, source));
  if (!result.problems().empty() || result.rows() < 1) return Refusal(source, result);
  FEDERITY_ASSIGN_OR_RETURN(dataset.schema, datasets::ReadSchema(source));
  FEDERITY_ASSIGN_OR_RETURN(dataset.fingerprint, datasets::TakeFingerprint(source, [&] {
                              return commands.stopping.load();
                            }));
  if (dataset.fingerprint.stamp != stamp)
    return absl::AbortedError(
        StrCat("'", source.path, "' changed while it was checked; try again"));
  dataset.rows = result.rows();
  dataset.time = commands.context.clock.Now();
  return dataset;
}

absl::StatusOr<std::string> Canonical(const std::string& path) {
  if (path.empty()) return std::string();
  if (path.front() != '/')
    return InvalidArgument("path", StrCat("'", path, "' is not an absolute path"));
  std::error_code error;
  const auto canonical = std::filesystem::canonical(path, error);
  // Whatever is wrong with it, CheckReadable says it better.
  return error ? path : canonical.string();
}

absl::Status CheckLabel(std::string_view label) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == ' ';
  };
  if (!label.empty() && label.size() <= 64 && std::all_of(label.begin(), label.end(), allowed))
    return absl::OkStatus();
  return InvalidArgument("name", StrCat("'", label.substr(0, 100),
                                        "' is no name for a data set; use 1 to 64 of "
                                        "A-Z a-z 0-9 . _ - and space (the coordinator sees it)"));
}

std::string FreeLabel(const state::Membership& membership) {
  for (size_t i = 1;; ++i) {
    std::string label = StrCat("dataset-", i);
    if (std::none_of(membership.datasets.begin(), membership.datasets.end(),
                     [&](const state::Dataset& dataset) { return dataset.label == label; }))
      return label;
  }
}

absl::Status CheckFree(const state::Membership& membership, const datasets::Source& source,
                       std::string_view label) {
  if (membership.datasets.size() >= kMaxDatasets)
    return absl::ResourceExhaustedError(StrCat("there are ", kMaxDatasets, " data sets already"));
  for (const state::Dataset& dataset : membership.datasets) {
    if (dataset.source.path == source.path)
      return absl::AlreadyExistsError(
          StrCat("'", source.path, "' is registered as '", dataset.label,
                 "'; after a change of its content run `federity-agent dataset refresh`"));
    if (dataset.label == label)
      return absl::AlreadyExistsError(
          StrCat("there is a data set '", label, "' already; give another --name"));
  }
  return absl::OkStatus();
}

// The data sets that the argument `label` names; all if it is left out.
absl::StatusOr<std::vector<state::Dataset>> Select(CommandContext& commands,
                                                   const identity::Identity& identity,
                                                   JsonReader& arguments) {
  const std::string label = arguments.String("label");
  FEDERITY_RETURN_IF_ERROR(arguments.status());
  std::vector<state::Dataset> all = commands.context.state.Get(identity.id).datasets;
  if (label.empty() && !all.empty()) return all;
  std::string names;
  for (state::Dataset& dataset : all) {
    if (dataset.label == label) return std::vector<state::Dataset>{std::move(dataset)};
    names += StrCat(names.empty() ? "" : ", ", "'", dataset.label, "'");
  }
  if (all.empty())
    return absl::NotFoundError(StrCat("no data set is registered for ", ShortName(identity.scope),
                                      "; run `federity-agent dataset add PATH`"));
  return absl::NotFoundError(StrCat("there is no data set '", label, "'; there are ", names));
}

}  // namespace

absl::StatusOr<json> AddDataset(CommandContext& commands, JsonReader& arguments) {
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity identity, MembershipOf(commands, arguments));
  datasets::Source source;
  FEDERITY_ASSIGN_OR_RETURN(source.path, Canonical(arguments.String("path")));
  FEDERITY_ASSIGN_OR_RETURN(source.labels_path, Canonical(arguments.String("labels_path")));
  source.label_column = arguments.String("label_column");
  source.format = arguments.String("format");
  Context& context = commands.context;
  std::string label = arguments.String("label");
  FEDERITY_RETURN_IF_ERROR(arguments.status());
  if (source.format.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(source.format, datasets::DetectFormat(source.path));
  }
  const state::Membership before = context.state.Get(identity.id);
  if (label.empty()) label = FreeLabel(before);
  FEDERITY_RETURN_IF_ERROR(CheckLabel(label));
  FEDERITY_RETURN_IF_ERROR(CheckFree(before, source, label));
  FEDERITY_ASSIGN_OR_RETURN(const state::Dataset dataset,
                            Register(commands, identity, source, label));
  FEDERITY_RETURN_IF_ERROR(context.state.Update(identity.id, [&](state::Membership& membership) {
    if (absl::Status taken = CheckFree(membership, source, label); !taken.ok()) return taken;
    membership.repository = identity.scope;
    membership.datasets.push_back(dataset);
    return absl::OkStatus();
  }));
  context.journal.Append("data set added", ShortName(identity.scope),
                         StrCat("'", label, "', ", dataset.rows, " rows"));
  return Describe(dataset, identity);
}

absl::StatusOr<json> ListDatasets(CommandContext& commands, JsonReader& arguments) {
  json list = json::array();
  std::vector<identity::Identity> identities;
  if (arguments.Has("repository")) {
    FEDERITY_ASSIGN_OR_RETURN(identities.emplace_back(), MembershipOf(commands, arguments));
  } else {
    FEDERITY_ASSIGN_OR_RETURN(identities, commands.context.identities.List());
  }
  for (const identity::Identity& identity : identities)
    for (const state::Dataset& dataset : commands.context.state.Get(identity.id).datasets)
      list.push_back(Describe(dataset, identity));
  return json{{"datasets", std::move(list)}};
}

absl::StatusOr<json> CheckDataset(CommandContext& commands, JsonReader& arguments) {
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity identity, MembershipOf(commands, arguments));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<state::Dataset> selected,
                            Select(commands, identity, arguments));
  FEDERITY_ASSIGN_OR_RETURN(const CurrentPlan plan, FetchPlan(commands, identity));
  json checks = json::array();
  for (const state::Dataset& dataset : selected) {
    FEDERITY_RETURN_IF_ERROR(datasets::CheckReadable(dataset.source));
    FEDERITY_ASSIGN_OR_RETURN(const worker::v1::Result result,
                              Check(commands, plan, dataset.source));
    json classes = json::array();
    for (int i = 0; i < result.class_counts_size(); ++i)
      classes.push_back({{"class", i < static_cast<int>(plan.plan.data.classes.size())
                                       ? plan.plan.data.classes[static_cast<size_t>(i)]
                                       : StrCat(i)},
                         {"rows", result.class_counts(i)}});
    json check = {{"label", dataset.label},
                  {"rows", result.rows()},
                  {"clipped_values", result.clipped_values()},
                  {"classes", std::move(classes)},
                  {"problems", json::array()}};
    for (const worker::v1::Problem& problem : result.problems())
      check["problems"].push_back(Describe(problem));
    checks.push_back(std::move(check));
  }
  return json{{"repository", ShortName(identity.scope)}, {"checks", std::move(checks)}};
}

absl::StatusOr<json> RefreshDatasets(CommandContext& commands, JsonReader& arguments) {
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity identity, MembershipOf(commands, arguments));
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<state::Dataset> selected,
                            Select(commands, identity, arguments));
  Context& context = commands.context;
  json list = json::array();
  for (const state::Dataset& dataset : selected) {
    FEDERITY_ASSIGN_OR_RETURN(const state::Dataset refreshed,
                              Register(commands, identity, dataset.source, dataset.label));
    FEDERITY_RETURN_IF_ERROR(context.state.Update(identity.id, [&](state::Membership& membership) {
      for (state::Dataset& registered : membership.datasets)
        if (registered.label == dataset.label) registered = refreshed;
      return absl::OkStatus();
    }));
    context.journal.Append(
        "data set refreshed", ShortName(identity.scope),
        StrCat("'", dataset.label, "', ", dataset.rows, " rows before, ", refreshed.rows, " now"));
    list.push_back(Describe(refreshed, identity));
  }
  return json{{"datasets", std::move(list)}};
}

absl::StatusOr<json> RemoveDataset(CommandContext& commands, JsonReader& arguments) {
  FEDERITY_ASSIGN_OR_RETURN(const identity::Identity identity, MembershipOf(commands, arguments));
  if (arguments.String("label").empty())
    return InvalidArgument("name", "say which data set; `federity-agent dataset list` shows them");
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<state::Dataset> selected,
                            Select(commands, identity, arguments));
  const std::string& label = selected.front().label;
  FEDERITY_RETURN_IF_ERROR(
      commands.context.state.Update(identity.id, [&](state::Membership& membership) {
        std::erase_if(membership.datasets,
                      [&](const state::Dataset& dataset) { return dataset.label == label; });
        return absl::OkStatus();
      }));
  commands.context.journal.Append("data set removed", ShortName(identity.scope),
                                  StrCat("'", label, "'; its files are untouched"));
  return Describe(selected.front(), identity);
}

}  // namespace federity::agent
