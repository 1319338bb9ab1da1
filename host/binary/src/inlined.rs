//! Which functions were inlined, and into which others, so that a probe on them misses calls. From the trees that the runtime keeps
//! for its stack traces (`runtime/symtab.go`, `runtime/symtabinl.go`), which stripping leaves. Leaves out where in a function.
//!
//! One pass for all names. Where a name stands in trees is searched in all of their bytes at once, and only a tree in which something
//! was found is measured, by its function's table.

use std::collections::HashMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::functions::names;
use super::functions::pclntab::{Pclntab, Written};
use super::{Binary, varint};

/// `abi.PCDATA_InlTreeIndex` and `abi.FUNCDATA_InlTree`.
const INDEX_TABLE: u32 = 2;
const TREE: u32 = 3;
/// Calls in one function; the runtime's own bound.
const MAX_CALLS: u64 = 1 << 20;
/// Steps through tables, in all functions together: a program of 100 MB has some millions.
const MAX_STEPS: u64 = 1 << 28;
/// Places in trees that are looked into.
const MAX_HITS: usize = 4 << 20;
/// Callers that are listed; all are counted.
const MAX_CALLERS: usize = 100;

/// Calls of a function that do not come to its code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inlining {
    /// Whether there is code to put a probe on, to which other calls come.
    pub has_code: bool,
    /// Functions into which it was inlined, no more than 100: first those of other packages, then those of its own, last those that the
    /// compiler made to call something else, with ` (wrapper)` after the name: calls through them pass by too.
    pub callers: Vec<String>,
    /// How many there are, listed or not.
    pub count: usize,
    /// How many of them are of other packages, and no wrappers.
    pub elsewhere: usize,
}

/// How a caller is listed, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Elsewhere,
    Here,
    Wrapper,
}

impl Binary<'_> {
    /// Of the functions that were inlined somewhere, by the names that were asked for, which may have `[...]` for all instantiations. A
    /// name that is not in it has code, or is absent: nothing that was linked calls it. So is what is not written in Go.
    pub fn inlining(&self, wanted: &[&str]) -> HashMap<String, Inlining> {
        let table = self.function_table();
        let mut found = vec![Inlining::default(); wanted.len()];
        if let Some(pclntab) = table.pclntab() {
            callers(pclntab, wanted, &mut found);
        }
        let inlined = wanted.iter().zip(found).filter(|(_, inlining)| inlining.count > 0);
        let has_code = |name: &str| !table.same(name.as_bytes()).is_empty();
        inlined.map(|(&name, inlining)| (name.to_owned(), Inlining { has_code: has_code(name), ..inlining })).collect()
    }

    /// Whether the program has this function, be it only inlined into one of another package: what a package inlines of its own does not
    /// count, because it does so in every program.
    pub fn mentions(&self, name: &str) -> bool {
        self.mentions_given(name, &self.inlining(&[name]))
    }

    /// The same where it is known already what was inlined: `inlining` of names that this one was among.
    pub fn mentions_given(&self, name: &str, inlined: &HashMap<String, Inlining>) -> bool {
        inlined.get(name).is_some_and(|inlining| inlining.elsewhere > 0) || self.function(name).is_some()
    }
}

/// `a, b and 7 more`: the first of some callers, of which there are so many in all.
pub fn first_callers(callers: &[String], count: usize, most: usize) -> String {
    let shown = &callers[..callers.len().min(most)];
    match count.saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A record of an inlined call: `runtime.inlinedCall`.
#[derive(Clone, Copy)]
struct Layout {
    size: usize,
    /// Where the callee's name is.
    name: usize,
}

impl Layout {
    /// Until 1.19 it had its parent, file and line as well.
    fn of(minor: u32) -> Self {
        if minor >= 20 { Self { size: 16, name: 4 } } else { Self { size: 20, name: 12 } }
    }
}

/// A place in the functions' data with the offset of a wanted name.
struct Hit {
    at: u32,
    /// Among the names that were asked for.
    wanted: u32,
    /// The tree that begins last before it, and its function.
    tree: Option<(u32, u32)>,
}

fn callers(pclntab: &Pclntab, wanted: &[&str], found: &mut [Inlining]) {
    let layout = Layout::of(pclntab.minor);
    let offsets = offsets(pclntab, wanted);
    if offsets.is_empty() {
        return;
    }
    let trees: Vec<_> = (0..pclntab.count).map(|index| tree(pclntab, index)).collect();
    let mut steps = MAX_STEPS;
    let mut hits = hits(pclntab, &trees, &offsets, layout, &mut steps);
    assign(&mut hits, &trees);
    // Of each function once for each name.
    let mut pairs = FxHashSet::default();
    let mut measured: Option<(u32, u64)> = None;
    for hit in &hits {
        let Some((start, index)) = hit.tree else { continue };
        let Some(within) = (hit.at - start).checked_sub(layout.name as u32) else { continue };
        let length = match measured {
            Some((same, length)) if same == index => length,
            _ => length(pclntab, index, &mut steps),
        };
        measured = Some((index, length));
        let is_call =
            (within as usize).is_multiple_of(layout.size) && u64::from(within) / (layout.size as u64) < length;
        if is_call {
            pairs.insert((hit.wanted, index));
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_unstable();
    // As the linker spells them, which tells where a package's path ends.
    let mut spelled: Vec<_> = wanted.iter().map(|name| name.as_bytes()).collect();
    for (&offset, numbers) in &offsets {
        let name = pclntab.name_at(offset).unwrap_or_default();
        numbers.iter().for_each(|&number| spelled[number as usize] = name);
    }
    list(pclntab, &spelled, &pairs, found);
}

/// Where the wanted names stand in the table of names, each perhaps more than once.
fn offsets(pclntab: &Pclntab, wanted: &[&str]) -> FxHashMap<u32, Vec<u32>> {
    let mut by_hash: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
    // Names have to end like a wanted one to be looked at. What has other spellings is looked at in any case.
    let mut ends: FxHashSet<[u8; 4]> = FxHashSet::default();
    for (number, name) in (0..).zip(wanted).filter(|(_, name)| !name.is_empty()) {
        by_hash.entry(names::hash(name.as_bytes())).or_default().push(number);
        ends.insert(end(name.as_bytes()));
    }
    let mut offsets: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    for (offset, name) in pclntab.names() {
        if !ends.contains(&end(name)) && !name.ends_with(b"]") {
            continue;
        }
        let Some(numbers) = by_hash.get(&names::hash(name)) else { continue };
        let meant = |number: &&u32| names::is_meant(wanted[**number as usize].as_bytes(), name);
        let numbers: Vec<_> = numbers.iter().filter(meant).copied().collect();
        if !numbers.is_empty() {
            offsets.insert(offset, numbers);
        }
    }
    offsets
}

fn end(name: &[u8]) -> [u8; 4] {
    name.last_chunk().copied().unwrap_or_default()
}

/// Where in the functions' data the tree of what was inlined into a function begins.
fn tree(pclntab: &Pclntab, index: u32) -> Option<u32> {
    let record = pclntab.record(index)?;
    record.value_table(INDEX_TABLE)?;
    record.data(TREE)
}

/// Calls in a function's tree: one more than the greatest value of the table that tells to which of them an address belongs.
fn length(pclntab: &Pclntab, index: u32, steps: &mut u64) -> u64 {
    let table = pclntab.record(index).and_then(|record| pclntab.table(record.value_table(INDEX_TABLE)?));
    let greatest = table.and_then(|table| greatest(table, steps));
    greatest.map_or(0, |greatest| greatest.saturating_add(1).min(MAX_CALLS))
}

fn hits(
    pclntab: &Pclntab,
    trees: &[Option<u32>],
    offsets: &FxHashMap<u32, Vec<u32>>,
    layout: Layout,
    steps: &mut u64,
) -> Vec<Hit> {
    let starts = || trees.iter().enumerate().filter_map(|(index, tree)| Some(((*tree)?, index as u32)));
    let (Some((first, _)), Some((last, index))) = (starts().min(), starts().max()) else { return Vec::new() };
    let length = usize::try_from(length(pclntab, index, steps)).unwrap_or(0);
    let data = pclntab.data();
    let data = &data[..data.len().min((last as usize).saturating_add(length * layout.size))];
    // A bit for each of the names' offsets, folded: most of what is not a name's is told by that alone.
    let mut folded = vec![0u64; 1024];
    let bit = |word: u32| ((word >> 6) as usize & 1023, 1u64 << (word & 63));
    for &offset in offsets.keys() {
        let (at, bit) = bit(offset);
        folded[at] |= bit;
    }
    let words = data.get(first as usize..).unwrap_or_default().as_chunks().0;
    let mut hits = Vec::new();
    for (at, &word) in (first..).step_by(4).zip(words) {
        let word = u32::from_le_bytes(word);
        let (place, bit) = bit(word);
        if folded[place] & bit == 0 {
            continue;
        }
        let Some(numbers) = offsets.get(&word) else { continue };
        hits.extend(numbers.iter().map(|&wanted| Hit { at, wanted, tree: None }));
        if hits.len() >= MAX_HITS {
            break;
        }
    }
    hits
}

/// Gives each hit the last tree that begins before it; hits are in order, and trees do not overlap.
fn assign(hits: &mut [Hit], trees: &[Option<u32>]) {
    for (index, tree) in (0..).zip(trees) {
        let Some(start) = *tree else { continue };
        let next = hits.partition_point(|hit| hit.at < start);
        if let Some(hit) = hits.get_mut(next)
            && hit.tree.is_none_or(|(other, _)| other < start)
        {
            hit.tree = Some((start, index));
        }
    }
    let mut last = None;
    for hit in hits {
        last = hit.tree.or(last);
        hit.tree = last;
    }
}

/// `pairs` are of a wanted name and a function, in order.
fn list(pclntab: &Pclntab, spelled: &[&[u8]], pairs: &[(u32, u32)], found: &mut [Inlining]) {
    for ((number, name), inlining) in (0..).zip(spelled).zip(found) {
        let own_package = names::package(name);
        let kind = |index: u32| match pclntab.written(index) {
            Some(Written::AsWrapper) => Kind::Wrapper,
            _ if names::package(pclntab.name(index).unwrap_or_default()) == own_package => Kind::Here,
            _ => Kind::Elsewhere,
        };
        let start = pairs.partition_point(|&(wanted, _)| wanted < number);
        let own = pairs[start..].iter().take_while(|&&(wanted, _)| wanted == number);
        let mut own: Vec<_> = own.map(|&(_, index)| (kind(index), index)).collect();
        own.sort_unstable();
        inlining.count = own.len();
        inlining.elsewhere = own.partition_point(|&(kind, _)| kind == Kind::Elsewhere);
        let listed = own.into_iter().take(MAX_CALLERS).map(|(kind, index)| {
            let name = String::from_utf8_lossy(pclntab.name(index).unwrap_or_default());
            format!("{name}{}", if kind == Kind::Wrapper { " (wrapper)" } else { "" })
        });
        inlining.callers = listed.collect();
    }
}

/// The greatest value in a table of values by address: pairs of differences, the value's with its sign in the lowest bit, up to a
/// value that does not differ. None if there is none above -1.
fn greatest(mut table: &[u8], steps: &mut u64) -> Option<u64> {
    let (mut value, mut greatest, mut is_first) = (-1i64, -1i64, true);
    while *steps > 0 {
        *steps -= 1;
        let (difference, length) = varint(table)?;
        if difference == 0 && !is_first {
            break;
        }
        is_first = false;
        let (_, more) = varint(&table[length..])?;
        table = &table[length + more..];
        let half = (difference >> 1).cast_signed();
        value = value.saturating_add(if difference & 1 == 1 { !half } else { half });
        greatest = greatest.max(value);
    }
    u64::try_from(greatest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_greatest_value_of_a_table() {
        for (table, expected) in [
            // -1 for 5 bytes, 0, 1, back to 0, -1.
            (&[0, 5, 2, 1, 2, 1, 1, 1, 1, 1, 0][..], Some(1)),
            (&[0, 5, 0], None),
            (&[], None),
            (&[2], None),
            (&[0x80, 0x80], None),
            (&[2, 1].repeat(1000), Some(99)),
        ] {
            assert_eq!(greatest(table, &mut 100), expected, "{table:?}");
        }
    }
}
