#include "server/maintenance/manifest.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "common/base/encoding.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/membership/conversions.h"

namespace federity::maintenance {
namespace {

using Json = nlohmann::json;

constexpr char kFormat[] = "federity-backup-1";

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(StrCat(kManifestFile, ": ", what));
}

Json ToJson(const crypto::FileContent& content) {
  return {{"sha256", content.digest.Hex()}, {"bytes", content.bytes}};
}

std::string Text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

absl::StatusOr<crypto::Digest> DigestOf(const Json& json, const char* key) {
  absl::StatusOr<crypto::Digest> digest = crypto::ParseDigest(StrCat("sha256:", Text(json, key)));
  if (!digest.ok()) return Malformed(StrCat("'", key, "' is no SHA-256"));
  return digest;
}

absl::StatusOr<crypto::FileContent> ContentOf(const Json& json) {
  crypto::FileContent content;
  FEDERITY_ASSIGN_OR_RETURN(content.digest, DigestOf(json, "sha256"));
  const auto bytes = json.find("bytes");
  if (bytes == json.end() || !bytes->is_number_unsigned()) return Malformed("'bytes' is missing");
  content.bytes = bytes->get<int64_t>();
  return content;
}

absl::StatusOr<BackedUpBlob> BlobOf(const Json& json) {
  if (!json.is_object()) return Malformed("a blob is no object");
  BackedUpBlob blob;
  blob.repository = Text(json, "repository");
  if (!membership::IsUuid(blob.repository)) return Malformed("'repository' is no UUID");
  FEDERITY_ASSIGN_OR_RETURN(blob.address, DigestOf(json, "digest"));
  FEDERITY_ASSIGN_OR_RETURN(blob.file, ContentOf(json));
  return blob;
}

}  // namespace

std::string FormatManifest(const Manifest& manifest) {
  Json blobs = Json::array();
  for (const BackedUpBlob& blob : manifest.blobs) {
    Json one = ToJson(blob.file);
    one["repository"] = blob.repository;
    one["digest"] = blob.address.Hex();
    blobs.push_back(std::move(one));
  }
  const Json json = {
      {"format", kFormat},
      {"created", absl::FormatTime(absl::RFC3339_sec, manifest.created, absl::UTCTimeZone())},
      {"version", manifest.version},
      {"schema", manifest.schema},
      {"authority", manifest.authority},
      {"key_check", HexEncode(manifest.key_check)},
      {"database", ToJson(manifest.database)},
      {"blobs", std::move(blobs)},
      {"deleted", manifest.deleted}};
  return json.dump(1) + "\n";
}

absl::StatusOr<Manifest> ParseManifest(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Malformed("it is not a JSON object");
  if (Text(json, "format") != kFormat) {
    return Malformed(
        StrCat("its format is '", Text(json, "format"), "'; this program reads ", kFormat));
  }
  Manifest manifest;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, Text(json, "created"), &manifest.created, &error)) {
    return Malformed("'created' is no time");
  }
  manifest.version = Text(json, "version");
  manifest.authority = Text(json, "authority");
  const auto schema = json.find("schema");
  if (schema == json.end() || !schema->is_number_unsigned()) return Malformed("no 'schema'");
  manifest.schema = schema->get<int>();
  const std::optional<std::string> check = HexDecode(Text(json, "key_check"));
  if (!check.has_value() || check->empty()) return Malformed("'key_check' is not hexadecimal");
  manifest.key_check = *check;
  for (const char* key : {"database", "blobs", "deleted"}) {
    if (!json.contains(key)) return Malformed(StrCat("'", key, "' is missing"));
  }
  if (!json["database"].is_object()) return Malformed("'database' is no object");
  FEDERITY_ASSIGN_OR_RETURN(manifest.database, ContentOf(json["database"]));
  if (!json["blobs"].is_array() || !json["deleted"].is_array()) {
    return Malformed("'blobs' or 'deleted' is no list");
  }
  for (const Json& one : json["blobs"]) {
    FEDERITY_ASSIGN_OR_RETURN(BackedUpBlob blob, BlobOf(one));
    manifest.blobs.push_back(std::move(blob));
  }
  for (const Json& one : json["deleted"]) {
    if (!one.is_string() || !membership::IsUuid(one.get<std::string>())) {
      return Malformed("'deleted' holds what is no UUID");
    }
    manifest.deleted.push_back(one.get<std::string>());
  }
  return manifest;
}

}  // namespace federity::maintenance
