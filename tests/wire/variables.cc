#include "tests/wire/variables.h"

#include <stdexcept>
#include <utility>

#include "common/base/strings.h"
#include "tests/wire/messages.h"

namespace federity::testing {
namespace {

// What is shorter may stand anywhere by chance.
constexpr size_t kShortest = 8;

// `${name}` in a text.
struct Place {
  size_t begin = std::string::npos;
  size_t end = 0;
  std::string name;
  explicit operator bool() const { return begin != std::string::npos; }
};

Place FindPlace(const std::string& text, const std::string& caller, size_t from = 0) {
  Place place;
  const size_t begin = text.find("${", from);
  const size_t end = text.find('}', begin);
  if (begin == text.npos || end == text.npos) return place;
  place.begin = begin;
  place.end = end + 1;
  place.name = text.substr(begin + 2, end - begin - 2);
  if (place.name == "me" || place.name.starts_with("me.")) place.name.replace(0, 2, caller);
  return place;
}

}  // namespace

void Variables::Learn(const std::string& caller, const google::protobuf::Message& pattern,
                      const google::protobuf::Message& message) {
  ForEachPair(pattern, message, [&](const std::string& wanted, const std::string& found) {
    const Place place = FindPlace(wanted, caller);
    if (!place || values_.contains(place.name)) return;
    const std::string before = wanted.substr(0, place.begin);
    const std::string after = wanted.substr(place.end);
    if (found.size() <= before.size() + after.size() || !found.starts_with(before) ||
        !found.ends_with(after)) {
      return;
    }
    Set(place.name, found.substr(before.size(), found.size() - before.size() - after.size()));
  });
}

void Variables::Expand(const std::string& caller, google::protobuf::Message& message) const {
  ForEachText(message, [&](const std::string& text) { return ExpandText(caller, text); });
}

void Variables::Reduce(const std::string& caller, google::protobuf::Message& message) const {
  ForEachText(message, [&](const std::string& text) { return ReduceText(caller, text); });
}

std::string Variables::ExpandText(const std::string& caller, std::string text) const {
  for (Place place = FindPlace(text, caller); place;) {
    const auto value = values_.find(place.name);
    if (value == values_.end()) {
      throw std::runtime_error(StrCat("nothing has set ${", place.name, "}"));
    }
    text.replace(place.begin, place.end - place.begin, value->second);
    place = FindPlace(text, caller, place.begin + value->second.size());
  }
  return text;
}

std::string Variables::ReduceText(const std::string& caller, const std::string& text) const {
  std::string reduced;
  for (size_t at = 0; at < text.size();) {
    const std::pair<const std::string, std::string>* longest = nullptr;
    for (const auto& entry : values_) {
      const std::string& value = entry.second;
      if (value.size() < kShortest || text.compare(at, value.size(), value) != 0) continue;
      if (longest == nullptr || value.size() > longest->second.size()) longest = &entry;
    }
    if (longest == nullptr) {
      reduced += text[at++];
      continue;
    }
    const std::string& name = longest->first;
    const bool own = name == caller || name.starts_with(caller + ".");
    reduced += StrCat("${", own ? "me" + name.substr(caller.size()) : name, "}");
    at += longest->second.size();
  }
  return reduced;
}

}  // namespace federity::testing
