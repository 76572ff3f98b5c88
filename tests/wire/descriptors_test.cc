// Nothing that the API once said may change: docs/design/compatibility.md.

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <sstream>

#include "common/base/files.h"
#include "common/base/strings.h"
#include "tests/wire/api_files.h"
#include "tests/wire/descriptor_lines.h"

namespace federity::testing {
namespace {

namespace pb = google::protobuf;

const std::string kFrozenFile = FEDERITY_GOLDEN_DIR "/wire/v1/descriptors.txt";

DescriptorLines Frozen() {
  DescriptorLines lines;
  const auto text = ReadFile(kFrozenFile, 1 << 24);
  if (!text.ok()) return lines;
  std::istringstream in(*text);
  for (std::string line; std::getline(in, line);) lines.insert(line);
  return lines;
}

std::string Joined(const DescriptorLines& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST_CASE("The API keeps what it once said", "[wire]") {
  DescriptorLines current;
  for (const pb::FileDescriptor* file : ApiFiles()) Describe(*file, current);
  DescriptorLines frozen = Frozen();
  for (const std::string& line : Broken(frozen, current)) {
    FAIL_CHECK("no longer so: " << line
                                << "\nReserve the number and the name of what goes; what else was "
                                   "frozen stays. docs/design/compatibility.md");
  }
  const size_t before = frozen.size();
  frozen.merge(DescriptorLines(current));
  if (std::getenv("FEDERITY_WIRE_RECORD") != nullptr) {
    REQUIRE(Broken(Frozen(), current).empty());
    REQUIRE(WriteFileAtomically(kFrozenFile, Joined(frozen), 0644).ok());
  } else {
    REQUIRE(before > 0);
    if (frozen.size() > before) {
      WARN(frozen.size() - before << " additions to the API are not frozen yet; "
                                     "tests/wire/record.sh freezes them");
    }
  }
}

// The lines of a .proto file that begins as all of these do.
DescriptorLines Parse(const std::string& body) {
  const std::string text = StrCat("syntax = \"proto3\"; package p;\n", body);
  pb::io::ArrayInputStream in(text.data(), static_cast<int>(text.size()));
  pb::io::Tokenizer tokenizer(&in, nullptr);
  pb::FileDescriptorProto proto;
  proto.set_name("p.proto");
  INFO(text);
  REQUIRE(pb::compiler::Parser().Parse(&tokenizer, &proto));
  pb::DescriptorPool pool;
  const pb::FileDescriptor* file = pool.BuildFile(proto);
  REQUIRE(file != nullptr);
  DescriptorLines lines;
  Describe(*file, lines);
  return lines;
}

constexpr char kBefore[] = R"(
message M { string a = 1; repeated int32 b = 2; oneof which { string c = 3; M d = 4; } E e = 5;
            map<string, int64> f = 6; message N { bool g = 1; } optional double h = 7; }
enum E { E_UNSPECIFIED = 0; E_ONE = 1; E_TWO = 2; }
service S { rpc Get(M) returns (M); rpc Watch(M) returns (stream M); }
)";

// kBefore with one text in place of another.
DescriptorLines Changed(const std::string& from, const std::string& to) {
  std::string text = kBefore;
  const size_t at = text.find(from);
  REQUIRE(at != text.npos);
  return Parse(text.replace(at, from.size(), to));
}

TEST_CASE("What may not change is noticed", "[wire]") {
  const auto [from, to, broken] = GENERATE(table<const char*, const char*, const char*>({
      {"string a = 1;", "", "p.M.a = 1 string"},
      {"string a = 1;", "string a = 8;", "p.M.a = 1 string"},
      {"string a = 1;", "string other = 1;", "p.M.a = 1 string"},
      {"string a = 1;", "bytes a = 1;", "p.M.a = 1 string"},
      {"string a = 1;", "repeated string a = 1;", "p.M.a = 1 string"},
      {"string a = 1;", "optional string a = 1;", "p.M.a = 1 string"},
      {"string a = 1;", "reserved 1; string other = 8;", "p.M.a = 1 string"},
      {"string a = 1;", "reserved \"a\"; string other = 1;", "p.M.a = 1 string"},
      {"repeated int32 b", "int32 b", "p.M.b = 2 repeated int32"},
      {"oneof which", "oneof what", "p.M.c = 3 oneof which string"},
      {"M d = 4; }", "} M d = 4;", "p.M.d = 4 oneof which p.M"},
      {"E e = 5", "int32 e = 5", "p.M.e = 5 p.E"},
      {"map<string, int64>", "map<string, int32>", "p.M.f = 6 map<string, int64>"},
      {"message N { bool g = 1; }", "", "p.M.N message"},
      {"optional double h", "double h", "p.M.h = 7 optional double"},
      {"E_TWO = 2", "E_TWO = 3", "p.E.E_TWO = 2"},
      {"E_ONE = 1; E_TWO = 2", "E_ONE = 2; E_TWO = 1", "p.E.E_ONE = 1"},
      {"E_TWO = 2;", "reserved 2;", "p.E.E_TWO = 2"},
      {"rpc Get(M) returns (M);", "", "p.S.Get rpc (p.M) returns (p.M)"},
      {"Get(M)", "Get(M.N)", "p.S.Get rpc (p.M) returns (p.M)"},
      {"(stream M)", "(M)", "p.S.Watch rpc (p.M) returns (stream p.M)"},
      {"service S", "service T", "p.S.Get rpc (p.M) returns (p.M)"},
  }));
  INFO(from << " -> " << to);
  const auto found = Broken(Parse(kBefore), Changed(from, to));
  CHECK_THAT(found, Catch::VectorContains(std::string(broken)));
}

TEST_CASE("What may change breaks nothing", "[wire]") {
  const auto [from, to] = GENERATE(table<const char*, const char*>({
      {"string a = 1;", "string a = 1; string new = 8;"},
      {"string a = 1;", "reserved 1; reserved \"a\";"},
      {"string c = 3;", "string c = 3; M new = 8;"},
      {"E_TWO = 2;", "E_TWO = 2; E_THREE = 3;"},
      {"E_TWO = 2;", "reserved 2; reserved \"E_TWO\";"},
      {"service S {", "service S { rpc New(M) returns (M);"},
      {"message M {", "message New {} message M {"},
  }));
  INFO(from << " -> " << to);
  const DescriptorLines after = Changed(from, to);
  CHECK(Broken(Parse(kBefore), after).empty());
  // What was added, or reserved, is then kept itself.
  CHECK_FALSE(Broken(after, Parse(kBefore)).empty());
}

}  // namespace
}  // namespace federity::testing
