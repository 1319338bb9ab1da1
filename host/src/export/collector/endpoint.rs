//! Where the collector is: a URL of the command line or the configuration, or the standard `OTEL_EXPORTER_OTLP_*` variables.
//! Plain HTTP and gRPC only; a collector behind TLS is reached through one beside this host.

use std::fmt;

use anyhow::{Context, Result, bail};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};

const HTTP_PATH: &str = "/v1/traces";
/// In the order in which they count.
const ENDPOINT_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOL_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// Headers, time-out and compression come from the standard variables in either case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    protocol: Protocol,
    url: String,
    /// The URL is only for messages: opentelemetry-otlp reads the variables itself, by their own rules for paths.
    from_environment: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Grpc,
}

impl Endpoint {
    /// `http://HOST:4318`, with `/v1/traces` unless it has a path, or `grpc://HOST:4317`.
    pub fn parse(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            bail!("collector {url:?} is not a URL: expected http://HOST:4318 or grpc://HOST:4317");
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.is_empty() {
            bail!("collector {url:?} names no host");
        }
        let (protocol, url) = match scheme {
            "http" if path.is_empty() || path == "/" => (Protocol::Http, format!("http://{authority}{HTTP_PATH}")),
            "http" => (Protocol::Http, url.to_owned()),
            "grpc" if path.is_empty() || path == "/" => (Protocol::Grpc, format!("http://{authority}")),
            "grpc" => bail!("collector {url:?}: a grpc URL has no path"),
            "https" | "grpcs" => bail!("collector {url:?}: TLS is not supported"),
            _ => bail!("collector {url:?}: expected http://HOST:4318 or grpc://HOST:4317"),
        };
        Ok(Self { protocol, url, from_environment: false })
    }

    /// What the standard variables of this process say; None if they name no endpoint.
    pub fn from_environment() -> Result<Option<Self>> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let first = |names: [&'static str; 2]| {
            let mut found = names.into_iter().filter_map(|name| Some((name, variable(name)?)));
            found.find(|(_, value)| !value.is_empty())
        };
        let Some((name, url)) = first(ENDPOINT_VARIABLES) else { return Ok(None) };
        let protocol = match first(PROTOCOL_VARIABLES) {
            None => Protocol::Http,
            Some((name, value)) => match &*value {
                "http/protobuf" => Protocol::Http,
                "grpc" => Protocol::Grpc,
                _ => bail!("{name}={value:?}: expected grpc or http/protobuf"),
            },
        };
        if protocol == Protocol::Http && !url.starts_with("http://") {
            bail!("{name}={url:?}: expected http://HOST:4318; TLS is not supported");
        }
        Ok(Some(Self { protocol, url, from_environment: true }))
    }

    /// Without retries of its own: they are the worker's, which outlasts a time-out and can be told to end.
    pub(super) fn exporter(&self) -> Result<SpanExporter> {
        let exporter = match self.protocol {
            Protocol::Http => {
                let builder = SpanExporter::builder().with_http().with_retry_policy(RetryPolicy::disabled());
                let builder = builder.with_protocol(opentelemetry_otlp::Protocol::HttpBinary);
                if self.from_environment { builder } else { builder.with_endpoint(&self.url) }.build()
            }
            Protocol::Grpc => {
                let builder = SpanExporter::builder().with_tonic().with_retry_policy(RetryPolicy::disabled());
                if self.from_environment { builder } else { builder.with_endpoint(&self.url) }.build()
            }
        };
        exporter.with_context(|| format!("set up the exporter to {self}"))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Http => f.write_str(&self.url),
            Protocol::Grpc => write!(f, "{} (grpc)", self.url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(endpoint: Result<Option<Endpoint>>) -> String {
        match endpoint {
            Ok(Some(endpoint)) => endpoint.to_string(),
            Ok(None) => "none".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn reads_a_url() {
        for (url, expected) in [
            ("http://a:4318", "http://a:4318/v1/traces"),
            ("http://a:4318/", "http://a:4318/v1/traces"),
            ("http://[::1]:4318/x/y", "http://[::1]:4318/x/y"),
            ("grpc://a:4317", "http://a:4317 (grpc)"),
            ("grpc://a:4317/", "http://a:4317 (grpc)"),
            ("grpc://a:4317/x", r#"collector "grpc://a:4317/x": a grpc URL has no path"#),
            ("https://a:4318", r#"collector "https://a:4318": TLS is not supported"#),
            ("a:4318", r#"collector "a:4318" is not a URL: expected http://HOST:4318 or grpc://HOST:4317"#),
            ("http:///v1/traces", r#"collector "http:///v1/traces" names no host"#),
            ("ftp://a", r#"collector "ftp://a": expected http://HOST:4318 or grpc://HOST:4317"#),
        ] {
            assert_eq!(shown(Endpoint::parse(url).map(Some)), expected);
        }
    }

    #[test]
    fn reads_the_standard_variables() {
        let (endpoint, traces) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let (protocol, other) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
        for (variables, expected) in [
            (vec![], "none"),
            (vec![(protocol, "grpc"), (endpoint, "")], "none"),
            (vec![(endpoint, "http://a:4318")], "http://a:4318"),
            (vec![(endpoint, "http://a:4318"), (traces, "http://b:1/x")], "http://b:1/x"),
            (vec![(endpoint, "http://a:4317"), (protocol, "grpc")], "http://a:4317 (grpc)"),
            (vec![(endpoint, "http://a:1"), (protocol, "grpc"), (other, "http/protobuf")], "http://a:1"),
            (
                vec![(endpoint, "http://a:1"), (protocol, "http/json")],
                r#"OTEL_EXPORTER_OTLP_PROTOCOL="http/json": expected grpc or http/protobuf"#,
            ),
            (
                vec![(endpoint, "https://a:1")],
                r#"OTEL_EXPORTER_OTLP_ENDPOINT="https://a:1": expected http://HOST:4318; TLS is not supported"#,
            ),
        ] {
            let find =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(shown(Endpoint::from_variables(find)), expected);
        }
    }
}
