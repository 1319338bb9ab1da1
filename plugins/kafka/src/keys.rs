//! The attributes that this plugin says.

use uprobed_sdk::names;

uprobed_sdk::keys! {
    SYSTEM = "messaging.system",
    OPERATION_NAME = "messaging.operation.name",
    OPERATION_TYPE = "messaging.operation.type",
    DESTINATION = "messaging.destination.name",
    PARTITION = "messaging.destination.partition.id",
    BATCH_COUNT = "messaging.batch.message_count",
    CLIENT_ID = "messaging.client.id",
    CONSUMER_GROUP = "messaging.consumer.group.name",
    MESSAGE_KEY = "messaging.kafka.message.key",
    OFFSET = "messaging.kafka.offset",
    BODY_SIZE = "messaging.message.body.size",
    ENVELOPE_SIZE = "messaging.message.envelope.size",
    ERROR_TYPE = names::ERROR_TYPE,
    NETWORK_PEER_ADDRESS = names::NETWORK_PEER_ADDRESS,
    NETWORK_PEER_PORT = names::NETWORK_PEER_PORT,
    SERVER_ADDRESS = names::SERVER_ADDRESS,
    SERVER_PORT = names::SERVER_PORT,
}
