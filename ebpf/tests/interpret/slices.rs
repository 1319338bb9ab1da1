//! Elements and lengths, and searches for an element.

use super::fake::{Fake, captures, key_ops, op, run};
use uprobed_ebpf::{
    program::{ABORT, Code, ELEMENTS, ElementLayout, Op},
    wire::state,
};

/// Two words, the value's header, and the key's behind it.
const LAYOUT: ElementLayout = ElementLayout { size: 48, key: 32, value: 16 };
const ELEMENTS_AT: u64 = 0x20_000;
const TEXTS_AT: u64 = 0x30_000;

fn slice(entries: &[(&str, &str)]) -> Fake {
    let mut fake = Fake::default();
    for (index, (key, value)) in (0..).zip(entries) {
        let (element, texts) = (ELEMENTS_AT + 48 * index, TEXTS_AT + 256 * index);
        fake.words(element, &[7, 7]);
        fake.string(element + 32, texts, key);
        fake.string(element + 16, texts + 128, value);
    }
    fake
}

/// Looks for keys in so many elements.
fn search(fake: &mut Fake, elements: u64, keys: &[&str]) -> Vec<String> {
    let mut ops = vec![
        op(Code::CONSTANT, 1, 0, 0, 0, ELEMENTS_AT),
        op(Code::CONSTANT, 2, 0, 0, 0, elements),
        op(Code::SLICE, 2, 1, 0, 0, LAYOUT.pack()),
    ];
    ops.extend((0..).zip(keys).flat_map(|(capture, key)| key_ops(Code::FIND, key, capture, 6)));
    let state = run(fake, &ops);
    assert_eq!(state.aborted, 0);
    captures(&state)
}

fn unreadable(fake: &mut Fake, from: u64, bytes: u64) {
    fake.memory.retain(|address, _| !(from..from + bytes).contains(address));
}

#[test]
fn packs_layouts() {
    let layout = ElementLayout { size: 0xfedc_ba98, key: 0xfffe, value: 0x8001 };
    assert_eq!(ElementLayout::unpack(layout.pack()), layout);
}

#[test]
fn finds_the_first_element_with_a_key() {
    let entries = [("a", "1"), ("traceparenx", "no"), ("traceparent", "00-1"), ("traceparent", "00-2"), ("A", "2")];
    let mut fake = slice(&entries);
    let keys = ["traceparent", "A", "a", "b", "traceparen"];
    assert_eq!(search(&mut fake, 5, &keys), ["0:0:00-1", "1:0:2", "2:0:1", "3:1:", "4:1:"]);
    // Those beyond its length are not its elements.
    assert_eq!(search(&mut fake, 2, &keys), ["0:1:", "1:1:", "2:0:1", "3:1:", "4:1:"]);
    assert_eq!(search(&mut fake, 0, &["a"]), ["0:1:"]);
}

#[test]
fn compares_all_of_a_key() {
    let long = ["12345678", "12345678abcdefgh", "12345678abcdefghABCDEFGH"];
    let other = ["1234567x", "12345678abcdefgx", "12345678abcdefghABCDEFGx"];
    let mut fake = slice(&[(other[0], "x"), (other[1], "x"), (other[2], "x"), (long[2], "3"), (long[1], "2")]);
    assert_eq!(search(&mut fake, 5, &long), ["0:1:", "1:0:2", "2:0:3"]);
}

#[test]
fn copies_as_much_of_the_value_as_is_wanted() {
    let mut fake = slice(&[("long", "1234567"), ("none", "")]);
    assert_eq!(search(&mut fake, 2, &["long", "none"]), ["0:4:123456", "1:0:"]);
}

#[test]
fn looks_at_so_many_elements_and_no_more() {
    let mut entries = vec![("x", "x"); ELEMENTS as usize + 1];
    entries[ELEMENTS as usize - 1] = ("last", "1");
    entries[ELEMENTS as usize] = ("behind", "2");
    let mut fake = slice(&entries);
    assert_eq!(search(&mut fake, u64::MAX, &["last", "behind"]), ["0:0:1", "1:1:"]);
}

#[test]
fn comes_to_its_end_with_as_many_keys_as_a_program_may_have() {
    let mut fake = slice(&[("x", "x"); ELEMENTS as usize]);
    let found = search(&mut fake, 99, &["12345678abcdefghABCDEFGH"; 8]);
    assert_eq!(found.len(), 8);
    assert!(found.iter().all(|capture| capture.ends_with(":1:")), "{found:?}");
}

#[test]
fn passes_over_what_cannot_be_read_and_says_so() {
    let whole = slice(&[("key", "1"), ("key", "2")]);
    let without = |from, bytes| {
        let mut fake = Fake { memory: whole.memory.clone() };
        unreadable(&mut fake, from, bytes);
        search(&mut fake, 2, &["key", "none", "odd"])
    };
    // A key's bytes, an element's header, a value's header, a value's bytes.
    assert_eq!(without(TEXTS_AT, 3), ["0:0:2", "1:1:", "2:3:"]);
    assert_eq!(without(ELEMENTS_AT + 32, 16), ["0:0:2", "1:3:", "2:3:"]);
    assert_eq!(without(ELEMENTS_AT + 16, 16), ["0:3:", "1:1:", "2:1:"]);
    assert_eq!(without(TEXTS_AT + 128, 1), ["0:3:", "1:1:", "2:1:"]);
    assert_eq!(search(&mut Fake::default(), 3, &["key"]), ["0:3:"]);
}

#[test]
fn goes_on_behind_a_key_for_the_next_operation() {
    let mut fake = slice(&[("traceparent", "00-1")]);
    let mut ops = vec![
        op(Code::CONSTANT, 1, 0, 0, 0, ELEMENTS_AT),
        op(Code::CONSTANT, 2, 0, 0, 0, 1),
        op(Code::SLICE, 2, 1, 0, 0, LAYOUT.pack()),
    ];
    ops.extend(key_ops(Code::FIND, "traceparent", 0, 99));
    ops.push(op(Code::WORD, 1, 2, 0, 0, 0));
    assert_eq!(captures(&run(&mut fake, &ops)), ["0:0:00-1", "1:0:\u{1}\0\0\0\0\0\0\0"]);
}

#[test]
fn takes_an_element_below_the_length_only() {
    let ends = |index, length| {
        let ops: [Op; 5] = [
            op(Code::CONSTANT, 1, 0, 0, 0, length),
            op(Code::BELOW, 0, 1, 4, 0, index),
            op(Code::WORD, 0, 1, 0, 0, 0),
            op(Code::JUMP, 0, 0, 5, 0, 0),
            op(Code::SKIP, 0, 0, 0, 0, 0),
        ];
        captures(&run(&mut Fake::default(), &ops))[0].as_bytes()[2] - b'0'
    };
    for (index, length, expected) in [
        (0, 0, state::ABSENT),
        (0, 1, state::READ),
        (1, 1, state::ABSENT),
        (65_535, 65_535, state::ABSENT),
        (65_535, 65_536, state::READ),
    ] {
        assert_eq!(ends(index, length), expected, "[{index}] of {length}");
    }
}

#[test]
fn counts_a_nil_map_as_empty() {
    let mut fake = Fake::default();
    fake.words(0x20_008, &[3]);
    let counted = |fake: &mut Fake, map| {
        let state = run(
            fake,
            &[
                op(Code::CONSTANT, 1, 0, 0, 0, map),
                op(Code::CONSTANT, 2, 0, 0, 0, 99),
                op(Code::COUNT, 2, 1, ABORT, 8, 0),
            ],
        );
        (state.words[2], state.aborted, state.failure)
    };
    assert_eq!(counted(&mut fake, 0x20_000), (3, 0, 0));
    assert_eq!(counted(&mut fake, 0), (0, 0, 0));
    assert_eq!(counted(&mut fake, 0x90_000), (99, 1, state::UNREADABLE.into()));
}
