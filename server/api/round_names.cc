#include "server/api/round_names.h"

#include "absl/strings/numbers.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::api {

std::optional<int64_t> ParseNumber(std::string_view text) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &number) || number < 1 || text != StrCat(number)) {
    return std::nullopt;
  }
  return number;
}

absl::StatusOr<rounds::RoundRow> FindNamedRound(store::Transaction& transaction,
                                                const ResourceName& name,
                                                const RepositoryRef& repository,
                                                rounds::Lock lock) {
  if (name.collection != "rounds" || !name.subcollection.empty()) {
    return InvalidArgument("name", "must end in /rounds/{number} or /rounds/latest");
  }
  std::optional<int64_t> number = ParseNumber(name.id);
  if (name.id == "latest") {
    FEDERITY_ASSIGN_OR_RETURN(
        const store::Row row,
        transaction.QueryOne("SELECT coalesce(max(number), 0) FROM rounds WHERE repository = $1",
                             store::Params().Text(repository.id)));
    number = row.Int(0);
  }
  if (!number.has_value()) return NotFound(FormatResourceName(name));
  FEDERITY_ASSIGN_OR_RETURN(std::optional<rounds::RoundRow> round,
                            rounds::FindRound(transaction, repository.id, *number, lock));
  if (!round.has_value()) return NotFound(FormatResourceName(name));
  return *std::move(round);
}

absl::StatusOr<rounds::ContributionRef> OwnContribution(const Call& call) {
  const ResourceName& name = call.resource();
  const std::optional<int64_t> number = ParseNumber(name.id);
  if (name.collection != "rounds" || !number.has_value() || name.subcollection != "contributions") {
    return InvalidArgument("name", "must end in /rounds/{number}/contributions/{contribution}");
  }
  rounds::ContributionRef ref;
  ref.repository = call.repository().id;
  ref.repository_name = call.repository().name;
  ref.round = *number;
  ref.id = name.subid;
  ref.member = call.caller().member_id;
  ref.contribution_key = call.caller().contribution_key;
  return ref;
}

}  // namespace federity::api
