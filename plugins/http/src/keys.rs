//! The attributes that this plugin says.

use uprobed_sdk::names;

uprobed_sdk::keys! {
    REQUEST_METHOD = "http.request.method",
    REQUEST_METHOD_ORIGINAL = "http.request.method_original",
    RESPONSE_STATUS_CODE = "http.response.status_code",
    ROUTE = "http.route",
    CLIENT_ADDRESS = names::CLIENT_ADDRESS,
    ERROR_TYPE = names::ERROR_TYPE,
    NETWORK_PEER_ADDRESS = names::NETWORK_PEER_ADDRESS,
    NETWORK_PEER_PORT = names::NETWORK_PEER_PORT,
    NETWORK_PROTOCOL_VERSION = names::NETWORK_PROTOCOL_VERSION,
    SERVER_ADDRESS = names::SERVER_ADDRESS,
    SERVER_PORT = names::SERVER_PORT,
    URL_FULL = names::URL_FULL,
    URL_PATH = names::URL_PATH,
    URL_QUERY = names::URL_QUERY,
    URL_SCHEME = names::URL_SCHEME,
    USER_AGENT_ORIGINAL = names::USER_AGENT_ORIGINAL,
}
