#include "client/agent/conversions.h"

#include "client/agent/public_reason.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/ed25519.h"
#include "common/plan/standardisation.h"

namespace federity::agent {

v1::Metrics ToMetrics(const worker::v1::Metrics& metrics) {
  v1::Metrics result;
  result.set_examples(metrics.examples());
  result.set_loss_sum(metrics.loss_sum());
  *result.mutable_confusion() = metrics.confusion();
  result.set_contributors(1);
  return result;
}

absl::Status FillStandardisation(const Plan& plan, const v1::Standardisation& standardisation,
                                 std::string_view coordinator_key,
                                 worker::v1::Standardisation& out) {
  if (plan.data.standardise != Plan::Standardise::kFederated) return absl::OkStatus();
  const auto refuse = [](std::string_view why) {
    return WithPublicReason(InvalidArgument("standardisation", why), why);
  };
  if (standardisation.mean_size() == 0)
    return refuse("the plan wants a federated standardisation and the assignment has none");
  const auto features = static_cast<int>(plan.data.features.size());
  if (standardisation.mean_size() != features || standardisation.sd_size() != features)
    return refuse(StrCat("the standardisation has ", standardisation.mean_size(), " means and ",
                         standardisation.sd_size(), " standard deviations for ", features,
                         " features"));
  StandardisationValues values;
  values.mean.assign(standardisation.mean().begin(), standardisation.mean().end());
  values.sd.assign(standardisation.sd().begin(), standardisation.sd().end());
  values.examples = standardisation.examples();
  values.contributors = standardisation.contributors();
  const crypto::Digest digest = StandardisationDigest(values);
  if (digest.ToString() != standardisation.digest())
    return refuse("the standardisation does not have the digest that it claims");
  if (coordinator_key.empty())
    return refuse(
        "the standardisation can't be checked: this agent joined before coordinators "
        "had a key; join again with a new link");
  if (!crypto::VerifySignature(coordinator_key, kStandardisationLabel, digest.view(),
                               standardisation.signature()))
    return refuse("the standardisation is not signed by the coordinator's key");
  *out.mutable_mean() = standardisation.mean();
  *out.mutable_sd() = standardisation.sd();
  return absl::OkStatus();
}

}  // namespace federity::agent
