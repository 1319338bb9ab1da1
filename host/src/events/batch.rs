//! Records of one decoder on their way through its plugin, in columns.

use anyhow::Result;
use uprobed_ebpf::wire::{ParentSource, Record, SpanContext, kind};

use super::{Decoder, is_span};
use crate::{
    fragment::{Fragment, Said, Stage},
    plugin::Event,
};

/// Reused from round to round.
#[derive(Default)]
pub struct Batch {
    heads: Vec<Head>,
    events: Vec<Event>,
    data: Vec<u8>,
}

/// What the host keeps of a record; the plugin does not see it.
struct Head {
    stage: Stage,
    time: u64,
    process: u32,
    span: SpanContext,
    parent: u64,
    parent_source: ParentSource,
    /// Its index in `events`; none if there is nothing to decode.
    event: Option<usize>,
}

impl Batch {
    pub fn records(&self) -> usize {
        self.heads.len()
    }

    pub fn clear(&mut self) {
        self.heads.clear();
        self.events.clear();
        self.data.clear();
    }

    pub fn push(&mut self, record: &Record, captures: &[u8], decoder: &Decoder) {
        if !is_span(record) {
            tracing::error!(kind = record.kind, "a record of unknown kind");
            return;
        }
        let event = (record.kind != kind::ABANDONED).then(|| {
            let offset = self.data.len();
            decoder.copy(record.probe, captures, &mut self.data);
            self.events.push(Event {
                probe: record.probe.into(),
                time: record.time,
                offset: offset as u32,
                length: (self.data.len() - offset) as u32,
            });
            self.events.len() - 1
        });
        self.heads.push(Head {
            stage: match record.kind {
                kind::START => Stage::Start,
                kind::END => Stage::End,
                kind::EVENT => Stage::Event,
                _ => Stage::Abandoned,
            },
            time: record.time,
            process: record.process,
            span: record.span,
            parent: record.parent,
            parent_source: parent_source(record.parent_source),
            event,
        });
    }

    /// Lets the plugin decode all and hands the fragments on, in the order of the records.
    pub fn decode(&mut self, decoder: &Decoder, each: &mut dyn FnMut(Fragment)) -> Result<()> {
        let mut said: Vec<Vec<Said>> = Vec::new();
        said.resize_with(self.events.len(), Vec::new);
        if !self.events.is_empty() {
            for (event, what) in decoder.decode(&self.events, &self.data)? {
                said[event].push(what);
            }
        }
        for head in &self.heads {
            // A plugin that says nothing of an event still had one: the span begins or ends. What it says in several fragments is told in
            // order: a start first, an end last.
            let mut parts = head.event.map(|event| std::mem::take(&mut said[event])).unwrap_or_default();
            if parts.is_empty() {
                parts.push(Said::default());
            }
            let decisive = if head.stage == Stage::Start { 0 } else { parts.len() - 1 };
            for (index, part) in parts.into_iter().enumerate() {
                let stage = if index == decisive { head.stage } else { Stage::Event };
                each(head.fragment(decoder, stage, part));
            }
        }
        Ok(())
    }
}

impl Head {
    fn fragment(&self, decoder: &Decoder, stage: Stage, said: Said) -> Fragment {
        Fragment {
            process: self.process,
            stage,
            time: self.time,
            span: self.span,
            parent: self.parent,
            parent_source: self.parent_source,
            scope: decoder.scope.clone(),
            said,
        }
    }
}

fn parent_source(number: u8) -> ParentSource {
    use ParentSource::{Context, Goroutine, Joined, Remote, Spawned};
    [Remote, Joined, Context, Goroutine, Spawned]
        .into_iter()
        .find(|source| *source as u8 == number)
        .unwrap_or(ParentSource::None)
}
