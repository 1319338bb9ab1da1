//! The attributes that this plugin says.

use uprobed_sdk::names;

uprobed_sdk::keys! {
    SYSTEM_NAME = "db.system.name",
    NAMESPACE = "db.namespace",
    COLLECTION_NAME = "db.collection.name",
    OPERATION_NAME = "db.operation.name",
    STORED_PROCEDURE_NAME = "db.stored_procedure.name",
    QUERY_SUMMARY = "db.query.summary",
    QUERY_TEXT = "db.query.text",
    RESPONSE_STATUS_CODE = "db.response.status_code",
    RETURNED_ROWS = "db.response.returned_rows",
    ERROR_TYPE = names::ERROR_TYPE,
    SERVER_ADDRESS = names::SERVER_ADDRESS,
    SERVER_PORT = names::SERVER_PORT,
    NETWORK_PEER_ADDRESS = names::NETWORK_PEER_ADDRESS,
    NETWORK_PEER_PORT = names::NETWORK_PEER_PORT,
}
