#include <fcntl.h>

#include <limits>

#include "client/trainer/supervisor.h"
#include "client/trainer/worker/weights_io.h"
#include "tests/unit/trainer/torch_testing.h"

namespace federity::trainer {
namespace {

using testing::GoldenModel;
using testing::LinearModule;
using testing::Loaded;
using testing::TemporaryFolder;

std::unique_ptr<Model> Golden(std::string_view name) {
  const FileDescriptor file = testing::OpenForReading(GoldenModel(name));
  auto model = Model::Load(file.get(), {});
  INFO(model.status());
  REQUIRE(model.ok());
  return *std::move(model);
}

void RequireRefused(const torch::jit::Module& module, std::string_view message) {
  const auto status = Loaded(module).status();
  INFO(status);
  CHECK(FailureReason(status) == kModelRefused);
  CHECK_THAT(std::string(status.message()), Catch::Contains(std::string(message)));
}

TEST_CASE("The same code gives the same program, whatever the weights and mode") {
  const std::string name = GENERATE("mlp", "mlp_other_weights");
  const auto program = Golden("mlp.script.torch1.13")->TakeProgram();
  REQUIRE(program.ok());
  CHECK(*Golden(name + ".script.torch1.13")->TakeProgram() == *program);
  CHECK(*Golden(name + ".script.torch2.6")->TakeProgram() == *program);
  const auto other = Golden("attention.script.torch1.13")->TakeProgram();
  CHECK(*other != *program);

  auto evaluating = Golden("mlp.script.torch1.13");
  evaluating->impl().module.eval();
  CHECK(*evaluating->TakeProgram() == *program);
}

TEST_CASE("A program does not grow with the weights") {
  const auto small = Loaded(LinearModule(10, 2, 1.0F));
  const auto large = Loaded(LinearModule(100'000, 2, 1.0F));
  REQUIRE(small.ok());
  REQUIRE(large.ok());
  const auto small_program = (*small)->TakeProgram();
  const auto large_program = (*large)->TakeProgram();
  CHECK(large_program->size() < small_program->size() + 100);
  // The shape is in it.
  const auto again = Model::LoadBytes(*large_program, {});
  REQUIRE(again.ok());
  CHECK((*again)->spec() == (*large)->spec());
}

TEST_CASE("Weights go through a file unchanged, and a delta is what was added") {
  const TemporaryFolder folder;
  const auto original = Golden("cnn.script.torch1.13");
  FileDescriptor weights = *OpenFile(folder / "w", O_RDWR | O_CREAT);
  REQUIRE(WriteWeights(*original, weights.get()).ok());
  const auto program = Golden("cnn.script.torch1.13")->TakeProgram();
  auto joined = *Model::LoadBytes(*program, {});
  REQUIRE(ReadWeights(*joined, weights.get()).ok());
  const auto a = original->impl().Tensors();
  const auto b = joined->impl().Tensors();
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK(a[i].equal(b[i]));
  CHECK(joined->spec().tensors.back().name == "norm.num_batches_tracked");

  {
    const torch::NoGradGuard no_grad;
    joined->impl().Tensors()[0].add_(0.5);
    joined->impl().module.attr("norm").toModule().setattr("num_batches_tracked",
                                                          torch::tensor(int64_t{7}));
  }
  FileDescriptor delta = *OpenFile(folder / "d", O_RDWR | O_CREAT);
  REQUIRE(WriteDelta(*joined, weights.get(), delta.get()).ok());
  const std::string bytes = testing::ReadAll(folder / "d");
  const int64_t start = *tensor::HeaderLength(bytes.substr(0, 8));
  const auto spec = *tensor::DecodeHeader(bytes.substr(0, static_cast<size_t>(start)));
  const auto* q = reinterpret_cast<const int32_t*>(bytes.data() + start);
  for (int64_t i = 0; i < spec.tensors[0].elements(); ++i) CHECK(std::abs(q[i] - (1 << 23)) < 8);
  for (int64_t i = 0; i < spec.tensors[1].elements(); ++i) {
    CHECK(q[spec.tensors[0].elements() + i] == 0);
  }
  int64_t batches = 0;
  std::memcpy(&batches, bytes.data() + start + spec.tensors.back().offset, sizeof(batches));
  CHECK(batches == 7);
}

TEST_CASE("Damaged weights files are refused") {
  const TemporaryFolder folder;
  const auto model = Golden("mlp.script.torch1.13");
  FileDescriptor weights = *OpenFile(folder / "w", O_RDWR | O_CREAT);
  REQUIRE(WriteWeights(*model, weights.get()).ok());
  const std::string good = testing::ReadAll(folder / "w");
  for (const size_t length : {size_t{0}, size_t{7}, size_t{100}, good.size() - 1}) {
    const FileDescriptor cut = testing::OpenForReading(folder.Write("cut", good.substr(0, length)));
    const absl::Status status = ReadWeights(*model, cut.get());
    CHECK(FailureReason(status) == kModelUnreadable);
  }
}

TEST_CASE("Tensors that can't be merged are refused by name") {
  torch::jit::Module module = LinearModule(3, 2, 1.0F);
  module.register_buffer("limits", torch::full({2}, -std::numeric_limits<float>::infinity()));
  const auto loaded = Loaded(module);
  REQUIRE(loaded.ok());
  const TemporaryFolder folder;
  const FileDescriptor out = *OpenFile(folder / "w", O_RDWR | O_CREAT);
  const absl::Status status = WriteWeights(**loaded, out.get());
  CHECK(FailureReason(status) == kModelFailed);
  CHECK_THAT(std::string(status.message()), Catch::Contains("limits"));

  module = LinearModule(3, 2, 1.0F);
  module.register_buffer("short", torch::zeros({2}, at::kShort));
  RequireRefused(module, "buffer short is of type Short");
  module = LinearModule(3, 2, 1.0F);
  module.register_buffer("complex", torch::zeros({2}, at::kComplexFloat));
  RequireRefused(module, "complex");
  module = LinearModule(3, 2, 1.0F);
  module.register_parameter("v", module.attr("w").toTensor().slice(0, 1, 2), false);
  RequireRefused(module, "w and v share");
  module = LinearModule(3, 2, 1.0F);
  module.setattr("w", torch::ones({3, 2}));
  RequireRefused(module, "torch.jit.freeze");
}

TEST_CASE("Neighbours in one storage are not tied") {
  torch::jit::Module module("Two");
  const at::Tensor both = torch::rand({4, 2});
  module.register_parameter("a", both.slice(0, 0, 2).detach().requires_grad_(), false);
  module.register_parameter("b", both.slice(0, 2, 4).detach().requires_grad_(), false);
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define("def forward(self, x):\n    return torch.matmul(x, self.a + self.b)\n");
  CHECK(Loaded(module).ok());
}

TEST_CASE("A model traced in evaluation mode is warned of") {
  CHECK(Golden("cnn.script.torch1.13")->Warnings().empty());
  const auto warnings = Golden("cnn.trace.torch1.13")->Warnings();
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Catch::Contains("batch_norm, dropout"));
}

TEST_CASE("A forbidden operator is found wherever it is") {
  const auto refuse = [](const std::string& body, std::string_view operator_name) {
    torch::jit::Module module = LinearModule(3, 2, 1.0F);
    module.define(body);
    RequireRefused(module, operator_name);
  };
  refuse("def other(self, x):\n    return x.as_strided([1], [1], 1000)\n", "aten::as_strided");
  refuse(
      "def other(self, x):\n    for i in range(3):\n        if i > 1:\n            print(x)\n    "
      "return x\n",
      "prim::Print");
  refuse("def other(self, x):\n    return torch.empty([1000])\n", "aten::empty");
  refuse(
      "def inner(self, x):\n    return x.resize_([9])\ndef other(self, x):\n    "
      "return self.inner(x)\n",
      "aten::resize_");
  torch::jit::Module outer("Outer");
  torch::jit::Module inner = LinearModule(3, 2, 1.0F);
  inner.define("def hidden(self, x):\n    return torch.from_file('/etc/passwd', False, 4)\n");
  outer.register_module("inner", inner);
  outer.register_attribute("training", c10::BoolType::get(), true);
  outer.define("def forward(self, x):\n    return self.inner.forward(x)\n");
  RequireRefused(outer, "aten::from_file");
}

TEST_CASE("Without the allow-list the sandbox still holds") {
  const TemporaryFolder folder;
  const auto split = [&](std::string_view name) {
    worker::v1::Request request;
    auto& job = *request.mutable_split();
    job.set_model_path(GoldenModel(name));
    job.set_program_path(folder / "p");
    job.set_weights_path(folder / "w");
    Plan plan = testing::TablePlan(30);
    job.set_plan_toml(FormatPlan(plan));
    const auto self = std::filesystem::read_symlink("/proc/self/exe");
    return RunJob(request, {.program = self.parent_path() / "federity-trainer-unchecked"}).status();
  };
  CHECK(split("mlp.script.torch1.13").ok());
  const absl::Status status = split("evil_fromfile.script.torch1.13");
  INFO(status);
  CHECK(FailureReason(status) == kModelFailed);
  CHECK_THAT(std::string(status.message()),
             Catch::Contains("/etc/passwd") &&
                 (Catch::Contains("Permission denied") || Catch::Contains("not permitted")));
  CHECK_FALSE(split("evil_setstate.script.torch1.13").ok());
}

}  // namespace
}  // namespace federity::trainer
