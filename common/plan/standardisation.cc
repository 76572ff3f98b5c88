#include "common/plan/standardisation.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "absl/numeric/int128.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity {
namespace {

constexpr size_t kWordBytes = sizeof(absl::uint128);
// |X| of one value is at most 2 to this.
constexpr int kMaxValueBits = 44 + kStatisticsScaleBits;

// Unsigned 256 bits. A sum of squares is at most 2^40 · 2^168 = 2^208; n times it,
// and the square of a sum, at most 2^248.
struct Wide {
  absl::uint128 high = 0;
  absl::uint128 low = 0;
  friend bool operator<(const Wide& a, const Wide& b) {
    return a.high != b.high ? a.high < b.high : a.low < b.low;
  }
};

Wide Add(const Wide& a, const Wide& b) {
  const absl::uint128 low = a.low + b.low;
  return {a.high + b.high + (low < a.low ? 1 : 0), low};
}

Wide Subtract(const Wide& a, const Wide& b) {
  return {a.high - b.high - (a.low < b.low ? 1 : 0), a.low - b.low};
}

Wide Multiply(absl::uint128 a, absl::uint128 b) {
  const absl::uint128 a0 = absl::Uint128Low64(a), a1 = absl::Uint128High64(a);
  const absl::uint128 b0 = absl::Uint128Low64(b), b1 = absl::Uint128High64(b);
  const absl::uint128 middle = a1 * b0 + absl::Uint128High64(a0 * b0);
  const absl::uint128 cross = a0 * b1 + absl::Uint128Low64(middle);
  return {a1 * b1 + absl::Uint128High64(middle) + absl::Uint128High64(cross),
          (cross << 64) | absl::Uint128Low64(a0 * b0)};
}

// Rounded once, half to even, on any machine: 64 bits, the lowest of which says
// whether anything was cut off, are more than a double's 53 and its rounding need.
double ToDouble(Wide value) {
  int exponent = 0;
  for (; value.high != 0 || absl::Uint128High64(value.low) != 0; ++exponent) {
    value.low = (value.low >> 1) | (value.low & 1) | (value.high << 127);
    value.high >>= 1;
  }
  return std::ldexp(static_cast<double>(absl::Uint128Low64(value.low)), exponent);
}

absl::uint128 Magnitude(absl::int128 value) {
  return static_cast<absl::uint128>(value < 0 ? -value : value);
}

std::string Bytes(absl::uint128 value) {
  std::string bytes(kWordBytes, '\0');
  for (size_t i = kWordBytes; i-- > 0; value >>= 8)
    bytes[i] = static_cast<char>(absl::Uint128Low64(value) & 0xff);
  return bytes;
}

absl::uint128 ParseBytes(std::string_view bytes) {
  absl::uint128 value = 0;
  for (const char c : bytes) value = (value << 8) | static_cast<unsigned char>(c);
  return value;
}

// One feature's sums, as numbers.
struct Sums {
  absl::int128 sum = 0;
  Wide squares;
  int64_t count = 0;
};

// n²·2^80 times the variance: n·ΣX² - (ΣX)². Nothing if no rows give these sums.
std::optional<Wide> Spread(const Sums& sums) {
  const auto n = static_cast<absl::uint128>(sums.count);
  const Wide squares = Add(Multiply(n, sums.squares.low), {n * sums.squares.high, 0});
  const absl::uint128 sum = Magnitude(sums.sum);
  const Wide square_of_sum = Multiply(sum, sum);
  if (squares < square_of_sum) return std::nullopt;
  return Subtract(squares, square_of_sum);
}

absl::Status Refuse(size_t feature, std::string_view why) {
  return InvalidArgument("sums",
                         StrCat("the sums of feature ", feature + 1, " are refused: ", why));
}

absl::StatusOr<Sums> ReadSums(const FixedFeatureSums& bytes, size_t feature) {
  if (bytes.sum.size() != kWordBytes || bytes.sum_of_squares.size() != 2 * kWordBytes)
    return Refuse(feature, "they must have 16 and 32 bytes");
  if (bytes.count < 0 || bytes.count > kMaxStatisticsRows)
    return Refuse(feature, "the count must be from 0 to 2^30");
  const std::string_view squares = bytes.sum_of_squares;
  const Sums sums{
      static_cast<absl::int128>(ParseBytes(bytes.sum)),
      {ParseBytes(squares.substr(0, kWordBytes)), ParseBytes(squares.substr(kWordBytes))},
      bytes.count};
  const auto n = static_cast<absl::uint128>(sums.count);
  // The lowest int128 has no negative; it is beyond any limit.
  if (sums.sum == absl::Int128Min() || Magnitude(sums.sum) > (n << kMaxValueBits) ||
      Wide{n << (2 * kMaxValueBits - 128), 0} < sums.squares)
    return Refuse(feature, "so many values of at most 2^44 do not reach them");
  if (!Spread(sums)) return Refuse(feature, "no rows have them: the variance would be negative");
  return sums;
}

std::string Exact(double value) {
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 17).ptr;
  return std::string(buffer, end);
}

}  // namespace

crypto::Digest StandardisationDigest(const StandardisationValues& values) {
  std::string text = "federity/standardisation/v1\n";
  for (size_t i = 0; i < values.mean.size() && i < values.sd.size(); ++i)
    text += StrCat(Exact(values.mean[i]), " ", Exact(values.sd[i]), "\n");
  text += StrCat(values.examples, " ", values.contributors, "\n");
  return crypto::Sha256(text);
}

absl::StatusOr<StandardisationValues> FreezeStandardisation(
    const std::vector<std::vector<FixedFeatureSums>>& contributions, size_t features) {
  std::vector<Sums> totals(features);
  for (const auto& contribution : contributions) {
    if (contribution.size() != features)
      return InvalidArgument(
          "sums", StrCat("sums for ", contribution.size(), " features; the plan has ", features));
    for (size_t i = 0; i < features; ++i) {
      FEDERITY_ASSIGN_OR_RETURN(const Sums sums, ReadSums(contribution[i], i));
      totals[i].count += sums.count;
      if (totals[i].count > kMaxStatisticsAllRows)
        return Refuse(i, "all contributors together have more than 2^40 values");
      totals[i].sum += sums.sum;
      totals[i].squares = Add(totals[i].squares, sums.squares);
    }
  }
  StandardisationValues values;
  values.contributors = static_cast<int32_t>(contributions.size());
  for (size_t i = 0; i < features; ++i) {
    if (totals[i].count < 1) return Refuse(i, "nobody has a value for it");
    const std::optional<Wide> spread = Spread(totals[i]);
    if (!spread) return Refuse(i, "the variance over all contributors would be negative");
    // One rounding from integers, then divisions and a root, which IEEE 754
    // rounds alike everywhere; a long double would differ between machines.
    const auto n = static_cast<double>(totals[i].count);
    const double sum = ToDouble({0, Magnitude(totals[i].sum)});
    values.mean.push_back(std::ldexp((totals[i].sum < 0 ? -sum : sum) / n, -kStatisticsScaleBits));
    // Below one unit rounding alone could have made it.
    const auto count = static_cast<absl::uint128>(totals[i].count);
    const bool constant = *spread < Wide{0, count * count};
    values.sd.push_back(
        constant ? 1.0 : std::ldexp(std::sqrt(ToDouble(*spread) / n / n), -kStatisticsScaleBits));
    values.examples = std::max(values.examples, totals[i].count);
  }
  return values;
}

absl::StatusOr<std::vector<FixedFeatureSums>> ComputeFeatureSums(const std::vector<double>& rows,
                                                                 size_t features) {
  std::vector<Sums> totals(features);
  for (size_t i = 0; i < rows.size() && features > 0; ++i) {
    if (std::isnan(rows[i])) continue;
    Sums& sums = totals[i % features];
    if (std::abs(rows[i]) > kMaxStatisticsValue || sums.count == kMaxStatisticsRows)
      return InvalidArgument("rows",
                             StrCat("row ", i / features + 1, ", feature ", i % features + 1,
                                    ": statistics take at most 2^30 rows of values from "
                                    "-2^44 to 2^44; use another unit"));
    // Half to even: the default rounding mode, which nothing here changes.
    const absl::int128 value(std::nearbyint(std::ldexp(rows[i], kStatisticsScaleBits)));
    sums.sum += value;
    sums.squares = Add(sums.squares, Multiply(Magnitude(value), Magnitude(value)));
    ++sums.count;
  }
  std::vector<FixedFeatureSums> result;
  result.reserve(features);
  for (const Sums& sums : totals)
    result.push_back({Bytes(static_cast<absl::uint128>(sums.sum)),
                      Bytes(sums.squares.high) + Bytes(sums.squares.low), sums.count});
  return result;
}

}  // namespace federity
