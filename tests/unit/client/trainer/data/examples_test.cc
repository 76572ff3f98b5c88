#include "client/trainer/data/examples.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "client/trainer/failure.h"
#include "tests/unit/client/trainer/testing.h"

namespace federity::trainer {
namespace {

using testing::TablePlan;
using testing::TemporaryFolder;

std::vector<DataSource> Csv(const TemporaryFolder& folder, std::string_view text,
                            std::string label = "") {
  std::vector<DataSource> sources(1);
  sources[0].format = "csv";
  sources[0].label_column = std::move(label);
  sources[0].file = testing::OpenForReading(folder.Write("data.csv", text));
  return sources;
}

absl::StatusOr<Examples> LoadTable(const Plan& plan, std::string_view text,
                                   std::vector<double> mean = {}, std::vector<double> sd = {}) {
  const TemporaryFolder folder;
  const auto transform = InputTransform::Create(plan, std::move(mean), std::move(sd));
  if (!transform.ok()) return transform.status();
  return LoadExamples(Csv(folder, text), plan, *transform, {});
}

std::string BigEndian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}
std::string IdxHeader(const std::vector<uint32_t>& sizes, char type = 8) {
  std::string out = {'\0', '\0', type, static_cast<char>(sizes.size())};
  for (const uint32_t size : sizes) out += BigEndian(size);
  return out;
}
std::string Gzip(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = (folder / "x.gz").string();
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  return testing::ReadAll(path);
}
absl::StatusOr<Examples> LoadIdx(const Plan& plan, const std::string& images,
                                 const std::string& labels) {
  const TemporaryFolder folder;
  std::vector<DataSource> sources(1);
  sources[0].format = "idx";
  sources[0].file = testing::OpenForReading(folder.Write("images", images));
  sources[0].labels = testing::OpenForReading(folder.Write("labels", labels));
  return LoadExamples(sources, plan, *InputTransform::Create(plan, {}, {}), {});
}
Plan ImagePlan() {
  Plan plan;
  plan.data.kind = Plan::DataKind::kImages;
  plan.data.shape = {1, 2, 2};
  plan.data.classes = {"zero", "one", "two"};
  return plan;
}

void RequireInvalid(const absl::Status& status, std::string_view message) {
  REQUIRE_FALSE(status.ok());
  CHECK(FailureReason(status) == kDataInvalid);
  CHECK_THAT(std::string(status.message()), Catch::Contains(std::string(message)));
}

TEST_CASE("A table is read by column names, in the plan's order") {
  const auto examples =
      LoadTable(TablePlan(2), "y,extra,f1,f0\nyes,text,2,1\nno,,-0.5,1e-1\n yes , x,4, +3 \n");
  REQUIRE(examples.ok());
  CHECK(examples->rows == 3);
  CHECK(examples->values == std::vector<float>{1, 2, 0.1F, -0.5F, 3, 4});
  CHECK(examples->labels == std::vector<float>{1, 0, 1});
}

TEST_CASE("Labels are classes by text or number, and another column if mapped") {
  Plan plan = TablePlan(1);
  plan.data.classes = {"0", "1"};
  const TemporaryFolder folder;
  const auto sources = Csv(folder, "outcome,f0\n1.0,5\n0,6\n", "outcome");
  const auto examples = LoadExamples(sources, plan, *InputTransform::Create(plan, {}, {}), {});
  REQUIRE(examples.ok());
  CHECK(examples->labels == std::vector<float>{1, 0});
}

TEST_CASE("Values are standardised, clipped and counted; a missing one becomes the mean") {
  Plan plan = TablePlan(1);
  plan.data.standardise = Plan::Standardise::kFixed;
  plan.data.mean = {10};
  plan.data.sd = {2};
  plan.data.missing = Plan::Missing::kMean;
  plan.data.range_low = -3;
  plan.data.range_high = 3;
  const auto examples = LoadTable(plan, "f0,y\n12,no\nNA,no\n,yes\n100,no\n-100,no\n");
  REQUIRE(examples.ok());
  CHECK(examples->values == std::vector<float>{1, 0, 0, 3, -3});
  CHECK(examples->clipped == 2);
}

TEST_CASE("A federated standardisation must be given and fit") {
  Plan plan = TablePlan(2);
  plan.data.standardise = Plan::Standardise::kFederated;
  RequireInvalid(LoadTable(plan, "f0,f1,y\n1,2,no\n").status(), "federity stats run");
  RequireInvalid(LoadTable(plan, "f0,f1,y\n1,2,no\n", {1}, {1}).status(), "2 features");
  RequireInvalid(LoadTable(plan, "f0,f1,y\n1,2,no\n", {1, 2}, {1, 0}).status(), "not positive");
  CHECK(LoadTable(plan, "f0,f1,y\n1,2,no\n", {1, 2}, {1, 1}).ok());
}

TEST_CASE("Each thing wrong with a table is named with row and column") {
  const TemporaryFolder folder;
  const Plan plan = TablePlan(2);
  const auto sources = Csv(folder,
                           "f0,f1,y\n1,2,yes\n1,two,no\n1,,no\n1,2\n1,2,maybe\n1,inf,no\n"
                           "1,\"1,5\",no\n0x10,1,no\n");
  const auto report = CheckSource(sources[0], plan, 20, {});
  REQUIRE(report.ok());
  CHECK(report->rows == 1);
  CHECK(report->class_counts == std::vector<int64_t>{0, 1});
  std::vector<std::pair<int64_t, std::string>> places;
  for (const Problem& problem : report->problems) places.emplace_back(problem.row, problem.column);
  const std::vector<std::pair<int64_t, std::string>> expected = {
      {2, "f1"}, {3, "f1"}, {4, ""}, {5, "y"}, {6, "f1"}, {7, "f1"}, {8, "f0"}};
  CHECK(places == expected);
  // Not the values: messages may leave the machine.
  for (const Problem& problem : report->problems) {
    CHECK(problem.message.find("maybe") == std::string::npos);
    CHECK(problem.message.find("two") == std::string::npos);
  }
  CHECK(CheckSource(sources[0], plan, 2, {})->problems.size() == 2);
}

TEST_CASE("A header that does not fit is refused") {
  const Plan plan = TablePlan(2);
  RequireInvalid(LoadTable(plan, "").status(), "empty");
  RequireInvalid(LoadTable(plan, "f0,f1,y\n").status(), "no rows");
  RequireInvalid(LoadTable(plan, "f0,f1\n1,2\n").status(), "y: the header has no such column");
  RequireInvalid(LoadTable(plan, "f0,f1,f0,y\n1,2,3,no\n").status(), "f0: the header has this");
  // Of a file without header the first line is data, and not shown.
  const auto status = LoadTable(plan, "123.75,2,no\n").status();
  CHECK(std::string(status.message()).find("123.75") == std::string::npos);
}

TEST_CASE("Sums are those of all rows, missing values left out") {
  Plan plan = TablePlan(2);
  plan.data.standardise = Plan::Standardise::kFederated;
  plan.data.missing = Plan::Missing::kMean;
  const TemporaryFolder folder;
  const auto sums = SumSources(Csv(folder, "f0,f1,y\n1,0.5,no\n2,,no\n3,1.5,yes\n"), plan, {});
  REQUIRE(sums.ok());
  REQUIRE(sums->size() == 2);
  CHECK((*sums)[0].count == 3);
  const auto expected = ComputeFeatureSums({1, 2, 3}, 1);
  REQUIRE(expected.ok());
  CHECK((*sums)[0].sum == expected->front().sum);
  CHECK((*sums)[0].sum_of_squares == expected->front().sum_of_squares);
  CHECK((*sums)[1].count == 2);
  CHECK((*sums)[1].sum == ComputeFeatureSums({0.5, 1.5}, 1)->front().sum);
}

TEST_CASE("A value too large for federated statistics is refused by row and column") {
  Plan plan = TablePlan(2);
  plan.data.standardise = Plan::Standardise::kFederated;
  const TemporaryFolder folder;
  const std::string text = "f0,f1,y\n1,17592186044416,no\n2,-17592186044417,no\n";
  RequireInvalid(SumSources(Csv(folder, text), plan, {}).status(), "row 2, f1: is beyond 2^44");
  const auto report = CheckSource(Csv(folder, text).front(), plan, 20, {});
  REQUIRE(report.ok());
  REQUIRE(report->problems.size() == 1);
  CHECK(report->problems[0].row == 2);
  CHECK(report->problems[0].column == "f1");
}

TEST_CASE("IDX files are read plain and packed") {
  const std::string images = IdxHeader({2, 2, 2}) + std::string(
                                                        "\x00\xff\x33\x66"
                                                        "abcd",
                                                        8);
  const std::string labels = IdxHeader({2}) + std::string("\x02\x00", 2);
  for (const bool packed : {false, true}) {
    const auto examples = packed ? LoadIdx(ImagePlan(), Gzip(images), Gzip(labels))
                                 : LoadIdx(ImagePlan(), images, labels);
    REQUIRE(examples.ok());
    CHECK(examples->rows == 2);
    CHECK(examples->labels == std::vector<float>{2, 0});
    CHECK(std::vector<float>(examples->values.begin(), examples->values.begin() + 4) ==
          std::vector<float>{0, 1, 0.2F, 0.4F});
  }
}

TEST_CASE("An IDX header that lies is found out") {
  const std::string labels = IdxHeader({2}) + std::string("\0\0", 2);
  const std::string pixels(8, 'x');
  const auto refuse = [](const std::string& images, const std::string& label_file,
                         std::string_view message) {
    RequireInvalid(LoadIdx(ImagePlan(), images, label_file).status(), message);
  };
  refuse(IdxHeader({2, 2, 2}) + "xxxxx", labels, "ends in row 2");
  refuse(IdxHeader({0xffffffff, 2, 2}) + pixels, IdxHeader({0xffffffff}) + std::string(9, 0),
         "ends in row 3");
  refuse(IdxHeader({2, 3, 3}) + pixels, labels, "data.shape");
  refuse(IdxHeader({2, 0xffffffff, 0xffffffff}) + pixels, labels, "data.shape");
  refuse(IdxHeader({3, 2, 2}) + pixels, labels, "3 images and 2 labels");
  refuse(IdxHeader({2, 2, 2}, 0x0d) + pixels, labels, "unsigned bytes");
  refuse("PK\x03\x04", labels, "not an IDX file");
  refuse("", labels, "not an IDX file");
  const std::string packed = Gzip(IdxHeader({2, 2, 2}) + pixels);
  refuse(packed.substr(0, packed.size() - 9), labels, "gzip data ends early");
  std::string damaged = packed;
  damaged[12] = static_cast<char>(damaged[12] ^ 0x55);
  CHECK_FALSE(LoadIdx(ImagePlan(), damaged, labels).ok());
  refuse(IdxHeader({2, 2, 2}) + pixels, IdxHeader({2}) + "\x01\x07", "not below 3");
}

}  // namespace
}  // namespace federity::trainer
