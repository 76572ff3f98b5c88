#include "client/agent/dataset_watch.h"

#include "client/agent/names.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::agent {
namespace {

// Replaces the record of one data set if it still is there.
absl::Status Replace(Context& context, std::string_view identity, const state::Dataset& dataset) {
  return context.state.Update(identity, [&](state::Membership& membership) {
    for (state::Dataset& registered : membership.datasets)
      if (registered.label == dataset.label && registered.source == dataset.source)
        registered = dataset;
    return absl::OkStatus();
  });
}

}  // namespace

absl::Status CheckDatasetsUnchanged(Context& context, std::string_view identity,
                                    const std::function<bool()>& cancelled) {
  const state::Membership membership = context.state.Get(identity);
  absl::Status result;
  for (state::Dataset dataset : membership.datasets) {
    const absl::StatusOr<std::string> stamp = datasets::TakeStamp(dataset.source);
    if (!dataset.changed && stamp.ok() && *stamp == dataset.fingerprint.stamp) continue;
    absl::StatusOr<datasets::Fingerprint> now =
        datasets::TakeFingerprint(dataset.source, cancelled);
    if (absl::IsCancelled(now.status())) return now.status();
    const bool same = now.ok() && now->digest == dataset.fingerprint.digest;
    if (same) dataset.fingerprint = *now;
    if (!same && !dataset.changed)
      context.journal.Append(
          "data set changed", ShortName(membership.repository),
          StrCat("data set '", dataset.label, "' ",
                 now.ok() ? std::string("has another content than when it was registered")
                          : StrCat("can't be read: ", ToStd(now.status().message())),
                 "; look at it and run `federity-agent dataset refresh`"));
    if (dataset.changed != !same || same) {
      dataset.changed = !same;
      FEDERITY_RETURN_IF_ERROR(Replace(context, identity, dataset));
    }
    if (!same && result.ok())
      result = absl::FailedPreconditionError(
          StrCat("data set '", dataset.label, "' changed; run `federity-agent dataset refresh`"));
  }
  return result;
}

}  // namespace federity::agent
