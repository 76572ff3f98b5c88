#ifndef FEDERITY_TESTS_WIRE_VARIABLES_H_
#define FEDERITY_TESTS_WIRE_VARIABLES_H_

#include <google/protobuf/message.h>

#include <map>
#include <string>

namespace federity::testing {

// What stands for `${name}` in one run. `${me.x}` means `${luke.x}` where luke
// calls. Failures throw std::runtime_error.
class Variables {
 public:
  void Set(const std::string& name, const std::string& value) { values_[name] = value; }
  // Sets the variables of `pattern` that have no value yet, from what `message` has
  // in their places.
  void Learn(const std::string& caller, const google::protobuf::Message& pattern,
             const google::protobuf::Message& message);

  // Puts values in place of names; throws where one has no value.
  void Expand(const std::string& caller, google::protobuf::Message& message) const;
  // Puts names in place of values, so that the message is good for another run.
  void Reduce(const std::string& caller, google::protobuf::Message& message) const;

 private:
  std::string ExpandText(const std::string& caller, std::string text) const;
  std::string ReduceText(const std::string& caller, const std::string& text) const;

  std::map<std::string, std::string> values_;
};

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_WIRE_VARIABLES_H_
