// Models of several kinds through whole rounds, and models that are an attack.

#include <png.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/e2e/federation.h"

namespace federity::e2e {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kImagesPlan[] = R"(
[data]
kind = "images"
shape = [1, 28, 28]
classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
[training]
learning_rate = 0.05
batch_size = 8
epochs = 2
[round]
min_contributions = 3
recruit_deadline = "1m"
)";

// Class k is a bright row k, with noise that differs for each image and hospital.
std::vector<uint8_t> Image(int label, int salt) {
  std::vector<uint8_t> pixels(28 * 28);
  for (size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<uint8_t>((i * 2654435761U + static_cast<uint32_t>(salt) * 97) % 41);
  }
  for (size_t x = 0; x < 28; ++x) pixels[static_cast<size_t>(2 * label + 4) * 28 + x] = 250;
  return pixels;
}

std::string BigEndian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

// {images, labels} in IDX.
std::vector<std::string> WriteIdx(const fs::path& folder, int count, int salt) {
  fs::create_directories(folder);
  const auto n = static_cast<uint32_t>(count);
  std::string images = BigEndian(0x803) + BigEndian(n) + BigEndian(28) + BigEndian(28);
  std::string labels = BigEndian(0x801) + BigEndian(n);
  for (int i = 0; i < count; ++i) {
    const std::vector<uint8_t> pixels = Image(i % 10, salt + i);
    images.append(reinterpret_cast<const char*>(pixels.data()), pixels.size());
    labels += static_cast<char>(i % 10);
  }
  WriteText(folder / "images-idx3-ubyte", images);
  WriteText(folder / "labels-idx1-ubyte", labels);
  return {(folder / "images-idx3-ubyte").string(), "--labels",
          (folder / "labels-idx1-ubyte").string()};
}

// A folder of PNG files for each class.
std::vector<std::string> WriteImageFolder(const fs::path& folder, int count, int salt) {
  for (int i = 0; i < count; ++i) {
    const fs::path place = folder / std::to_string(i % 10);
    fs::create_directories(place);
    png_image png = {};
    png.version = PNG_IMAGE_VERSION;
    png.width = png.height = 28;
    png.format = PNG_FORMAT_GRAY;
    const std::vector<uint8_t> pixels = Image(i % 10, salt + i);
    REQUIRE(png_image_write_to_file(&png, (place / (std::to_string(i) + ".png")).c_str(), 0,
                                    pixels.data(), 0, nullptr) != 0);
  }
  return {folder.string()};
}

}  // namespace

TEST_CASE("A convolutional model with BatchNorm learns from images in folders and IDX", "[e2e]") {
  constexpr char kRepository[] = "st-mary/digits";
  Federation federation;
  federation.CreateRepository(kRepository, GoldenModel("cnn.script"), kImagesPlan);
  const fs::path data = federation.directory() / "data";
  federation.AddAgent(kRepository, "Folder", WriteImageFolder(data / "folder", 60, 1));
  federation.AddAgent(kRepository, "Idx 1", WriteIdx(data / "idx-1", 80, 1000));
  federation.AddAgent(kRepository, "Idx 2", WriteIdx(data / "idx-2", 40, 2000));
  const json round = federation.RunRounds(kRepository, 3);
  CHECK(round.at("state") == "COMMITTED");
  CHECK(round.at("accepted") == 3);

  std::vector<std::string> test = WriteIdx(data / "test", 100, 3000);
  const auto evaluate = [&](const std::string& commit) {
    std::vector<std::string> arguments = {"evaluate", kRepository + commit, "--data"};
    arguments.insert(arguments.end(), test.begin(), test.end());
    return federation.Json("owner", arguments);
  };
  CHECK(evaluate("").at("loss").get<double>() < 0.8 * evaluate("@v1").at("loss").get<double>());
  // Integer buffers are merged by maximum: batches seen, by the hospital with most.
  const std::string model = (federation.directory() / "model.pt").string();
  federation.Do("owner", {"pull", kRepository, "-o", model});
  CHECK(fs::file_size(model) > 0);
}

TEST_CASE("A model with attention trains in rounds", "[e2e]") {
  constexpr char kRepository[] = "st-mary/attention";
  Federation federation;
  const std::string plan = ReadText(DemoFile("plan-wdbc.toml"));
  federation.CreateRepository(kRepository, GoldenModel("attention.script"), plan);
  for (const std::string& csv : DealBreastCancer(3)) {
    federation.AddTableAgent(kRepository, "Hospital of " + std::to_string(csv.size()), csv);
  }
  federation.Do("owner", {"stats", "run", kRepository});
  CHECK(federation.RunRounds(kRepository, 2).at("state") == "COMMITTED");
  const std::string test = (federation.directory() / "test.csv").string();
  WriteText(test, DealBreastCancer(5)[2]);
  const auto loss = [&](const std::string& commit) {
    return federation.Json("owner", {"evaluate", kRepository + commit, "--data", test})
        .at("loss")
        .get<double>();
  };
  CHECK(loss("") < loss("@v1"));
}

TEST_CASE("A hostile model file is refused by name and nothing of it is kept", "[e2e]") {
  Federation federation;
  const std::string plan = DemoFile("plan-wdbc.toml").string();
  const auto refused = [&](const fs::path& model, const std::string& says) {
    const Finished finished = federation.Try("owner", {"repo", "create", "st-mary/evil", "--model",
                                                       model.string(), "--plan", plan});
    INFO(model << "\n" << finished.out << finished.err);
    CHECK(finished.status == 1);
    CHECK(finished.err.find(says) != std::string::npos);
    CHECK(finished.out.find("root:") == std::string::npos);
    CHECK(finished.err.find("root:") == std::string::npos);
    CHECK(federation.Try("owner", {"repo", "show", "st-mary/evil"}).status == 1);
  };
  refused(GoldenModel("evil_fromfile.script"), "from_file");
  refused(GoldenModel("evil_hiddenfromfile.script"), "from_file");
  refused(GoldenModel("evil_setstate.script"), "__setstate__");
  refused(GoldenModel("evil_printing.script"), "print");
  refused(GoldenModel("evil_hog.script"), "memory");
  refused(GoldenModel("frozen.script"), "freez");
  refused(GoldenModel("half.script"), "float");
  refused(GoldenModel("tied.script"), "second.weight");
  refused(GoldenModel("wrong_shape.script"), "3");
  const fs::path file = federation.directory() / "model.pt";
  const std::string good = ReadText(DemoFile("models/wdbc.pt"));
  WriteText(file, good.substr(0, good.size() / 2));
  refused(file, "model.pt");
  WriteText(file, std::string(100'000, '\xff'));
  refused(file, "model.pt");
  WriteText(file, "");
  refused(file, "model.pt");
}

TEST_CASE("An owner whose own checks are switched off attacks the hospitals in vain", "[e2e]") {
  constexpr char kRepository[] = "st-mary/evil";
  Federation federation;
  // The owner's command line with a trainer that lets every graph pass.
  const fs::path tools = federation.directory() / "tools";
  fs::create_directories(tools);
  fs::copy_file(Program("federity"), tools / "federity");
  fs::copy_file(Program("federity-trainer-unchecked"), tools / "federity-trainer");
  const std::string plan = (federation.directory() / "evil.toml").string();
  WriteText(plan, Edited(ReadText(DemoFile("plan-wdbc.toml")),
                         "standardise = \"federated\"\n", ""));
  const Finished pushed = testing::Run(
      {.argv = {(tools / "federity").string(), "repo", "create", kRepository, "--model",
                GoldenModel("evil_printing.script").string(), "--plan", plan},
       .environment = {{"FEDERITY_HOME", federation.home("owner").string()},
                       {"HOME", federation.directory().string()}}});
  INFO(pushed.out << pushed.err);
  REQUIRE(pushed.status == 0);

  std::vector<Agent*> agents;
  for (const std::string& csv : DealBreastCancer(3)) {
    agents.push_back(&federation.AddTableAgent(
        kRepository, "Hospital " + std::to_string(agents.size() + 1), csv));
  }
  const json round = federation.RunRounds(kRepository, 1);
  CHECK(round.at("state") == "FAILED");
  CHECK(federation.Head(kRepository).at("version") == 1);
  const json list = federation.Json("owner", {"contribution", "list", kRepository});
  for (const json& contribution : list.at("contributions")) {
    INFO(contribution.dump());
    CHECK(contribution.at("state") == "ABANDONED");
    CHECK(contribution.at("refusal").get<std::string>().find("print") != std::string::npos);
  }
  // The operator reads why, and the daemon lives on.
  for (Agent* agent : agents) {
    CHECK(agent->Do({"log"}).find("print") != std::string::npos);
    CHECK(agent->Stop() == 0);
  }
}

}  // namespace federity::e2e
