//! Names of OpenTelemetry's semantic conventions, version 1.44.0, that several plugins use.

/// For a manifest's `schema-url`.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

pub const CLIENT_ADDRESS: &str = "client.address";
pub const ERROR_TYPE: &str = "error.type";
pub const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
pub const NETWORK_PEER_PORT: &str = "network.peer.port";
pub const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
pub const SERVER_ADDRESS: &str = "server.address";
pub const SERVER_PORT: &str = "server.port";
pub const URL_FULL: &str = "url.full";
pub const URL_PATH: &str = "url.path";
pub const URL_QUERY: &str = "url.query";
pub const URL_SCHEME: &str = "url.scheme";
pub const USER_AGENT_ORIGINAL: &str = "user_agent.original";
