#include "client/trainer/worker/graph_check.h"

#include <ATen/core/ivalue.h>  // first: clang can't parse LibTorch otherwise
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <set>
#include <string>
#include <vector>

#include "client/trainer/failure.h"
#include "client/trainer/worker/allowed_operators.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

using torch::jit::Block;
using torch::jit::Function;
using torch::jit::Node;

// "model.py:12: stolen = torch.from_file(...)".
std::string SourceLine(const Node& node) {
  torch::jit::SourceRange range = node.sourceRange();
  if (const auto generated = range.findSourceRangeThatGenerated()) range = *generated;
  std::string out;
  if (const auto place = range.file_line_col()) {
    const auto& [file, line, column] = *place;
    out = StrCat(file.substr(file.find_last_of('/') + 1), ":", line, ": ");
  }
  const std::string text = range.text().str();
  return out + text.substr(0, std::min<size_t>(text.find('\n'), 120));
}

class GraphWalk {
 public:
  absl::Status Check(Function& function) {
    if (!seen_.insert(&function).second) return absl::OkStatus();
    // A function without a graph is C++ code of a custom class.
    torch::jit::GraphFunction* graph = torch::jit::tryToGraphFunction(function);
    if (graph == nullptr) {
      return Failure(kModelRefused, StrCat("the model calls ", function.qualname().qualifiedName(),
                                           ", which is not TorchScript"));
    }
    graph->ensure_defined();
    return Check(*graph->graph()->block());
  }

 private:
  absl::Status Check(const Block& block) {
    for (const Node* node : block.nodes()) {
      const std::string kind = node->kind().toQualString();
      if (!IsAllowedOperator(kind)) {
        return Failure(
            kModelRefused,
            StrCat("the model uses the operator ", kind, " (", SourceLine(*node),
                   "), which is not on the list of allowed ones (docs/design/models.md); "
                   "take it out of the model"));
      }
      for (const auto& value : node->outputs()) FEDERITY_RETURN_IF_ERROR(CheckType(*value->type()));
      FEDERITY_RETURN_IF_ERROR(CheckCall(*node));
      for (const Block* inner : node->blocks()) FEDERITY_RETURN_IF_ERROR(Check(*inner));
    }
    return absl::OkStatus();
  }

  // What a node calls, besides what the compilation unit lists.
  absl::Status CheckCall(const Node& node) {
    if (node.kind() == c10::prim::CallFunction) {
      if (const auto function = node.input(0)->type()->cast<c10::FunctionType>()) {
        return Check(*function->function());
      }
      return Failure(kModelRefused, "the model calls a function that is not known beforehand");
    }
    if (node.kind() != c10::prim::CallMethod) return absl::OkStatus();
    const auto type = node.input(0)->type()->cast<c10::ClassType>();
    // An interface's methods are those of the classes that implement it, which
    // are checked as parts of the module.
    if (!type) return absl::OkStatus();
    Function* method = type->findMethod(node.s(c10::attr::name));
    return method == nullptr ? absl::OkStatus() : Check(*method);
  }

  // Custom C++ classes have methods without graphs.
  static absl::Status CheckType(const c10::Type& type) {
    if (const auto* named = type.castRaw<c10::ClassType>()) {
      const std::string name = named->name() ? named->name()->qualifiedName() : "";
      if (name.starts_with("__torch__.torch.classes")) {
        return Failure(kModelRefused, StrCat("the model uses the C++ class ", name,
                                             "; quantised and custom classes can't be trained"));
      }
    }
    return absl::OkStatus();
  }

  std::set<const Function*> seen_;
};

void FindFixed(const Block& block, std::set<std::string>& found) {
  for (const Node* node : block.nodes()) {
    for (const Block* inner : node->blocks()) FindFixed(*inner, found);
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr) continue;
    for (const char* name : {"train", "training"}) {
      const auto place = schema->argumentIndexWithName(name);
      if (!place) continue;
      const auto mode = torch::jit::toIValue(node->input(static_cast<size_t>(*place)));
      if (mode && mode->isBool() && !mode->toBool()) found.insert(node->kind().toUnqualString());
    }
  }
}

}  // namespace

std::vector<std::string> OperatorsFixedToEvaluation(const torch::jit::Module& module) {
  std::set<std::string> found;
  for (const torch::jit::Module& part : module.modules()) {
    for (const Function* method : part.type()->methods()) {
      FindFixed(*torch::jit::toGraphFunction(*method).graph()->block(), found);
    }
  }
  return {found.begin(), found.end()};
}

absl::Status CheckGraphs(const torch::jit::Module& module) {
  GraphWalk walk;
  for (const torch::jit::Module& part : module.modules()) {
    const auto& type = *part.type();
    for (Function* method : type.methods()) FEDERITY_RETURN_IF_ERROR(walk.Check(*method));
    for (Function* hook : type.getForwardHooks()) FEDERITY_RETURN_IF_ERROR(walk.Check(*hook));
    for (Function* hook : type.getForwardPreHooks()) FEDERITY_RETURN_IF_ERROR(walk.Check(*hook));
  }
  // Everything the archive brought along, called or not.
  for (Function* function : module._ivalue()->compilation_unit()->get_functions()) {
    FEDERITY_RETURN_IF_ERROR(walk.Check(*function));
  }
  return absl::OkStatus();
}

}  // namespace federity::trainer
