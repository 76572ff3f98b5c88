#ifndef FEDERITY_SERVER_API_CONVERTERS_REPOSITORIES_H_
#define FEDERITY_SERVER_API_CONVERTERS_REPOSITORIES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "federity/v1/commits.pb.h"
#include "federity/v1/plans.pb.h"
#include "federity/v1/repositories.pb.h"
#include "federity/v1/statistics.pb.h"
#include "federity/v1/uploads.pb.h"
#include "server/membership/caller.h"
#include "server/repositories/commits.h"
#include "server/repositories/plans.h"
#include "server/repositories/repositories.h"
#include "server/repositories/uploads.h"

namespace federity::api {

// Rows → messages. `repository_name` is "organizations/o/repositories/r".

// `exact_examples`: for maintainers; others see the bucket.
v1::Commit ToProto(const repositories::CommitRow& row, std::string_view repository_name,
                   bool exact_examples);
v1::Tag ToProto(const repositories::TagRow& row, std::string_view repository_name);
v1::Plan ToProto(const repositories::PlanRow& row, std::string_view repository_name);
v1::Standardisation ToProto(const repositories::StandardisationRow& row,
                            std::string_view repository_name);
v1::Upload ToProto(const repositories::UploadRow& row, std::string_view repository_name,
                   int64_t committed_bytes);

// Resource name of a commit, plan, … by its "sha256:…" digest.
std::string NameByDigest(std::string_view repository_name, std::string_view collection,
                         std::string_view digest);

// Lower bound of the power of ten that holds `examples`; 0 for 0.
int64_t ExampleBucket(int64_t examples);

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_CONVERTERS_REPOSITORIES_H_
