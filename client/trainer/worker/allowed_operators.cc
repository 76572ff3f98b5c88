#include "client/trainer/worker/allowed_operators.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>

namespace federity::trainer {
namespace {

// Left out on purpose (docs/design/models.md): from_file, save and load (files);
// set_, as_strided, resize (storage); empty, new_empty (memory as it was, so a
// run does not repeat); embedding_bag (unchecked offsets in some versions);
// wait, fork and rpc (threads); Print (data in a log); PythonOp; Enter and Exit.
constexpr std::string_view kPrim[] = {"Constant",
                                      "ListConstruct",
                                      "ListUnpack",
                                      "TupleConstruct",
                                      "TupleUnpack",
                                      "TupleIndex",
                                      "TupleSlice",
                                      "DictConstruct",
                                      "DictIndex",
                                      "If",
                                      "Loop",
                                      "GetAttr",
                                      "SetAttr",
                                      "CallMethod",
                                      "CallFunction",
                                      "CreateObject",
                                      "RaiseException",
                                      "Uninitialized",
                                      "unchecked_cast",
                                      "unchecked_unwrap_optional",
                                      "isinstance",
                                      "NumToTensor",
                                      "min",
                                      "max",
                                      "abs",
                                      "dtype",
                                      "device",
                                      "layout",
                                      "type",
                                      "shape",
                                      "size",
                                      "is_cuda",
                                      "is_nested",
                                      "is_sparse",
                                      "is_quantized",
                                      "requires_grad",
                                      "data",
                                      "index",
                                      "rangelist",
                                      "ModuleContainerIndex",
                                      "annotate",
                                      "Return",
                                      "Param",
                                      "StringIndex",
                                      "AutogradAllNonZero",
                                      "AutogradAnyNonZero"};

constexpr std::string_view kAten[] = {
    // Arithmetic and comparison.
    "add", "sub", "rsub", "subtract", "mul", "multiply", "div", "divide", "true_divide",
    "floor_divide", "floordiv", "truediv", "remainder", "fmod", "pow", "neg", "negative", "abs",
    "absolute", "sign", "sgn", "sqrt", "rsqrt", "square", "reciprocal", "exp", "exp2", "expm1",
    "log", "log2", "log10", "log1p", "logaddexp", "sin", "cos", "tan", "asin", "acos", "atan",
    "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "erfinv", "lgamma",
    "digamma", "floor", "ceil", "round", "trunc", "frac", "clamp", "clamp_min", "clamp_max", "clip",
    "lerp", "addcmul", "addcdiv", "maximum", "minimum", "max", "min", "fmax", "fmin", "where", "eq",
    "ne", "lt", "le", "gt", "ge", "equal", "isclose", "allclose", "isnan", "isinf", "isfinite",
    "nan_to_num", "logical_and", "logical_or", "logical_not", "logical_xor", "bitwise_and",
    "bitwise_or", "bitwise_not", "bitwise_xor", "__and__", "__or__", "__xor__", "__lshift__",
    "__rshift__", "hypot", "gcd", "deg2rad", "rad2deg", "heaviside", "xlogy", "sinc", "logit",
    "special_expit", "special_erf", "special_log1p", "special_gammaln",
    // Reductions.
    "sum", "nansum", "mean", "nanmean", "prod", "std", "var", "std_mean", "var_mean", "norm",
    "frobenius_norm", "linalg_norm", "linalg_vector_norm", "linalg_matrix_norm", "logsumexp",
    "amax", "amin", "aminmax", "argmax", "argmin", "all", "any", "cumsum", "cumprod", "cummax",
    "cummin", "median", "nanmedian", "mode", "sort", "argsort", "topk", "kthvalue", "quantile",
    "unique_consecutive", "count_nonzero", "dist", "cdist", "pairwise_distance",
    "cosine_similarity", "renorm", "histc", "bincount", "trace", "searchsorted", "bucketize",
    // Shape.
    "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "ravel", "squeeze",
    "unsqueeze", "transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "t",
    "numpy_T", "mT", "expand", "expand_as", "broadcast_to", "broadcast_tensors", "repeat",
    "repeat_interleave", "tile", "cat", "concat", "concatenate", "stack", "hstack", "vstack",
    "dstack", "split", "split_with_sizes", "tensor_split", "chunk", "unbind", "select", "slice",
    "narrow", "index_select", "index", "masked_select", "take", "take_along_dim", "gather",
    "scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill",
    "index_put", "masked_fill", "masked_scatter", "flip", "fliplr", "flipud", "roll", "rot90",
    "diag", "diagonal", "diag_embed", "tril", "triu", "tril_indices", "triu_indices", "meshgrid",
    "unfold", "contiguous", "clone", "detach", "alias", "atleast_1d", "atleast_2d", "atleast_3d",
    "block_diag", "cartesian_prod", "combinations", "one_hot", "nonzero", "argwhere", "copy",
    "fill", "zero", "pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d",
    "reflection_pad3d", "replication_pad1d", "replication_pad2d", "replication_pad3d",
    "_pad_circular", "im2col", "col2im", "unsafe_chunk", "unsafe_split", "type_as", "to",
    "_to_copy", "float", "double", "long", "int", "bool", "cpu", "cuda",
    // Making tensors.
    "zeros", "zeros_like", "new_zeros", "ones", "ones_like", "new_ones", "full", "full_like",
    "new_full", "arange", "range", "linspace", "logspace", "eye", "tensor", "as_tensor",
    "new_tensor", "scalar_tensor", "rand", "rand_like", "randn", "randn_like", "randint",
    "randint_like", "randperm", "bernoulli", "multinomial", "normal", "uniform", "exponential",
    "hann_window", "hamming_window",
    // Products.
    "matmul", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer", "ger", "addmm", "addmv", "addbmm",
    "baddbmm", "addr", "einsum", "bilinear", "_trilinear", "tensordot", "kron", "linalg_multi_dot",
    "chain_matmul", "linear", "cross", "linalg_cross", "matrix_power", "linalg_matrix_power",
    "linalg_solve", "linalg_inv", "inverse", "linalg_det", "det", "linalg_cholesky", "cholesky",
    "linalg_qr", "linalg_svd", "linalg_eigh", "logdet", "slogdet",
    // Convolution and pooling.
    "_convolution", "_convolution_mode", "convolution", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_tbc", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d",
    "max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d", "lp_pool1d", "lp_pool2d", "max_unpool2d", "pixel_shuffle",
    "pixel_unshuffle", "channel_shuffle", "upsample_nearest1d", "upsample_nearest2d",
    "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d",
    "upsample_trilinear3d", "__interpolate", "__upsample", "__upsample_nearest",
    "__upsample_bilinear", "grid_sampler", "affine_grid_generator",
    // Normalisation, dropout, embedding.
    "batch_norm", "_batch_norm_impl_index", "native_batch_norm", "instance_norm", "layer_norm",
    "native_layer_norm", "group_norm", "native_group_norm", "rms_norm", "local_response_norm",
    "normalize", "_weight_norm", "dropout", "native_dropout", "feature_dropout", "alpha_dropout",
    "feature_alpha_dropout", "embedding", "embedding_renorm",
    // Activations.
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "sigmoid", "log_sigmoid", "hardtanh", "hardsigmoid", "hardswish", "hardshrink", "softshrink",
    "tanhshrink", "softplus", "softsign", "softmax", "_softmax", "log_softmax", "_log_softmax",
    "softmin", "threshold", "glu", "gumbel_softmax",
    // Recurrent cells and attention.
    "lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell",
    "rnn_relu_cell", "_pack_padded_sequence", "_pad_packed_sequence",
    "scaled_dot_product_attention", "_scaled_dot_product_attention", "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd", "_nested_tensor_from_mask",
    "_nested_tensor_from_mask_left_aligned", "to_padded_tensor",
    // Losses that a model may compute inside.
    "cross_entropy_loss", "nll_loss", "nll_loss_nd", "nll_loss2d", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
    "kl_div", "hinge_embedding_loss", "cosine_embedding_loss", "margin_ranking_loss",
    // Questions about tensors.
    "size", "sizes", "dim", "numel", "len", "item", "is_floating_point", "is_complex",
    "is_contiguous", "is_nonzero", "is_same_size", "is_grad_enabled", "is_autocast_enabled",
    "is_autocast_cpu_enabled", "is_scripting", "stride", "storage_offset", "element_size",
    "get_device", "result_type", "can_cast", "promote_types", "requires_grad", "is_leaf",
    "_shape_as_tensor", "_get_tracing_state",
    // Numbers, strings, lists and dictionaries of TorchScript.
    "Bool", "Int", "Float", "Complex", "IntImplicit", "FloatImplicit", "ScalarImplicit",
    "BoolImplicit", "__is__", "__isnot__", "__not__", "__contains__", "__getitem__",
    "__derive_index", "__range_length", "__round_to_zero_floordiv", "_set_item", "_unwrap_optional",
    "append", "extend", "insert", "pop", "popitem", "clear", "copy", "remove", "reverse", "count",
    "list", "dict", "keys", "values", "items", "get", "setdefault", "update", "Delete", "format",
    "str", "find", "startswith", "endswith", "join", "lower", "upper", "strip", "replace", "ord",
    "chr", "mathremainder", "factorial", "isinstance", "ceil", "degrees", "radians", "copysign",
    "list_with_default", "warn", "_assert_async", "device", "percentFormat"};

bool IsAllowedAten(std::string_view name) {
  static const std::set<std::string_view> allowed(std::begin(kAten), std::end(kAten));
  if (allowed.contains(name)) return true;
  const bool in_place = name.ends_with('_') && !name.ends_with("__");
  return in_place && allowed.contains(name.substr(0, name.size() - 1));
}

}  // namespace

bool IsAllowedOperator(std::string_view kind) {
  constexpr std::string_view kAtenPrefix = "aten::";
  constexpr std::string_view kPrimPrefix = "prim::";
  if (kind.starts_with(kAtenPrefix)) return IsAllowedAten(kind.substr(kAtenPrefix.size()));
  if (!kind.starts_with(kPrimPrefix)) return false;
  kind.remove_prefix(kPrimPrefix.size());
  return std::find(std::begin(kPrim), std::end(kPrim), kind) != std::end(kPrim);
}

}  // namespace federity::trainer
