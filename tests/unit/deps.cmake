# Which targets each unit test binary links; one line a folder.
set(UNIT_COMMON_DEPS federity::base federity::crypto federity::tensor federity::plan
    federity::config federity::log federity::rpc federity::proto_grpc
    federity_golden PkgConfig::libsodium OpenSSL::SSL nlohmann_json::nlohmann_json)
set(UNIT_SERVER_DEPS federity::blobs federity::repositories)
list(APPEND UNIT_SERVER_DEPS federity::membership federity::audit federity::api)
list(APPEND UNIT_SERVER_DEPS federity_app federity_golden)
set(UNIT_CLIENT_DEPS "")
set(UNIT_TRAINER_DEPS "")
