//! The attributes that this plugin says.

use uprobed_sdk::names;

uprobed_sdk::keys! {
    ERROR_TYPE = names::ERROR_TYPE,
    NETWORK_PEER_ADDRESS = names::NETWORK_PEER_ADDRESS,
    NETWORK_PEER_PORT = names::NETWORK_PEER_PORT,
    RPC_METHOD = "rpc.method",
    RPC_METHOD_ORIGINAL = "rpc.method_original",
    RPC_RESPONSE_STATUS_CODE = "rpc.response.status_code",
    RPC_SYSTEM_NAME = "rpc.system.name",
    SERVER_ADDRESS = names::SERVER_ADDRESS,
    SERVER_PORT = names::SERVER_PORT,
}
