//! Spans for the tests of the exporters.

use std::sync::Arc;

use uprobed_ebpf::wire::ParentSource;

use crate::fragment::{Kind, Scope, Status};
use crate::resource::Resource;
use crate::spans::FinishedSpan;

/// A span of process 1 and trace 1; its ids are the bytes of big-endian numbers.
pub fn span(id: u64, parent: Option<u64>, name: &str, start: u64, end: u64) -> FinishedSpan {
    let schema_url = Some("https://example.org/schemas/1.2.3".to_owned());
    FinishedSpan {
        process: 1,
        scope: Arc::new(Scope { name: "test/scope".into(), version: "0.1.0".into(), schema_url, open_seconds: 60 }),
        trace: 1u128.to_be_bytes(),
        id: id.to_be_bytes(),
        parent: parent.map(u64::to_be_bytes),
        parent_source: if parent.is_some() { ParentSource::Goroutine } else { ParentSource::None },
        trace_state: String::new(),
        kind: Kind::Server,
        name: name.to_owned(),
        start,
        end,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        status: Status::Unset,
        status_message: String::new(),
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    }
}

pub fn resource(service: &str) -> Arc<Resource> {
    Arc::new(Resource { attributes: vec![("service.name".into(), service.into())] })
}
