// Replays inputs without libFuzzer:
//   fuzz_replay TARGET PATH...      files, or folders of files
// Each file as it is, cut at each of its first lengths and with single bits
// flipped, so that every run of the tests also meets what is almost valid.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <vector>

#include "common/base/allocator.h"
#include "common/base/files.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

namespace fs = std::filesystem;

std::atomic<size_t> live_bytes{0};
std::atomic<size_t> peak_bytes{0};

void* Allocate(size_t size) {
  void* memory = std::malloc(std::max<size_t>(size, 1));
  if (memory == nullptr) std::abort();
  const size_t live = live_bytes += malloc_usable_size(memory);
  if (live > peak_bytes) peak_bytes = live;
  return memory;
}

void Free(void* memory) {
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

// What C++ allocates is counted; the C libraries' own buffers are not.
void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, size_t) noexcept { Free(memory); }
void operator delete[](void* memory, size_t) noexcept { Free(memory); }

namespace federity::fuzz {
namespace {

constexpr int64_t kMaxInputBytes = 4 << 20;
constexpr size_t kMaxPlaces = 384;  // of a file that are cut and flipped
// Blocks that readers keep (a trainer's frame: 16 MiB) and what grows
// with the input.
constexpr size_t kFixedBytes = 20 << 20;
constexpr size_t kBytesPerByte = 256;

// False: too much memory.
bool Run(Target target, std::string_view input, const std::string& what) {
  // A copy of its exact size, so that a sanitizer sees a read beyond it.
  const std::vector<char> copy(input.begin(), input.end());
  const size_t before = live_bytes;
  peak_bytes = before;
  target({copy.data(), copy.size()});
  const size_t used = peak_bytes - before;
  if (used <= kFixedBytes + kBytesPerByte * input.size()) return true;
  std::fprintf(stderr, "%s: %zu bytes of input took %zu bytes of memory\n", what.c_str(),
               input.size(), used);
  return false;
}

bool RunNear(Target target, std::string input, const std::string& path) {
  bool good = Run(target, input, path);
  const size_t places = std::min(input.size(), kMaxPlaces);
  for (size_t i = 0; i < places && good; ++i) {
    good = Run(target, std::string_view(input).substr(0, i), path + ", cut");
    const char bit = static_cast<char>(1 << i % 8);
    input[i] = static_cast<char>(input[i] ^ bit);
    good = good && Run(target, input, path + ", a bit flipped");
    input[i] = static_cast<char>(input[i] ^ bit);
  }
  return good;
}

std::vector<fs::path> FilesAt(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

int Main(int argc, char** argv) {
  const auto found = argc > 2 ? Targets().find(argv[1]) : Targets().end();
  if (found == Targets().end()) {
    std::fprintf(stderr, "usage: fuzz_replay TARGET PATH...; targets:");
    for (const auto& [name, target] : Targets()) std::fprintf(stderr, " %s", name.c_str());
    std::fprintf(stderr, "\n");
    return 2;
  }
  size_t files = 0;
  for (int i = 2; i < argc; ++i) {
    for (const fs::path& file : FilesAt(argv[i])) {
      const auto input = ReadFile(file, kMaxInputBytes);
      if (!input.ok()) {
        std::fprintf(stderr, "%s\n", input.status().ToString().c_str());
        return 2;
      }
      if (!RunNear(found->second, *input, file.string())) return 1;
      ++files;
    }
  }
  std::printf("%s: %zu files\n", argv[1], files);
  return files == 0 ? 2 : 0;  // a corpus that is not there is no pass
}

}  // namespace
}  // namespace federity::fuzz

int main(int argc, char** argv) {
  federity::TuneAllocator();
  return federity::fuzz::Main(argc, argv);
}
