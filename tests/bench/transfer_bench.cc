// Model bytes to and from a real coordinator, over TLS on loopback.
//
//   transfer_bench [--megabytes N[,N…]] [--each N] [--far N] [--repeats N]
//
// upload-N, download-N   N megabytes. "ratio" is a bare gRPC stream's seconds over ours,
//                        with the same TLS and chunks, whose receiver also takes SHA-256,
//                        encrypts with the same cipher (uploads; for a download its sender
//                        decrypts) and writes the bytes once, with one fdatasync.
//                        "unburdened_seconds" is the stream alone.
// upload-far, download-far   through a line of 100 ms there and back and 12.5 MB/s each
//                        way (--far megabytes); "ratio" is the line's own seconds over ours.
// upload-8xN             eight agents at once, N megabytes each (--each, 50).

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <sstream>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "client/identity/identity_store.h"
#include "client/transfer/transfer.h"
#include "common/base/files.h"
#include "common/crypto/aead.h"
#include "common/crypto/certificates.h"
#include "common/crypto/digest.h"
#include "common/crypto/file_digest.h"
#include "common/crypto/secret.h"
#include "common/rpc/channel.h"
#include "common/tensor/safetensors.h"
#include "federity/v1/commits.grpc.pb.h"
#include "federity/v1/uploads.grpc.pb.h"
#include "tests/bench/bench.h"
#include "tests/e2e/federation.h"
#include "tests/testing/tcp_proxy.h"

namespace federity::bench {
namespace {

namespace fs = std::filesystem;

constexpr char kRepository[] = "st-mary/bench";
constexpr char kResource[] = "organizations/st-mary/repositories/bench";
constexpr int64_t kChunk = rpc::kChunkBytes;
constexpr int64_t kStoredChunk = kChunk + 16;
constexpr int kAgents = 8;

// ---- The bare stream. It names no errors: a bench that fails, ends.

void RequireOk(const grpc::Status& status) {
  if (status.ok()) return;
  std::cerr << status.error_message() << "\n";
  std::exit(1);
}

// A file that is hashed, encrypted if there is a cipher, and written once.
class Sink {
 public:
  Sink(const fs::path& path, crypto::Aead* cipher)
      : file_(Require(OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC))), cipher_(cipher) {}

  void Take(std::string_view data) {
    hasher_.Update(data);
    if (cipher_ != nullptr) {
      sealed_.resize(data.size() + 16);
      Require(cipher_->Seal(Nonce(), "", data, sealed_.data()));
      data = sealed_;
    }
    Require(WriteFully(file_.get(), data, written_));
    written_ += static_cast<int64_t>(data.size());
  }
  void End() {
    hasher_.Finish();
    if (fdatasync(file_.get()) != 0) std::exit(1);
  }

 private:
  std::string_view Nonce() {
    nonce_.resize(12);
    ++number_;
    std::memcpy(nonce_.data(), &number_, sizeof(number_));
    return nonce_;
  }
  const FileDescriptor file_;
  crypto::Aead* const cipher_;
  crypto::Sha256Hasher hasher_;
  std::string nonce_, sealed_;
  uint64_t number_ = 0;
  int64_t written_ = 0;
};

const crypto::Secret& BareKey() {
  static const auto* key = new crypto::Secret(crypto::RandomSecret(crypto::kAeadKeySize));
  return *key;
}

// An upload's name is the file to keep it in, or empty: it goes nowhere.
class BareUploads final : public v1::UploadService::Service {
  grpc::Status WriteUpload(grpc::ServerContext*, grpc::ServerReader<v1::WriteUploadRequest>* reader,
                           v1::Upload*) override {
    crypto::Aead cipher = Require(crypto::Aead::Create(BareKey()));
    std::unique_ptr<Sink> sink;
    v1::WriteUploadRequest request;
    for (bool first = true; reader->Read(&request); first = false) {
      if (first && !request.name().empty()) {
        sink = std::make_unique<Sink>(request.name(), &cipher);
      }
      if (sink != nullptr) sink->Take(request.data());
    }
    if (sink != nullptr) sink->End();
    return grpc::Status::OK;
  }
};

// What an upload kept, decrypted; an empty name sends `offset` bytes of nothing.
class BareCommits final : public v1::CommitService::Service {
  grpc::Status DownloadCommit(grpc::ServerContext*, const v1::DownloadCommitRequest* request,
                              grpc::ServerWriter<v1::DownloadCommitResponse>* writer) override {
    v1::DownloadCommitResponse response;
    if (request->name().empty()) {
      response.mutable_data()->resize(static_cast<size_t>(kChunk));
      for (int64_t at = 0; at < request->offset(); at += kChunk) writer->Write(response);
      return grpc::Status::OK;
    }
    crypto::Aead cipher = Require(crypto::Aead::Create(BareKey()));
    const FileDescriptor file = Require(OpenFile(request->name(), O_RDONLY));
    const auto size = static_cast<int64_t>(fs::file_size(request->name()));
    std::string stored(static_cast<size_t>(kStoredChunk), '\0');
    uint64_t number = 0;
    for (int64_t at = 0; at < size; at += kStoredChunk) {
      const int64_t n = std::min(kStoredChunk, size - at);
      Require(ReadFully(file.get(), stored.data(), n, at));
      response.mutable_data()->resize(static_cast<size_t>(n) - 16);
      std::string nonce(12, '\0');
      ++number;
      std::memcpy(nonce.data(), &number, sizeof(number));
      Require(cipher.Open(nonce, "", std::string_view(stored).substr(0, static_cast<size_t>(n)),
                          response.mutable_data()->data()));
      writer->Write(response);
    }
    return grpc::Status::OK;
  }
};

// Runs the bare server; its port and CA go into files of `folder`.
int Serve(const fs::path& folder) {
  const absl::Time now = absl::Now();
  const auto ca = Require(crypto::GenerateCa("bench", now - absl::Hours(1), absl::Hours(48)));
  const auto key = Require(crypto::GenerateTlsKey());
  const std::string certificate =
      Require(crypto::IssueCertificate(ca.private_key_pem, ca.certificate_pem, key.request_der,
                                       {.dns_names = {"localhost"},
                                        .server = true,
                                        .not_before = now - absl::Hours(1),
                                        .not_after = now + absl::Hours(24)}));
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs.push_back(
      {std::string(key.private_key_pem.view()), certificate + ca.certificate_pem});
  BareUploads uploads;
  BareCommits commits;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls), &port);
  builder.RegisterService(&uploads);
  builder.RegisterService(&commits);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  testing::WriteText(folder / "ca", ca.certificate_pem);
  Require(WriteFileAtomically(folder / "port", std::to_string(port)));
  server->Wait();
  return 0;
}

void BareUpload(const std::shared_ptr<grpc::Channel>& channel, const fs::path& file,
                const std::string& name) {
  const auto stub = v1::UploadService::NewStub(channel);
  grpc::ClientContext context;
  v1::Upload response;
  const auto stream = stub->WriteUpload(&context, &response);
  const FileDescriptor source = Require(OpenFile(file, O_RDONLY));
  const auto size = static_cast<int64_t>(fs::file_size(file));
  v1::WriteUploadRequest request;
  request.set_name(name);
  for (int64_t at = 0; at < size; at += kChunk) {
    const int64_t n = std::min(kChunk, size - at);
    request.mutable_data()->resize(static_cast<size_t>(n));
    Require(ReadFully(source.get(), request.mutable_data()->data(), n, at));
    stream->Write(request);
    request.clear_name();
  }
  stream->WritesDone();
  RequireOk(stream->Finish());
}

void BareDownload(const std::shared_ptr<grpc::Channel>& channel, const std::string& name,
                  int64_t bytes, const fs::path& file) {
  const auto stub = v1::CommitService::NewStub(channel);
  grpc::ClientContext context;
  v1::DownloadCommitRequest request;
  request.set_name(name);
  request.set_offset(bytes);
  const auto stream = stub->DownloadCommit(&context, request);
  std::unique_ptr<Sink> sink;
  if (!file.empty()) sink = std::make_unique<Sink>(file, nullptr);
  v1::DownloadCommitResponse response;
  while (stream->Read(&response)) {
    if (sink != nullptr) sink->Take(response.data());
  }
  if (sink != nullptr) sink->End();
  RequireOk(stream->Finish());
}

// ---- Ours

void WriteWeights(const fs::path& file, int64_t bytes) {
  const tensor::TensorSpec spec = Require(
      tensor::MakeTensorSpec(tensor::kWeightsEncoding, {{.name = "w", .shape = {bytes / 4}}}));
  std::ofstream out(file, std::ios::binary);
  out << tensor::EncodeHeader(spec);
  std::mt19937_64 random{std::random_device{}()};  // equal content would be stored once
  std::vector<float> block(1 << 18);
  for (int64_t left = bytes / 4; left > 0; left -= static_cast<int64_t>(block.size())) {
    const auto n = static_cast<size_t>(std::min<int64_t>(left, 1 << 18));
    for (size_t i = 0; i < n; ++i) block[i] = static_cast<float>(random() >> 40) * 1e-8F;
    out.write(reinterpret_cast<const char*>(block.data()), static_cast<std::streamsize>(n * 4));
  }
}

std::string DigestOf(const fs::path& file) {
  return Require(crypto::DigestFile(file)).digest.ToString();
}

std::shared_ptr<grpc::Channel> Channel(const fs::path& home) {
  const auto store = Require(identity::IdentityStore::Open(home));
  return Require(store->Connect(Require(store->List()).front().id));
}

std::string Upload(const std::shared_ptr<grpc::Channel>& channel, const fs::path& file,
                   const std::string& digest) {
  transfer::TransferOptions options;
  options.expected_digest = digest;
  return Require(transfer::UploadFile(channel, kResource, file, crypto::RandomUuid(), options));
}

// A commit on top of the head, with these weights; its name.
std::string Commit(e2e::Federation& federation, const std::shared_ptr<grpc::Channel>& channel,
                   const std::string& weights) {
  const fs::path program = federation.directory() / "program";
  testing::WriteText(program, "a program " + crypto::RandomUuid());
  v1::CreateCommitRequest request;
  request.set_parent(kResource);
  request.set_parent_commit(federation.Head(kRepository).at("name"));
  request.set_program_upload(Upload(channel, program, DigestOf(program)));
  request.set_weights_upload(weights);
  request.set_message("bench");
  request.set_request_id(crypto::RandomUuid());
  grpc::ClientContext context;
  v1::Commit commit;
  RequireOk(v1::CommitService::NewStub(channel)->CreateCommit(&context, request, &commit));
  return commit.name();
}

void Download(const std::shared_ptr<grpc::Channel>& channel, const std::string& commit,
              const fs::path& out) {
  fs::remove(out);
  Require(transfer::DownloadCommitPart(channel, commit, v1::COMMIT_PART_WEIGHTS, out));
}

void CreateRepository(e2e::Federation& federation) {
  federation.CreateRepository(kRepository, e2e::DemoFile("models/wdbc.pt"),
                              e2e::ReadText(e2e::DemoFile("plan-wdbc.toml")));
}

void Far(int64_t megabytes) {
  constexpr int64_t kRate = 12'500'000;
  testing::TcpProxy line;
  e2e::Federation federation({.arguments = {"--public", "localhost:" + std::to_string(line.port())},
                              .on_serving = [&line](int port) { line.SetTarget(port); }});
  CreateRepository(federation);
  const fs::path file = federation.directory() / "weights";
  WriteWeights(file, megabytes * 1'000'000);
  const auto bytes = static_cast<int64_t>(fs::file_size(file));
  const std::string digest = DigestOf(file);
  const auto channel = Channel(federation.home("owner"));
  line.SetDelay(std::chrono::milliseconds(50));
  line.SetRate(kRate);
  const auto report = [&](const char* name, double seconds) {
    const double least = static_cast<double>(bytes) / static_cast<double>(kRate);
    Print({{"bench", "transfer"},
           {"case", name},
           {"bytes", bytes},
           {"seconds", seconds},
           {"baseline_seconds", least},
           {"ratio", least / seconds}});
  };
  std::string upload;
  report("upload-far", Seconds([&] { upload = Upload(channel, file, digest); }));
  const std::string commit = Commit(federation, channel, upload);
  report("download-far",
         Seconds([&] { Download(channel, commit, federation.directory() / "downloaded"); }));
}

class Bench {
 public:
  explicit Bench(int repeats)
      : repeats_(repeats),
        bare_server_({.argv = {fs::read_symlink("/proc/self/exe").string(), "--serve",
                               folder_.path().string()}},
                     folder_.path() / "bare.log") {
    CreateRepository(federation_);
    for (int i = 0; i < kAgents; ++i) {
      agents_.push_back(&federation_.JoinAgent(kRepository, "Hospital " + std::to_string(i)));
    }
    while (!fs::exists(folder_.path() / "port")) absl::SleepFor(absl::Milliseconds(5));
  }

  void Model(int64_t megabytes) {
    const fs::path file = folder_.path() / "weights";
    WriteWeights(file, megabytes * 1'000'000);
    const auto size = static_cast<int64_t>(fs::file_size(file));
    const std::string digest = DigestOf(file);
    const auto channel = Channel(federation_.home("owner"));
    const auto bare = BareChannel();
    const std::string kept = (folder_.path() / "kept").string();
    std::string upload;
    const Pair up = InTurn(
        repeats_, [&] { upload = Upload(channel, file, digest); },
        [&] { BareUpload(bare, file, kept); });
    const double up_alone = Seconds([&] { BareUpload(bare, file, ""); });
    Report("upload-" + std::to_string(megabytes), size, up, up_alone);

    const std::string commit = Commit(federation_, channel, upload);
    const fs::path out = folder_.path() / "downloaded";
    const Pair down = InTurn(
        repeats_, [&] { Download(channel, commit, out); },
        [&] { BareDownload(bare, kept, 0, out); });
    const double down_alone = Seconds([&] { BareDownload(bare, "", size, ""); });
    Report("download-" + std::to_string(megabytes), size, down, down_alone);
    for (const fs::path& path : {file, out, fs::path(kept)}) fs::remove(path);
  }

  void AtOnce(int64_t megabytes) {
    std::vector<fs::path> files;
    std::vector<std::string> digests;
    std::vector<std::shared_ptr<grpc::Channel>> ours, bare;
    for (size_t i = 0; i < kAgents; ++i) {
      files.push_back(folder_.path() / ("update-" + std::to_string(i)));
      WriteWeights(files[i], megabytes * 1'000'000);
      digests.push_back(DigestOf(files[i]));
      ours.push_back(Channel(agents_[i]->state()));
      bare.push_back(BareChannel());
    }
    const auto all = [](const std::function<void(size_t)>& one) {
      std::vector<std::thread> threads;
      for (size_t i = 0; i < kAgents; ++i) threads.emplace_back(one, i);
      for (std::thread& thread : threads) thread.join();
    };
    const auto kept = [&](size_t i) { return files[i].string() + ".kept"; };
    const Pair pair = InTurn(
        repeats_, [&] { all([&](size_t i) { Upload(ours[i], files[i], digests[i]); }); },
        [&] { all([&](size_t i) { BareUpload(bare[i], files[i], kept(i)); }); });
    const double alone =
        Seconds([&] { all([&](size_t i) { BareUpload(bare[i], files[i], ""); }); });
    Report("upload-8x" + std::to_string(megabytes), kAgents * megabytes * 1'000'000, pair, alone);
  }

 private:
  std::shared_ptr<grpc::Channel> BareChannel() const {
    return rpc::MakeChannel({.address = "localhost:" + e2e::ReadText(folder_.path() / "port"),
                             .ca_certificate_pem = e2e::ReadText(folder_.path() / "ca")});
  }

  void Report(const std::string& name, int64_t bytes, const Pair& pair, double alone) {
    const std::string server = std::to_string(federation_.coordinator().pid());
    Print({{"bench", "transfer"},
           {"case", name},
           {"bytes", bytes},
           {"seconds", pair.ours},
           {"baseline_seconds", pair.baseline},
           {"unburdened_seconds", alone},
           {"ratio", pair.baseline / pair.ours},
           {"mb_per_second", static_cast<double>(bytes) / 1e6 / pair.ours},
           {"server_rss_mb", ProcessMib(server, "VmHWM")}});
  }

  const int repeats_;
  testing::TemporaryFolder folder_;
  testing::Daemon bare_server_;
  e2e::Federation federation_;
  std::vector<e2e::Agent*> agents_;
};

int Main(int argc, char** argv) {
  std::string megabytes = "400,2200";
  int64_t each = 50, far = 100;
  int repeats = 3;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--serve") return Serve(argv[i + 1]);
    if (option == "--megabytes") megabytes = argv[i + 1];
    if (option == "--each") each = std::stoll(argv[i + 1]);
    if (option == "--far") far = std::stoll(argv[i + 1]);
    if (option == "--repeats") repeats = std::stoi(argv[i + 1]);
  }
  Far(far);
  Bench bench(repeats);
  std::istringstream list(megabytes);
  for (std::string one; std::getline(list, one, ',');) bench.Model(std::stoll(one));
  bench.AtOnce(each);
  return 0;
}

}  // namespace
}  // namespace federity::bench

int main(int argc, char** argv) { return federity::bench::Main(argc, argv); }
