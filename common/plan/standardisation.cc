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

constexpr absl::int128 kMaxSum = absl::int128(1) << 100;
constexpr size_t kMaxDigits = 32;
constexpr int64_t kMaxCount = int64_t{1} << 40;
// Values beyond this are taken for it, so that one square stays below 2^100;
// a sum of many is then refused by whoever freezes.
const double kMaxValue = std::ldexp(1.0, 39);

double Scale() { return std::ldexp(1.0, kStatisticsScaleBits); }

// Half to even: the default rounding mode, which nothing here changes.
absl::int128 RoundHalfEven(double value) { return absl::int128(std::nearbyint(value)); }

absl::int128 AddSaturating(absl::int128 a, absl::int128 b) {
  if (b > 0 && a > absl::Int128Max() - b) return absl::Int128Max();
  if (b < 0 && a < absl::Int128Min() - b) return absl::Int128Min();
  return a + b;
}

std::string Decimal(absl::int128 value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string digits;
  for (; value != 0; value /= 10) {
    const int digit = static_cast<int>(value % 10);
    digits.push_back(static_cast<char>('0' + (negative ? -digit : digit)));
  }
  if (negative) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

// Only the spelling that Decimal gives.
std::optional<absl::int128> ParseDecimal(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || digits.size() > kMaxDigits ||
      digits.find_first_not_of("0123456789") != std::string_view::npos ||
      (digits.front() == '0' && (digits.size() > 1 || negative)))
    return std::nullopt;
  absl::int128 value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  if (value > kMaxSum) return std::nullopt;
  return negative ? -value : value;
}

// The unsigned product of two 128-bit numbers, in 256 bits.
struct Wide {
  absl::uint128 high = 0;
  absl::uint128 low = 0;
  friend bool operator<(const Wide& a, const Wide& b) {
    return a.high != b.high ? a.high < b.high : a.low < b.low;
  }
};

Wide Multiply(absl::uint128 a, absl::uint128 b) {
  const absl::uint128 a0 = absl::Uint128Low64(a), a1 = absl::Uint128High64(a);
  const absl::uint128 b0 = absl::Uint128Low64(b), b1 = absl::Uint128High64(b);
  const absl::uint128 middle = a1 * b0 + absl::Uint128High64(a0 * b0);
  const absl::uint128 cross = a0 * b1 + absl::Uint128Low64(middle);
  return {a1 * b1 + absl::Uint128High64(middle) + absl::Uint128High64(cross),
          (cross << 64) | absl::Uint128Low64(a0 * b0)};
}

// |a - b| as a double, exact but for the last rounding; the sign apart.
double Difference(const Wide& a, const Wide& b) {
  const Wide& larger = a < b ? b : a;
  const Wide& smaller = a < b ? a : b;
  const absl::uint128 low = larger.low - smaller.low;
  const absl::uint128 high = larger.high - smaller.high - (larger.low < smaller.low ? 1 : 0);
  return std::ldexp(static_cast<double>(high), 128) + static_cast<double>(low);
}

// One feature's sums, as numbers.
struct Sums {
  absl::int128 sum = 0;
  absl::int128 squares = 0;
  int64_t count = 0;
};

struct Moments {
  double mean = 0.0;
  double variance = 0.0;  // 0 where rounding could have made what there is
};

// Nothing if no rows give these sums.
std::optional<Moments> MomentsOf(const Sums& sums) {
  const absl::uint128 n = static_cast<absl::uint128>(sums.count);
  const absl::uint128 magnitude = static_cast<absl::uint128>(sums.sum < 0 ? -sums.sum : sums.sum);
  // Variance · n² · 2^40 = n·2^20·Σx² - (Σx)²: in integers, so that a large
  // mean does not cancel the variance away.
  const Wide squares =
      Multiply(n << kStatisticsScaleBits, static_cast<absl::uint128>(sums.squares));
  const Wide square_of_sum = Multiply(magnitude, magnitude);
  const double spread = Difference(squares, square_of_sum);
  const double count = static_cast<double>(sums.count);
  // Each term is off by at most half a unit: (Σx)² by |Σx|·n + n²/4, the other
  // by n·2^20·n/2.
  const double tolerance =
      count * count * (Scale() / 2 + 1) + static_cast<double>(magnitude) * count;
  if (squares < square_of_sum && spread > tolerance) return std::nullopt;
  Moments moments;
  moments.mean = static_cast<double>(sums.sum) / (count * Scale());
  if (spread > tolerance) moments.variance = spread / (count * count * Scale() * Scale());
  return moments;
}

absl::Status Refuse(size_t feature, std::string_view why) {
  return InvalidArgument("sums",
                         StrCat("the sums of feature ", feature + 1, " are refused: ", why));
}

absl::StatusOr<Sums> ReadSums(const FixedFeatureSums& text, size_t feature) {
  const auto sum = ParseDecimal(text.sum);
  const auto squares = ParseDecimal(text.sum_of_squares);
  if (!sum || !squares || *squares < 0)
    return Refuse(feature, "they must be decimal numbers of at most 2^100, squares not negative");
  if (text.count < 0 || text.count > kMaxCount)
    return Refuse(feature, "the count must be from 0 to 2^40");
  const Sums sums{*sum, *squares, text.count};
  if (sums.count == 0) {
    if (sums.sum != 0 || sums.squares != 0) return Refuse(feature, "no rows, but a sum");
  } else if (!MomentsOf(sums)) {
    return Refuse(feature, "no rows have these sums: the variance would be negative");
  }
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
      totals[i].sum = AddSaturating(totals[i].sum, sums.sum);
      totals[i].squares = AddSaturating(totals[i].squares, sums.squares);
      totals[i].count += sums.count;
    }
  }
  StandardisationValues values;
  values.contributors = static_cast<int32_t>(contributions.size());
  for (size_t i = 0; i < features; ++i) {
    if (totals[i].count < 1) return Refuse(i, "nobody has a value for it");
    const auto moments = MomentsOf(totals[i]);
    if (!moments) return Refuse(i, "the variance over all contributors would be negative");
    values.mean.push_back(moments->mean);
    values.sd.push_back(moments->variance > 0.0 ? std::sqrt(moments->variance) : 1.0);
    values.examples = std::max(values.examples, totals[i].count);
  }
  return values;
}

std::vector<FixedFeatureSums> ComputeFeatureSums(const std::vector<double>& rows, size_t features) {
  std::vector<Sums> totals(features);
  for (size_t i = 0; i < rows.size() && features > 0; ++i) {
    if (std::isnan(rows[i])) continue;
    const double value = std::clamp(rows[i], -kMaxValue, kMaxValue);
    Sums& sums = totals[i % features];
    sums.sum = AddSaturating(sums.sum, RoundHalfEven(value * Scale()));
    sums.squares = AddSaturating(sums.squares, RoundHalfEven(value * value * Scale()));
    ++sums.count;
  }
  std::vector<FixedFeatureSums> result;
  result.reserve(features);
  for (const Sums& sums : totals)
    result.push_back({Decimal(sums.sum), Decimal(sums.squares), sums.count});
  return result;
}

}  // namespace federity
