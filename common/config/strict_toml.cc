#include "common/config/strict_toml.h"

#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::config {
namespace {

constexpr size_t kMaxTextBytes = 1 << 20;
constexpr size_t kMaxShownValue = 80;
constexpr int kMaxKeys = 16;      // of a dotted key
constexpr int kMaxReadDepth = 4;  // deeper than any key that is asked for

// Behind the quotation mark at `at`: of '…', "…", '''…''' or """…""". An end that
// is missing is for the parser to report.
size_t AfterText(std::string_view text, size_t at) {
  const char quote = text[at];
  const bool lines = text.substr(at, 3) == std::string(3, quote);
  if (!lines && text.substr(at, 2) == std::string(2, quote)) return at + 2;
  for (at += lines ? 3 : 1; at < text.size(); ++at) {
    if (text[at] == '\\' && quote == '"') {
      ++at;
    } else if (text[at] == quote && !lines) {
      return at + 1;
    } else if (text[at] == quote && text.substr(at, 3) == std::string(3, quote)) {
      // Up to two quotation marks may stand before the closing three.
      at = text.find_first_not_of(quote, at);
      return std::min(at, text.size());
    } else if (text[at] == '\n' && !lines) {
      return at;
    }
  }
  return text.size();
}

// toml++ limits the depth of lists and inline tables, not of a.b.c…, and takes
// the stack for each key of it. The line of one that is too long; 0: there is none.
int LineOfLongKey(std::string_view text) {
  int line = 1;
  int keys = 1;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      const size_t after = AfterText(text, at);
      line += static_cast<int>(std::count(text.begin() + at, text.begin() + after, '\n'));
      at = after;
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '.' && ++keys > kMaxKeys) return line;
    if (c == '\n') ++line;
    if (std::string_view("\n,=[]{}").find(c) != std::string_view::npos) keys = 1;
    ++at;
  }
  return 0;
}

// Levenshtein's distance, for keys of ordinary length.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// A key as it stands in a dotted path: quoted where it must be, so that the
// key "a.b" is not taken for b in a; cut, because each key below it repeats it.
std::string PathSegment(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return bare ? std::string(key.substr(0, kMaxShownValue))
              : StrCat("\"", ToValidUtf8(key, kMaxShownValue), "\"");
}

// Every value that is not a table with something in it, by dotted path; and the
// tables at kMaxReadDepth, which nobody asks for.
void CollectLeaves(const toml::table& table, const std::string& prefix, int depth,
                   std::map<std::string, const toml::node*>& leaves) {
  for (const auto& [key, node] : table) {
    const std::string path = StrCat(prefix, PathSegment(key.str()));
    const toml::table* inner = node.as_table();
    if (inner != nullptr && !inner->empty() && depth < kMaxReadDepth) {
      CollectLeaves(*inner, StrCat(path, "."), depth + 1, leaves);
    } else {
      leaves.emplace(path, &node);
    }
  }
}

std::string Shown(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& value) { text << value; });
  std::string shown = ToValidUtf8(text.str(), kMaxShownValue);
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  return shown;
}

}  // namespace

struct StrictToml::State {
  toml::table root;
  std::map<std::string, const toml::node*> leaves;
  std::set<std::string, std::less<>> asked;
  absl::Status first_error;

  const toml::node* Find(std::string_view key) {
    asked.emplace(key);
    const auto found = leaves.find(std::string(key));
    return found == leaves.end() ? nullptr : found->second;
  }
  void Fail(std::string_view key, const toml::node* node, std::string_view message) {
    if (!first_error.ok()) return;
    std::string where(key);
    if (node != nullptr)
      where = StrCat(key, " = ", Shown(*node), " (line ", node->source().begin.line, ")");
    first_error = Error(v1::ERROR_REASON_INVALID_ARGUMENT, StrCat(where, ": ", message),
                        {{"key", std::string(key)}});
  }
  // Whether known keys lie below this one.
  bool IsSection(const std::string& key) const {
    const auto next = asked.upper_bound(key + ".");
    return next != asked.end() && next->compare(0, key.size() + 1, key + ".") == 0;
  }
  absl::Status Unknown(const std::string& key, const toml::node& node) const;
};

absl::Status StrictToml::State::Unknown(const std::string& key, const toml::node& node) const {
  std::string_view nearest;
  size_t best = key.size() / 2 + 1;  // more edits than that is another word
  for (const std::string& known : asked) {
    if (known.size() + best < key.size() || key.size() + best < known.size()) continue;
    if (const size_t distance = Distance(key, known); distance < best) {
      best = distance;
      nearest = known;
    }
  }
  std::string message =
      StrCat("unknown key ", key.substr(0, 200), " (line ", node.source().begin.line, ")");
  if (IsSection(key)) {
    message = StrCat(key, " (line ", node.source().begin.line, ") must be a section, [", key, "]");
  } else if (!nearest.empty()) {
    message += StrCat("; did you mean ", nearest, "?");
  } else {
    message += "; remove it";
  }
  return Error(v1::ERROR_REASON_INVALID_ARGUMENT, message, {{"key", key}});
}

StrictToml::StrictToml(std::unique_ptr<State> state) : state_(std::move(state)) {}
StrictToml::StrictToml(StrictToml&&) noexcept = default;
StrictToml& StrictToml::operator=(StrictToml&&) noexcept = default;
StrictToml::~StrictToml() = default;

absl::StatusOr<StrictToml> StrictToml::Parse(std::string_view text) {
  if (text.size() > kMaxTextBytes)
    return Error(v1::ERROR_REASON_INVALID_ARGUMENT,
                 StrCat("TOML text of ", text.size(), " bytes; at most 1 MiB is read"));
  if (const int line = LineOfLongKey(text); line != 0)
    return Error(v1::ERROR_REASON_INVALID_ARGUMENT,
                 StrCat("line ", line, ": a key of more than ", kMaxKeys, " parts"),
                 {{"line", StrCat(line)}});
  auto state = std::make_unique<State>();
  try {
    state->root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto position = error.source().begin;
    return Error(
        v1::ERROR_REASON_INVALID_ARGUMENT,
        StrCat("line ", position.line, ", column ", position.column, ": ", error.description()),
        {{"line", StrCat(position.line)}});
  }
  CollectLeaves(state->root, "", 1, state->leaves);
  return StrictToml(std::move(state));
}

bool StrictToml::Has(std::string_view key) { return state_->Find(key) != nullptr; }

std::string StrictToml::String(std::string_view key, std::string_view fallback) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return std::string(fallback);
  if (const auto* value = node->as_string()) return value->get();
  state_->Fail(key, node, "must be text in quotes");
  return std::string(fallback);
}

int64_t StrictToml::Integer(std::string_view key, int64_t fallback, int64_t low, int64_t high) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return fallback;
  const auto* value = node->as_integer();
  if (value != nullptr && value->get() >= low && value->get() <= high) return value->get();
  state_->Fail(key, node, StrCat("must be a whole number from ", low, " to ", high));
  return fallback;
}

double StrictToml::Number(std::string_view key, double fallback, double low, double high) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return fallback;
  // Written so that NaN is refused.
  if (const auto value = node->is_number() ? node->value<double>() : std::nullopt;
      value && *value >= low && *value <= high)
    return *value;
  state_->Fail(key, node, StrCat("must be a number from ", low, " to ", high));
  return fallback;
}

bool StrictToml::Boolean(std::string_view key, bool fallback) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return fallback;
  if (const auto* value = node->as_boolean()) return value->get();
  state_->Fail(key, node, "must be true or false");
  return fallback;
}

absl::Duration StrictToml::Duration(std::string_view key, absl::Duration fallback,
                                    absl::Duration low, absl::Duration high) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return fallback;
  if (const auto* text = node->as_string()) {
    const auto value = ParseDuration(text->get());
    if (value.ok() && *value >= low && *value <= high) return *value;
  }
  state_->Fail(key, node,
               StrCat("must be a duration from \"", config::FormatDuration(low), "\" to \"",
                      config::FormatDuration(high), "\", as in \"10m\" or \"24h\""));
  return fallback;
}

std::vector<std::string> StrictToml::Strings(std::string_view key) {
  const toml::node* node = state_->Find(key);
  std::vector<std::string> values;
  if (node == nullptr) return values;
  const toml::array* array = node->as_array();
  if (array == nullptr || !std::all_of(array->begin(), array->end(),
                                       [](const toml::node& item) { return item.is_string(); })) {
    state_->Fail(key, node, "must be a list of texts, as in [\"a\", \"b\"]");
    return values;
  }
  for (const toml::node& item : *array) values.push_back(item.as_string()->get());
  return values;
}

std::vector<std::string> StrictToml::StringOrStrings(std::string_view key) {
  const toml::node* node = state_->Find(key);
  if (node != nullptr && node->is_string()) return {node->as_string()->get()};
  return Strings(key);
}

std::vector<std::string> StrictToml::Labels(std::string_view key) {
  const toml::node* node = state_->Find(key);
  std::vector<std::string> values;
  if (node == nullptr) return values;
  const toml::array* array = node->as_array();
  if (array == nullptr || !std::all_of(array->begin(), array->end(), [](const toml::node& item) {
        return item.is_string() || item.is_integer();
      })) {
    state_->Fail(key, node, "must be a list of texts or whole numbers, as in [\"no\", \"yes\"]");
    return values;
  }
  for (const toml::node& item : *array)
    values.push_back(item.is_string() ? item.as_string()->get() : StrCat(item.as_integer()->get()));
  return values;
}

std::vector<double> StrictToml::Numbers(std::string_view key) {
  const toml::node* node = state_->Find(key);
  std::vector<double> values;
  if (node == nullptr) return values;
  const toml::array* array = node->as_array();
  if (array == nullptr || !std::all_of(array->begin(), array->end(),
                                       [](const toml::node& item) { return item.is_number(); })) {
    state_->Fail(key, node, "must be a list of numbers, as in [0.5, 1.0]");
    return values;
  }
  for (const toml::node& item : *array) values.push_back(item.value<double>().value_or(0.0));
  return values;
}

std::vector<int64_t> StrictToml::Integers(std::string_view key) {
  const toml::node* node = state_->Find(key);
  std::vector<int64_t> values;
  if (node == nullptr) return values;
  const toml::array* array = node->as_array();
  if (array == nullptr || !std::all_of(array->begin(), array->end(),
                                       [](const toml::node& item) { return item.is_integer(); })) {
    state_->Fail(key, node, "must be a list of whole numbers, as in [1, 28, 28]");
    return values;
  }
  for (const toml::node& item : *array) values.push_back(item.as_integer()->get());
  return values;
}

std::string StrictToml::OneOf(std::string_view key, std::string_view fallback,
                              const std::vector<std::string_view>& allowed) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return std::string(fallback);
  const auto* value = node->as_string();
  if (value != nullptr && std::find(allowed.begin(), allowed.end(), value->get()) != allowed.end())
    return value->get();
  std::string list;
  for (const std::string_view word : allowed)
    list += StrCat(list.empty() ? "" : ", ", "\"", word, "\"");
  state_->Fail(key, node, StrCat("must be one of ", list));
  return std::string(fallback);
}

void StrictToml::Fail(std::string_view key, std::string_view message) {
  const auto found = state_->leaves.find(std::string(key));
  state_->Fail(key, found == state_->leaves.end() ? nullptr : found->second, message);
}

absl::Status StrictToml::Finish() {
  if (!state_->first_error.ok()) return state_->first_error;
  for (const auto& [key, node] : state_->leaves) {
    const bool empty_section = node->is_table() && state_->IsSection(key);
    if (state_->asked.find(key) == state_->asked.end() && !empty_section)
      return state_->Unknown(key, *node);
  }
  return absl::OkStatus();
}

}  // namespace federity::config
