# Which targets each unit test binary links; one line a folder.
set(UNIT_COMMON_DEPS federity::base federity::crypto federity::tensor federity::plan
    federity::config federity::log federity::rpc federity::proto_grpc
    federity_golden PkgConfig::libsodium OpenSSL::SSL nlohmann_json::nlohmann_json)
set(UNIT_SERVER_DEPS federity::blobs federity::repositories)
list(APPEND UNIT_SERVER_DEPS federity::membership federity::audit federity::api)
list(APPEND UNIT_SERVER_DEPS federity_app federity_golden)
set(UNIT_CLIENT_DEPS federity::cli federity::terminal federity::identity federity::tensor)
include("${CMAKE_CURRENT_LIST_DIR}/trainer/helpers.cmake")
set(UNIT_TRAINER_DEPS federity::trainer_worker federity::trainer federity_torch federity_golden
    federity_trainer_unchecked)
list(APPEND UNIT_CLIENT_DEPS federity::trainer federity::trainer_data federity::sandbox federity::tensor
     federity_golden PNG::PNG JPEG::JPEG ZLIB::ZLIB)
list(APPEND UNIT_SERVER_DEPS federity::rounds federity::aggregation federity::statistics federity_golden nlohmann_json::nlohmann_json)
list(APPEND UNIT_CLIENT_DEPS federity::agent federity::datasets federity::state federity::transfer
     federity_golden)
list(APPEND UNIT_COMMON_DEPS federity::contribution)
