#include "client/trainer/worker/allowed_operators.h"

#include <catch2/catch.hpp>

namespace federity::trainer {
namespace {

TEST_CASE("Mathematics and control flow are allowed, also in place") {
  for (const char* kind :
       {"aten::conv2d", "aten::add", "aten::add_", "aten::relu_", "aten::gru", "aten::__getitem__",
        "aten::__interpolate", "prim::If", "prim::Loop", "prim::CallMethod", "aten::layer_norm"}) {
    CHECK(IsAllowedOperator(kind));
  }
}

TEST_CASE("Files, storage, threads, Python and foreign namespaces are not") {
  for (const char* kind : {"aten::from_file",
                           "aten::save",
                           "aten::load",
                           "aten::set_",
                           "aten::set_data",
                           "aten::as_strided",
                           "aten::as_strided_",
                           "aten::resize_",
                           "aten::empty",
                           "aten::wait",
                           "aten::manual_seed",
                           "prim::Print",
                           "prim::PythonOp",
                           "prim::fork",
                           "prim::Enter",
                           "prim::rpc_async",
                           "quantized::linear",
                           "torchvision::nms",
                           "custom::add",
                           "onnx::Add",
                           "",
                           "aten::",
                           "add",
                           "prim::",
                           "aten::_",
                           "aten::relu__"}) {
    INFO(kind);
    CHECK_FALSE(IsAllowedOperator(kind));
  }
}

}  // namespace
}  // namespace federity::trainer
