#include "server/audit/audit_log.h"

#include <catch2/catch.hpp>

#include "tests/testing/temp_postgres.h"

namespace federity::audit {
namespace {

std::vector<Event> ListAll(testing::TempPostgres& postgres, const Trail& trail) {
  std::vector<Event> events;
  REQUIRE(postgres.database()
              .RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
                auto listed = List(transaction, trail, std::nullopt, 100);
                if (listed.ok()) events = *listed;
                return listed.status();
              })
              .ok());
  return events;
}

absl::Status Write(testing::TempPostgres& postgres, const Event& event) {
  return postgres.database().RunInTransaction(
      [&](store::Transaction& transaction) { return Append(transaction, event); });
}

TEST_CASE("Audit events come back as they were written", "[audit]") {
  testing::TempPostgres postgres;
  const std::string repository = "00000000-0000-4000-8000-000000000001";
  const Event event{.time = absl::FromUnixMicros(1800000000123456),
                    .actor = std::string(kCoordinator),
                    .scope_organization = "st-mary",
                    .scope_repository = repository,
                    .action = "round committed",
                    .resource = "organizations/st-mary/repositories/heart/rounds/1",
                    .details = {{"contributions", "3"}, {"note", "\"quoted\" \\ ünï"}}};
  REQUIRE(Write(postgres, event).ok());
  const std::vector<Event> events = ListAll(postgres, {"st-mary", repository});
  REQUIRE(events.size() == 1);
  CHECK(events[0].time == event.time);
  CHECK(events[0].actor == event.actor);
  CHECK(events[0].scope_organization == event.scope_organization);
  CHECK(events[0].scope_repository == event.scope_repository);
  CHECK(events[0].action == event.action);
  CHECK(events[0].resource == event.resource);
  CHECK(events[0].outcome == "ok");
  CHECK(events[0].details == event.details);
  CHECK(ListAll(postgres, {}).empty());
  CHECK(ListAll(postgres, {"st-mary", "00000000-0000-4000-8000-000000000002"}).empty());
  CHECK(ListAll(postgres, {.organization = "st-mary"}).size() == 1);
  CHECK(ListAll(postgres, {.organization = "st-luke"}).empty());
}

TEST_CASE("Odd bytes in details do not fail the call that is audited", "[audit]") {
  testing::TempPostgres postgres;
  Event event{.time = absl::Now(), .actor = "members/x", .action = "Push", .resource = "server"};
  event.details["bytes"] = std::string("a\0b\xff\xfe\x1b", 6);
  REQUIRE(Write(postgres, event).ok());
  CHECK(ListAll(postgres, {}).at(0).details.contains("bytes"));
}

}  // namespace
}  // namespace federity::audit
