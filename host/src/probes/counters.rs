//! What the kernel side counted, and the tables that it fills and the host sweeps.

use anyhow::{Context, Result};
use aya::maps::{MapData, PerCpuArray};
use serde::Serialize;
use uprobed_ebpf::wire::{Address, Goroutine, JoinKey, Named, Open, Published, SpanKey, counter};

use super::{Kept, Shared};

/// What the kernel counted since the program was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    pub hits: u64,
    pub records: u64,
    pub ring_full: u64,
    pub no_scratch: u64,
    pub spans_full: u64,
    pub tables_full: u64,
    pub unreadable: u64,
    pub unpaired: u64,
    pub ambiguous: u64,
    pub abandoned: u64,
    pub passed_over: u64,
}

impl Counters {
    pub(super) fn read(map: &PerCpuArray<MapData, u64>) -> Result<Self> {
        let read = |index: u32| -> Result<u64> {
            let values = map.get(&index, 0).context("read the kernel's counters")?;
            Ok(values.iter().sum())
        };
        Ok(Self {
            hits: read(counter::HITS)?,
            records: read(counter::RECORDS)?,
            ring_full: read(counter::RING_FULL)?,
            no_scratch: read(counter::NO_SCRATCH)?,
            spans_full: read(counter::SPANS_FULL)?,
            tables_full: read(counter::TABLES_FULL)?,
            unreadable: read(counter::UNREADABLE)?,
            unpaired: read(counter::UNPAIRED)?,
            ambiguous: read(counter::AMBIGUOUS)?,
            abandoned: read(counter::ABANDONED)?,
            passed_over: read(counter::PASSED_OVER)?,
        })
    }

    /// Records, and with them spans, that were lost in the kernel.
    pub fn lost(&self) -> u64 {
        self.ring_full + self.no_scratch + self.spans_full
    }
}

/// The kernel's tables. What the kernel does not take out itself, because it cannot know, is taken out here.
pub(super) struct Tables {
    pub spans: Kept<SpanKey, Open>,
    pub aliases: Kept<SpanKey, Named>,
    pub goroutines: Kept<Address, Goroutine>,
    pub contexts: Kept<Address, Named>,
    pub published: Kept<JoinKey, Published>,
}

impl Tables {
    /// Removes everything of a process that ended.
    pub fn forget(&mut self, slot: u32) {
        remove(&mut self.spans, |key, _| key.slot == slot);
        remove(&mut self.aliases, |key, _| key.slot == slot);
        remove(&mut self.goroutines, |key, _| key.slot == slot);
        remove(&mut self.contexts, |key, _| key.slot == slot);
        remove(&mut self.published, |_, value| value.named.key.slot == slot);
    }

    /// Removes spans older than `time`, and contexts and joins whose span is gone. Gives the number of spans.
    pub fn sweep(&mut self, time: u64) -> usize {
        let removed = remove(&mut self.spans, |_, open| open.time < time);
        let spans = &self.spans;
        let is_gone = |named: &Named| match spans.get(&Shared(named.key), 0) {
            Ok(open) => open.0.context.span != named.context.span,
            Err(_) => true,
        };
        remove(&mut self.aliases, |_, named| is_gone(named));
        remove(&mut self.contexts, |_, named| is_gone(named));
        remove(&mut self.published, |_, published| is_gone(&published.named));
        removed
    }
}

/// Removes the entries that `is_over` names. A table that changes meanwhile may be seen twice or not at all in places; what is missed
/// goes the next time.
fn remove<K: Copy + 'static, V: Copy + 'static>(map: &mut Kept<K, V>, is_over: impl Fn(&K, &V) -> bool) -> usize {
    let over: Vec<Shared<K>> = map
        .iter()
        .filter_map(Result::ok)
        .filter(|(key, value)| is_over(&key.0, &value.0))
        .map(|(key, _)| key)
        .collect();
    // An entry that the kernel removed first is no error.
    over.iter().filter(|key| map.remove(key).is_ok()).count()
}
