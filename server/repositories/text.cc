#include "server/repositories/text.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/crypto/digest.h"

namespace federity::repositories {
namespace {

constexpr std::string_view kDigestPrefix = "sha256:";

}  // namespace

absl::Status CheckText(std::string_view field, std::string_view text, int64_t max_characters,
                       bool lines) {
  int64_t characters = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) ++characters;  // UTF-8 continuation bytes don't count
    const bool control = byte < 0x20 || byte == 0x7f;
    if (control && !(lines && (c == '\n' || c == '\t'))) {
      return InvalidArgument(field, StrCat(field, " must not contain control characters",
                                           lines ? " other than line breaks and tabs" : ""));
    }
  }
  if (characters > max_characters) {
    return InvalidArgument(field, StrCat(field, " has ", characters, " characters; at most ",
                                         max_characters, " are allowed"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> NormaliseDigest(std::string_view text) {
  std::string digest(text);
  if (!absl::StartsWith(digest, ToAbsl(kDigestPrefix))) digest = StrCat(kDigestPrefix, text);
  if (absl::StatusOr<crypto::Digest> parsed = crypto::ParseDigest(digest); !parsed.ok()) {
    return InvalidArgument("digest", "a digest is \"sha256:\" and 64 hexadecimal digits");
  }
  return digest;
}

std::string HexOfDigest(std::string_view digest) {
  return std::string(absl::StripPrefix(ToAbsl(digest), ToAbsl(kDigestPrefix)));
}

}  // namespace federity::repositories
