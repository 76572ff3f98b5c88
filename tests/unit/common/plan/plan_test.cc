#include "common/plan/plan.h"

#include <catch2/catch.hpp>

#include "common/base/errors.h"

namespace federity {
namespace {

constexpr char kTable[] = R"([data]
features = ["age", "creatinine"]
classes = ["no", "yes"]
)";

constexpr char kImages[] = R"([data]
kind = "images"
shape = [1, 28, 28]
classes = ["a", "b", "c"]
)";

// Of product.md.
constexpr char kListing[] = R"(
[data]
kind = "table"
features = ["age", "creatinine"]
label = "outcome"
classes = ["no", "yes"]
missing = "refuse"
range = [-8.0, 8.0]
standardise = "federated"
[training]
loss = "cross_entropy"
optimizer = "sgd"
learning_rate = 0.125
batch_size = 32
epochs = 1
seed = 0
holdout = 0.2
metrics = ["accuracy"]
[round]
min_contributions = 3
recruit_deadline = "24h"
deadline = "10m"
[aggregation]
strategy = "fedavg"
max_examples = 100000
max_update_norm = 10.0
[proof]
policy = "none"
[privacy]
secure_aggregation = false
)";

Plan Parse(const std::string& toml) {
  const auto plan = ParsePlan(toml);
  INFO(plan.status().message());
  REQUIRE(plan.ok());
  return *plan;
}

TEST_CASE("The plan of the product description is read", "[plan]") {
  const Plan plan = Parse(kListing);
  CHECK(plan.data.features == std::vector<std::string>{"age", "creatinine"});
  CHECK(plan.data.label == "outcome");
  CHECK(plan.data.standardise == Plan::Standardise::kFederated);
  CHECK(plan.training.learning_rate == 0.125);
  CHECK(plan.round.recruit_deadline == absl::Hours(24));
  CHECK_FALSE(plan.round.target_contributions.has_value());
  CHECK(plan.input_size() == 2);
}

TEST_CASE("The canonical text is stable and golden", "[plan]") {
  CHECK(FormatPlan(Parse(kTable)) == R"([data]
kind = "table"
features = ["age", "creatinine"]
label = "label"
classes = ["no", "yes"]
missing = "refuse"
range = [-8.0, 8.0]
standardise = "none"
[training]
loss = "cross_entropy"
optimizer = "sgd"
learning_rate = 0.1
momentum = 0.0
weight_decay = 0.0
proximal_mu = 0.0
batch_size = 32
epochs = 1
seed = 0
holdout = 0.2
metrics = ["accuracy"]
[round]
min_contributions = 3
recruit_deadline = "1d"
deadline = "10m"
[aggregation]
strategy = "fedavg"
max_examples = 100000
max_update_norm = 10.0
[proof]
policy = "none"
[privacy]
secure_aggregation = false
)");
  // Approvals hold this digest: it may change only with the format's version.
  CHECK(PlanDigest(Parse(kTable)).Hex() ==
        "410b23cfb95468a18b5b33c7400a6bcb71133a574e1355772cbde78c136cc92e");
}

TEST_CASE("Formatting and parsing are inverse", "[plan]") {
  Plan fixed = Parse(kTable);
  fixed.data.standardise = Plan::Standardise::kFixed;
  fixed.data.missing = Plan::Missing::kMean;
  fixed.data.mean = {-1e-300, 123456.789};
  fixed.data.sd = {1e300, 5e-324};
  fixed.data.range_low = -0.1;
  fixed.data.classes = {"say \"no\"", "back\\slash ü"};
  fixed.data.features = {"a b", "#"};
  fixed.training.optimizer = Plan::Optimizer::kAdamw;
  fixed.training.learning_rate = 1e-5;
  fixed.training.seed = 9223372036854775807u;
  fixed.training.metrics = {"accuracy", "sensitivity", "specificity"};
  fixed.training.loss = Plan::Loss::kBceWithLogits;
  fixed.round.target_contributions = 10;
  fixed.round.deadline = absl::Seconds(61);
  Plan regression = Parse("[data]\nfeatures = [\"a\"]\n[training]\nloss = \"mse\"");
  CHECK(regression.training.metrics.empty());
  for (const Plan& plan : {Parse(kTable), Parse(kListing), Parse(kImages), fixed, regression}) {
    const std::string text = FormatPlan(plan);
    INFO(text);
    const auto again = ParsePlan(text);
    REQUIRE(again.ok());
    CHECK(*again == plan);
    CHECK(FormatPlan(*again) == text);
    CHECK(PlanDigest(*again) == PlanDigest(plan));
  }
}

TEST_CASE("Equal plans in other spellings have one digest", "[plan]") {
  CHECK(PlanDigest(Parse("data.features = [\"age\", \"creatinine\"] # x\n"
                         "data.classes = [\"no\", \"yes\"]\n"
                         "data.range = [-8, 8]\nround.recruit_deadline = \"24h\"\n")) ==
        PlanDigest(Parse(kTable)));
  CHECK(PlanDigest(Parse(std::string(kTable) + "range = [-0.0, 8.0]\n")) ==
        PlanDigest(Parse(std::string(kTable) + "range = [0, 8]\n")));
}

TEST_CASE("Images have a shape", "[plan]") {
  const Plan plan = Parse(kImages);
  CHECK(plan.data.kind == Plan::DataKind::kImages);
  CHECK(plan.data.scale == 255.0);
  CHECK(plan.input_size() == 784);
}

struct Refusal {
  const char* toml;     // appended to a plan that is good
  const char* key;      // in the metadata
  const char* message;  // part of it
};

void CheckRefusals(const std::string& good, std::initializer_list<Refusal> refusals) {
  REQUIRE(ParsePlan(good).ok());
  for (const Refusal& refusal : refusals) {
    INFO(refusal.toml);
    const auto plan = ParsePlan(good + refusal.toml);
    REQUIRE_FALSE(plan.ok());
    CHECK(ReasonOf(plan.status()) == v1::ERROR_REASON_PLAN_INVALID);
    CHECK(absl::IsInvalidArgument(plan.status()));
    CHECK(MetadataOf(plan.status())["key"] == refusal.key);
    CHECK_THAT(std::string(plan.status().message()), Catch::Contains(refusal.message));
  }
}

TEST_CASE("What is wrong in the data section of a table is named", "[plan]") {
  CheckRefusals(
      kTable, {
                  {"labl = \"x\"", "data.labl", "did you mean data.label?"},
                  {"kind = \"video\"", "data.kind", "\"table\", \"images\""},
                  {"label = 3", "data.label", "text in quotes"},
                  {"label = \"\"", "data.label", "1 to 256"},
                  {"label = \"a\\nb\"", "data.label", "control"},
                  {"label = \"age\"", "data.features", "is the label"},
                  {"missing = \"drop\"", "data.missing", "\"refuse\", \"mean\""},
                  {"missing = \"mean\"", "data.missing", "standardisation"},
                  {"range = [8.0, -8.0]", "data.range", "below"},
                  {"range = [1.0, 1.0]", "data.range", "below"},
                  {"range = [1.0]", "data.range", "pair"},
                  {"range = 3", "data.range", "list of numbers"},
                  {"range = [nan, 1.0]", "data.range", "below"},
                  {"range = [0.0, inf]", "data.range", "1000000"},
                  {"standardise = \"local\"", "data.standardise", "\"federated\""},
                  {"standardise = \"fixed\"", "data.mean", "one number for each feature: 2, not 0"},
                  {"standardise = \"fixed\"\nmean = [0, 0]\nsd = [1]", "data.sd", "2, not 1"},
                  {"standardise = \"fixed\"\nmean = [0, 0]\nsd = [1, 0]", "data.sd", "above 0"},
                  {"standardise = \"fixed\"\nmean = [0, inf]\nsd = [1, 1]", "data.mean", "finite"},
                  {"mean = [0, 0]", "data.mean", "only for data.standardise"},
                  {"sd = [1, 1]", "data.sd", "only for data.standardise"},
                  {"shape = [1, 2, 3]", "data.shape", "only for data.kind = \"images\""},
                  {"scale = 2.0", "data.scale", "only for data.kind = \"images\""},
                  {"[more]", "more", "unknown key"},
                  {"x = =", "", "line 4"},
              });
  CheckRefusals("[data]\nclasses = [\"no\", \"yes\"]\nfeatures = [\"a\"]\n",
                {{"classes = [\"x\"]", "", "line 4"}});
  CHECK_FALSE(ParsePlan("").ok());
  CHECK_FALSE(ParsePlan("[data]\nfeatures = []\nclasses = [\"a\", \"b\"]").ok());
  CHECK_FALSE(ParsePlan("[data]\nfeatures = [\"a\", \"a\"]\nclasses = [\"a\", \"b\"]").ok());
  CHECK_FALSE(ParsePlan("[data]\nfeatures = [\"a\"]\nclasses = [\"a\", \"a\"]").ok());
  CHECK_FALSE(ParsePlan("[data]\nfeatures = [\"a\"]\nclasses = [\"1\", 1]").ok());
  CHECK_FALSE(ParsePlan("[data]\nfeatures = [\"a\"]\nclasses = [0.5, 1]").ok());
  CHECK(Parse("[data]\nfeatures = [\"a\"]\nclasses = [0, 1]").data.classes ==
        std::vector<std::string>{"0", "1"});
}

TEST_CASE("What is wrong in the data section of images is named", "[plan]") {
  CheckRefusals(kImages,
                {
                    {"features = [\"a\"]", "data.features", "only for data.kind = \"table\""},
                    {"label = \"a\"", "data.label", "only for data.kind = \"table\""},
                    {"missing = \"mean\"", "data.missing", "only for data.kind = \"table\""},
                    {"scale = 0.0", "data.scale", "must be a number"},
                    {"standardise = \"federated\"", "data.standardise", "only for"},
                    {"standardise = \"fixed\"\nmean = [0, 0]\nsd = [1]", "data.mean",
                     "one number for each channel: 1, not 2"},
                    {"[training]\nloss = \"mse\"", "training.loss", "regression"},
                });
  for (const char* shape :
       {"[]", "[28, 28]", "[1, 2, 3, 4]", "[0, 28, 28]", "[-1, 28, 28]", "[4096, 65536, 65536]",
        "[1, 28, 65537]", "[9223372036854775807, 9223372036854775807, 2]"}) {
    INFO(shape);
    const auto plan = ParsePlan("[data]\nkind = \"images\"\nclasses = [\"a\", \"b\"]\nshape = " +
                                std::string(shape));
    CHECK(MetadataOf(plan.status())["key"] == "data.shape");
  }
  CHECK_FALSE(ParsePlan("[data]\nkind = \"images\"\nshape = [1, 2, 2]").ok());
}

TEST_CASE("What is wrong in the training section is named", "[plan]") {
  CheckRefusals(std::string(kTable) + "[training]\n",
                {
                    {"loss = \"hinge\"", "training.loss", "\"cross_entropy\""},
                    {"loss = \"mse\"", "training.loss", "without classes"},
                    {"optimizer = \"lion\"", "training.optimizer", "\"adamw\""},
                    {"learning_rate = 0.0", "training.learning_rate", "must be a number"},
                    {"learning_rate = -1.0", "training.learning_rate", "must be a number"},
                    {"learning_rate = inf", "training.learning_rate", "must be a number"},
                    {"momentum = 1.0", "training.momentum", "must be a number"},
                    {"momentum = 0.9\noptimizer = \"adam\"", "training.momentum", "only for"},
                    {"weight_decay = -1.0", "training.weight_decay", "must be a number"},
                    {"proximal_mu = nan", "training.proximal_mu", "must be a number"},
                    {"batch_size = 0", "training.batch_size", "1 to 1000000"},
                    {"batch_size = 1000001", "training.batch_size", "1 to 1000000"},
                    {"batch_size = 1.5", "training.batch_size", "whole number"},
                    {"epochs = 0", "training.epochs", "1 to 1000"},
                    {"epochs = 1001", "training.epochs", "1 to 1000"},
                    {"seed = -1", "training.seed", "whole number"},
                    {"holdout = 0.91", "training.holdout", "0 to 0.9"},
                    {"holdout = -0.1", "training.holdout", "0 to 0.9"},
                    {"metrics = [\"auc\"]", "training.metrics", "is not one of"},
                    {"metrics = [\"accuracy\", \"accuracy\"]", "training.metrics", "twice"},
                    {"metrics = \"accuracy\"", "training.metrics", "list of texts"},
                    {"lr = 0.1", "training.lr", "unknown key"},
                });
  CheckRefusals("[data]\nfeatures = [\"a\"]\nclasses = [\"a\", \"b\", \"c\"]\n[training]\n",
                {
                    {"loss = \"bce_with_logits\"", "training.loss",
                     "exactly 2 classes; data.classes lists 3"},
                    {"metrics = [\"sensitivity\"]", "training.metrics", "exactly 2 classes"},
                    {"metrics = [\"specificity\"]", "training.metrics", "exactly 2 classes"},
                });
  CheckRefusals("[data]\nfeatures = [\"a\"]\n[training]\nloss = \"mse\"\n",
                {{"metrics = [\"accuracy\"]", "training.metrics", "needs classes"}});
  const auto no_classes = ParsePlan("[data]\nfeatures = [\"a\"]");
  CHECK(MetadataOf(no_classes.status())["key"] == "training.loss");
}

TEST_CASE("What is wrong in the other sections is named", "[plan]") {
  CheckRefusals(
      kTable, {
                  {"[round]\nmin_contributions = 0", "round.min_contributions", "from 1"},
                  {"[round]\ntarget_contributions = 2", "round.target_contributions", "at least"},
                  {"[round]\ntarget_contributions = 0", "round.target_contributions", "from 1"},
                  {"[round]\ndeadline = \"0s\"", "round.deadline", "duration from \"1s\""},
                  {"[round]\ndeadline = \"366d\"", "round.deadline", "to \"365d\""},
                  {"[round]\nrecruit_deadline = 10", "round.recruit_deadline", "duration"},
                  {"[aggregation]\nstrategy = \"median\"", "aggregation.strategy", "\"fedavg\""},
                  {"[aggregation]\nmax_examples = 0", "aggregation.max_examples", "from 1"},
                  {"[aggregation]\nmax_update_norm = 0.0", "aggregation.max_update_norm", "number"},
                  {"[proof]\npolicy = \"all\"", "proof.policy", "\"training\""},
                  {"[privacy]\nsecure_aggregation = \"yes\"", "privacy.secure_aggregation", "true"},
                  {"[privacy]\nmax_missing = 1", "privacy.max_missing", "unknown key"},
                  {"[proof]\npolicy = \"training\"\n[privacy]\nsecure_aggregation = true",
                   "proof.policy", "contradicts"},
              });
}

TEST_CASE("Features of a later version are refused by name", "[plan]") {
  const auto proofs = ParsePlan(std::string(kTable) + "[proof]\npolicy = \"training\"");
  CHECK(ReasonOf(proofs.status()) == v1::ERROR_REASON_FEATURE_NOT_AVAILABLE);
  CHECK(MetadataOf(proofs.status())["feature"] == "training proofs");
  const auto masked = ParsePlan(std::string(kTable) + "[privacy]\nsecure_aggregation = true");
  CHECK(ReasonOf(masked.status()) == v1::ERROR_REASON_FEATURE_NOT_AVAILABLE);
  CHECK(MetadataOf(masked.status())["feature"] == "secure aggregation");
}

TEST_CASE("Warnings and differences", "[plan]") {
  const Plan plan = Parse(kListing);
  CHECK(PlanWarnings(plan).empty());
  Plan other = plan;
  other.round.min_contributions = 2;
  other.round.target_contributions = 4;
  other.training.holdout = 0.0;
  other.data.standardise = Plan::Standardise::kNone;
  CHECK(PlanWarnings(other).size() == 3);
  CHECK_THAT(PlanWarnings(other)[0], Catch::Contains("round.min_contributions = 2"));
  CHECK(PlanDifferences(plan, plan).empty());
  CHECK(PlanDifferences(plan, other) ==
        std::vector<std::string>{"data.standardise: \"federated\" → \"none\"",
                                 "training.holdout: 0.2 → 0.0", "round.min_contributions: 3 → 2",
                                 "round.target_contributions: (none) → 4"});
}

TEST_CASE("No text of a plan crashes the parser", "[plan]") {
  const std::string text = kListing;
  for (size_t i = 0; i < text.size(); ++i) {
    static_cast<void>(ParsePlan(text.substr(0, i)));
    for (const char c : {'"', ']', '\n', '9', '\xff'}) {
      std::string changed = text;
      changed[i] = c;
      const auto plan = ParsePlan(changed);
      if (plan.ok()) CHECK(*ParsePlan(FormatPlan(*plan)) == *plan);
    }
  }
}

}  // namespace
}  // namespace federity
