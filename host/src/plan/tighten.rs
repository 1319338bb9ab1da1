//! Makes a program's operations fewer and cheaper without changing what they record. Each reading of the watched process's memory costs it
//! some 60 ns, each operation some 10 ns, at every hit.
//!
//! - Words and strings' headers that are read from one struct are fetched at once into the window.
//! - A capture that cannot be read records its failure itself, and a word that cannot be read becomes 0 itself, instead of jumping to an
//!   operation that does it.

use uprobed_ebpf::program::{Code, FETCH_WORDS, Op, RECORD, WINDOW_WORDS, WINDOWS, ZERO};

/// Operations whose targets are still labels.
pub struct Body {
    pub ops: Vec<(Op, Option<usize>)>,
    /// Where labels stand.
    pub labels: Vec<usize>,
}

/// An operation that reads from a struct: which one, and where.
#[derive(Clone, Copy)]
struct Use {
    at: usize,
    /// The operation that defined the struct's address last; none for one that the program begins with.
    defined: Option<usize>,
    base: u8,
    offset: i32,
    /// In bytes.
    size: i32,
}

/// Uses that one fetch serves.
struct Window {
    number: u8,
    /// Its first word in the window.
    first: usize,
    offset: i32,
    words: usize,
    base: u8,
    defined: Option<usize>,
    uses: Vec<Use>,
}

impl Body {
    pub fn tighten(&mut self) {
        self.record_failures();
        self.fetch_structs();
        self.record_words();
        self.zero_words();
    }

    /// `PICK w -> l1; WORD a w; JUMP l2; l1: SKIP a; l2:` becomes `PICK_WORD a -> RECORD`.
    fn record_words(&mut self) {
        let mut at = 0;
        while at + 3 < self.ops.len() {
            let [(pick, failed), (word, _), (jump, end), (skip, _)] = [0, 1, 2, 3].map(|next| self.ops[at + next]);
            let is_pattern = pick.code == Code::PICK
                && word.code == Code::WORD
                && word.b == pick.a
                && jump.code == Code::JUMP
                && skip.code == Code::SKIP
                && skip.a == word.a
                && self.is_only_way(failed, at + 3)
                && end.is_some_and(|end| self.labels[end] == at + 4)
                && !self.is_read(pick.a, at + 4);
            if is_pattern {
                self.ops[at] = (Op { code: Code::PICK_WORD, a: word.a, target: RECORD, ..pick }, None);
                (at + 1..at + 4).rev().for_each(|gone| self.remove(gone));
            }
            at += 1;
        }
    }

    /// `X w -> l1; JUMP l2; l1: w = 0; l2:` becomes `X w -> ZERO`.
    fn zero_words(&mut self) {
        let mut at = 0;
        while at + 2 < self.ops.len() {
            let [(load, failed), (jump, end), (zero, _)] = [0, 1, 2].map(|next| self.ops[at + next]);
            let is_pattern = matches!(load.code, Code::LOAD | Code::PICK)
                && jump.code == Code::JUMP
                && zero.code == Code::CONSTANT
                && zero.value == 0
                && zero.a == load.a
                && self.is_only_way(failed, at + 2)
                && end.is_some_and(|end| self.labels[end] == at + 3);
            if is_pattern {
                self.ops[at] = (Op { target: ZERO, ..load }, None);
                (at + 1..at + 3).rev().for_each(|gone| self.remove(gone));
            }
            at += 1;
        }
    }

    /// Whether this label stands there, and nothing but the one who asks jumps there.
    fn is_only_way(&self, label: Option<usize>, there: usize) -> bool {
        let leads_there = |label: &Option<usize>| label.is_some_and(|label| self.labels[label] == there);
        leads_there(&label) && self.ops.iter().filter(|(_, label)| leads_there(label)).count() == 1
    }

    /// Whether a word may be read from here on, before something else is put there.
    fn is_read(&self, slot: u8, from: usize) -> bool {
        for (op, _) in &self.ops[from..] {
            let reads = match op.code {
                Code::ADD | Code::CUT | Code::LOAD | Code::NOT_NIL | Code::ITAB_IS | Code::TYPE_IS => op.b == slot,
                Code::WORD | Code::STRING | Code::BELOW | Code::COUNT => op.b == slot,
                Code::SLICE => op.a == slot || op.b == slot,
                Code::BYTES | Code::TYPE | Code::MAP | Code::JOIN_ADDRESS | Code::JOIN_NUMBER | Code::FETCH => {
                    op.b == slot
                }
                Code::STRING_WORDS => op.b == slot || op.offset == i32::from(slot),
                _ => false,
            };
            if reads {
                return true;
            }
            if (makes_word(op.code) || op.code == Code::PICK) && op.a == slot {
                return false;
            }
        }
        // The program's head may name it: a key, a word to keep, a context.
        true
    }

    /// `X -> l1; JUMP l2; l1: SKIP a; l2:` becomes `X -> RECORD`, where X records capture `a` itself.
    fn record_failures(&mut self) {
        let mut at = 0;
        while at + 2 < self.ops.len() {
            if let Some(skip) = self.skips_itself(at) {
                self.ops[at].1 = None;
                self.ops[at].0.target = RECORD;
                self.remove(skip);
                self.remove(skip - 1);
            }
            at += 1;
        }
    }

    /// The place of the `SKIP`, if this is such a pattern.
    fn skips_itself(&self, at: usize) -> Option<usize> {
        let [(op, label), (jump, end), (skip, _)] = [0, 1, 2].map(|next| self.ops[at + next]);
        let is_pattern = matches!(op.code, Code::STRING | Code::TYPE)
            && jump.code == Code::JUMP
            && skip.code == Code::SKIP
            && skip.a == op.a
            && self.is_only_way(label, at + 2)
            && end.is_some_and(|end| self.labels[end] == at + 3);
        is_pattern.then_some(at + 2)
    }

    fn remove(&mut self, at: usize) {
        self.ops.remove(at);
        for label in &mut self.labels {
            if *label > at {
                *label -= 1;
            }
        }
    }

    /// Puts an operation before the one at `at`; what jumps there passes it.
    fn insert(&mut self, at: usize, op: Op) {
        self.ops.insert(at, (op, None));
        for label in &mut self.labels {
            if *label > at {
                *label += 1;
            }
        }
    }

    fn fetch_structs(&mut self) {
        let windows = windows(self.uses());
        for window in &windows {
            for one in &window.uses {
                let (op, _) = &mut self.ops[one.at];
                pick(op, window, one.offset);
            }
        }
        // From the end, so that the places of earlier ones stay.
        let mut places: Vec<(usize, &Window)> =
            windows.iter().map(|window| (window.defined.map_or(0, |at| at + 1), window)).collect();
        places.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, window) in places {
            let value = window.first as u64 | (window.words as u64) << 8;
            let op =
                Op { code: Code::FETCH, a: window.number, b: window.base, target: 0, offset: window.offset, value };
            self.insert(at, op);
        }
    }

    /// Every reading from a struct, with what defined its address. Control flow only goes forwards, and where several operations define a
    /// word (alternatives), the last of them stands right before the place where they meet.
    fn uses(&self) -> Vec<Use> {
        let mut defined: [Option<usize>; 256] = [None; 256];
        let mut uses = Vec::new();
        for (at, (op, _)) in self.ops.iter().enumerate() {
            let size = match op.code {
                Code::LOAD => (op.value & 0xff) as i32,
                Code::STRING | Code::JOIN_ADDRESS => 16,
                _ => 0,
            };
            if size > 0 && op.offset >= 0 {
                let base = op.b;
                uses.push(Use { at, defined: defined[usize::from(base)], base, offset: op.offset, size });
            }
            if makes_word(op.code) {
                defined[usize::from(op.a)] = Some(at);
            }
        }
        uses
    }
}

/// Whether an operation, other than those that read from the window, puts something into word `a`.
fn makes_word(code: Code) -> bool {
    matches!(code, Code::KEPT | Code::CONSTANT | Code::ADD | Code::CUT | Code::LOAD | Code::COUNT)
}

/// Groups what lies within reach of one fetch. A struct that is read from once is left alone; where there are more than windows, those that
/// are read from most have them.
fn windows(mut uses: Vec<Use>) -> Vec<Window> {
    uses.sort_by_key(|one| (one.base, one.defined, one.offset, one.at));
    let mut groups: Vec<&[Use]> = Vec::new();
    let mut rest = uses.as_slice();
    while let Some(first) = rest.first() {
        let is_near = |one: &&Use| {
            (one.base, one.defined) == (first.base, first.defined)
                && one.offset + one.size - (first.offset & !7) <= (FETCH_WORDS * 8) as i32
        };
        let (group, after) = rest.split_at(rest.iter().take_while(is_near).count().max(1));
        groups.push(group);
        rest = after;
    }
    groups.retain(|group| group.len() > 1);
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let (mut windows, mut used) = (Vec::new(), 0);
    for group in groups {
        let offset = group[0].offset & !7;
        let end = group.iter().map(|one| one.offset + one.size).max().unwrap_or(offset);
        let words = ((end - offset) as usize).div_ceil(8);
        if windows.len() < WINDOWS && used + words <= WINDOW_WORDS {
            let (base, defined) = (group[0].base, group[0].defined);
            windows.push(Window {
                number: windows.len() as u8,
                first: used,
                offset,
                words,
                base,
                defined,
                uses: group.to_vec(),
            });
            used += words;
        }
    }
    windows
}

/// Makes an operation read from the window.
fn pick(op: &mut Op, window: &Window, offset: i32) {
    let inside = (offset - window.offset) as usize;
    op.b = (window.first + inside / 8) as u8;
    op.offset = window.number.into();
    op.code = match op.code {
        Code::LOAD => {
            op.value |= ((inside % 8) as u64) << 16;
            Code::PICK
        }
        Code::STRING => Code::PICK_STRING,
        _ => Code::PICK_ADDRESS,
    };
}
