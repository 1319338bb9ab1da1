//! The interpreter over a fake target.

mod fake;
mod slices;

use fake::{Fake, captures, key_ops, op, run};
use uprobed_ebpf::{
    interpret::RECORD_BYTES,
    program::{ABORT, Code, MapLayout, OPS, Op, RECORD, ZERO},
    wire::{Record, state},
};

#[test]
fn copies_a_string_behind_a_pointer() {
    let mut fake = Fake::default();
    fake.words(0x10_008, &[0x20_000]);
    fake.string(0x20_010, 0x30_000, "hello");
    let state = run(
        &mut fake,
        &[
            op(Code::REGISTER, 1, 3, 0, 0, 0),
            op(Code::LOAD, 2, 1, ABORT, 8, 8),
            op(Code::BEGIN, 7, 0, 0, 0, 0),
            op(Code::STRING, 7, 2, ABORT, 16, 128),
        ],
    );
    assert_eq!(captures(&state), ["7:0:hello"]);
}

#[test]
fn says_when_a_string_was_cut_and_when_it_could_not_be_read() {
    let mut fake = Fake::default();
    fake.string(0x10_000, 0x30_000, "hello");
    fake.words(0x10_010, &[0x99_000, 5]);
    fake.words(0x10_020, &[0x99_000, u64::MAX]);
    fake.words(0x10_030, &[0, 0]);
    let strings = |offset| op(Code::STRING, 1, 1, ABORT, offset, 4);
    let state = run(&mut fake, &[op(Code::REGISTER, 1, 3, 0, 0, 0), strings(0), strings(16), strings(32), strings(48)]);
    assert_eq!(captures(&state), ["1:4:hell", "1:3:", "1:3:", "1:0:"]);
    assert_eq!(state.unreadable, 2);
}

#[test]
fn goes_to_the_next_alternative_after_another_type_or_nil() {
    let mut fake = Fake::default();
    // Two interfaces: an itab with type 0x5000, and nil.
    fake.words(0x10_000, &[0x20_000, 0x30_000, 0, 0]);
    fake.words(0x20_008, &[0x5000]);
    let attempt = |offset: i32, ty: u64| {
        run(
            &mut Fake { memory: fake.memory.clone() },
            &[
                op(Code::REGISTER, 1, 3, 0, 0, 0),
                op(Code::BEGIN, 9, 0, 0, 0, 0),
                op(Code::LOAD, 2, 1, 6, offset, 8),
                op(Code::ITAB_IS, 0, 2, 6, 8, ty),
                op(Code::WORD, 9, 2, 0, 0, 0),
                op(Code::JUMP, 0, 0, 7, 0, 0),
                op(Code::SKIP, 9, 0, 0, 0, 0),
            ],
        )
    };
    assert_eq!(captures(&attempt(0, 0x5000)), ["9:0:\0\0\u{2}\0\0\0\0\0"]);
    assert_eq!(captures(&attempt(0, 0x6000)), [format!("9:{}:", state::OTHER_TYPE)]);
    assert_eq!(captures(&attempt(16, 0x5000)), [format!("9:{}:", state::ABSENT)]);
}

#[test]
fn aborts_without_a_record() {
    let state = run(&mut Fake::default(), &[op(Code::NOT_NIL, 0, 4, ABORT, 0, 0), op(Code::WORD, 1, 1, 0, 0, 0)]);
    assert_eq!(state.aborted, 1);
    assert!(captures(&state).is_empty());
}

#[test]
fn extends_signs_and_widths() {
    let mut fake = Fake::default();
    fake.put(0x10_000, &[0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]);
    let load = |value| {
        let state = run(
            &mut Fake { memory: fake.memory.clone() },
            &[op(Code::REGISTER, 1, 3, 0, 0, 0), op(Code::LOAD, 2, 1, ABORT, 0, value)],
        );
        state.words[2]
    };
    assert_eq!(load(1), 0xff);
    assert_eq!(load(0x102) as i64, -1);
    assert_eq!(load(4), 0xffff_ffff);
    assert_eq!(load(8), 0x0403_0201_ffff_ffff);
}

/// A swiss group or a bucket with these keys and values (slices of one string each).
fn group(fake: &mut Fake, at: u64, is_swiss: bool, entries: &[(&str, &str)]) {
    let mut control = [if is_swiss { 0x80u8 } else { 0 }; 8];
    for (slot, (key, value)) in entries.iter().enumerate() {
        control[slot] = 0x7f;
        let slot = slot as u64;
        let (key_at, value_at) = if is_swiss {
            (at + 8 + 40 * slot, at + 24 + 40 * slot)
        } else {
            (at + 8 + 16 * slot, at + 136 + 24 * slot)
        };
        let texts = 0x100_0000 + 0x100 * (at - 0x20_000) + 0x100 * slot;
        fake.string(key_at, texts, key);
        fake.words(value_at, &[texts + 0x40, 1, 1]);
        fake.string(texts + 0x40, texts + 0x80, value);
    }
    fake.put(at, &control);
    for byte in at..at + 344 {
        fake.memory.entry(byte).or_insert(0);
    }
}

const FIRST_OF_SLICE: i32 = 0x1_0000 | 100;

fn walk(fake: &mut Fake, layout: MapLayout) -> Vec<String> {
    let mut ops = vec![op(Code::REGISTER, 1, 3, 0, 0, 0), op(Code::MAP, 0, 1, 0, 0, layout.pack(24))];
    for (capture, key) in ["Traceparent", "User-Agent", "Host", "Userless-A"].into_iter().enumerate() {
        ops.extend(key_ops(Code::MAP_KEY, key, capture as u8, FIRST_OF_SLICE));
    }
    captures(&run(fake, &ops))
}

#[test]
fn finds_keys_in_a_small_swiss_map() {
    let mut fake = Fake::default();
    fake.words(0x10_010, &[0x20_000, 0]);
    group(&mut fake, 0x20_000, true, &[("User-Agent", "curl"), ("Traceparenx", "no"), ("Traceparent", "00-1")]);
    let layout = MapLayout::Swiss { dir_ptr: 16, dir_len: 24, groups: 16, length_mask: 24 };
    assert_eq!(walk(&mut fake, layout), ["0:0:00-1", "1:0:curl", "2:1:", "3:1:"]);
}

#[test]
fn finds_keys_in_a_swiss_map_of_several_groups() {
    let mut fake = Fake::default();
    fake.words(0x10_010, &[0x11_000, 1]);
    fake.words(0x11_000, &[0x12_000]);
    fake.words(0x12_010, &[0x20_000, 1]);
    group(&mut fake, 0x20_000, true, &[("Accept", "x"), ("Host", "here")]);
    let mut second = Fake::default();
    group(&mut second, 0x20_000 + 328, true, &[("Traceparent", "00-2")]);
    fake.memory.extend(second.memory);
    let layout = MapLayout::Swiss { dir_ptr: 16, dir_len: 24, groups: 16, length_mask: 24 };
    assert_eq!(walk(&mut fake, layout), ["0:0:00-2", "1:1:", "2:0:here", "3:1:"]);
}

#[test]
fn finds_keys_in_buckets() {
    let mut fake = Fake::default();
    fake.words(0x10_008, &[1 << 8, 0x20_000]);
    group(&mut fake, 0x20_000, false, &[("Accept", "x"), ("User-Agent", "go")]);
    let mut second = Fake::default();
    group(&mut second, 0x20_000 + 336, false, &[("Traceparent", "00-3")]);
    fake.memory.extend(second.memory);
    assert_eq!(walk(&mut fake, MapLayout::Buckets { b: 9, buckets: 16 }), ["0:0:00-3", "1:0:go", "2:1:", "3:1:"]);
}

#[test]
fn picks_from_a_struct_that_was_fetched_at_once() {
    let mut fake = Fake::default();
    // Three words at 8: a string's header, and -2 as an i16 in the middle of a word.
    fake.string(0x10_008, 0x30_000, "hello");
    fake.words(0x10_018, &[0xfffe_0000]);
    let window = |base| {
        [
            op(Code::REGISTER, 1, 3, 0, 0, 0),
            op(Code::FETCH, 2, base, 0, 8, 5 | 3 << 8),
            op(Code::PICK_STRING, 0, 5, RECORD, 2, 4),
            op(Code::PICK_WORD, 1, 7, RECORD, 2, 0x102 | 2 << 16),
            op(Code::PICK, 9, 7, ZERO, 2, 8),
            op(Code::WORD, 2, 9, 0, 0, 0),
        ]
    };
    let minus_two = String::from_utf8_lossy(&(-2i64).to_le_bytes()).into_owned();
    let word = String::from_utf8_lossy(&0xfffe_0000u64.to_le_bytes()).into_owned();
    let state = run(&mut fake, &window(1));
    assert_eq!(captures(&state), ["0:4:hell".to_owned(), format!("1:0:{minus_two}"), format!("2:0:{word}")]);
    // Of a nil pointer (w2) all is absent, of unreadable memory nothing is read.
    let zero = "\0".repeat(8);
    assert_eq!(captures(&run(&mut fake, &window(2))), ["0:1:".to_owned(), "1:1:".into(), format!("2:0:{zero}")]);
    let state = run(&mut Fake::default(), &window(1));
    assert_eq!(captures(&state), ["0:3:".to_owned(), "1:3:".into(), format!("2:0:{zero}")]);
    assert_eq!(state.unreadable, 2);
}

#[test]
fn passes_over_what_only_an_adoption_needs() {
    let ops = [op(Code::IF_PUBLISHED, 0, 0, 2, 0, 0), op(Code::WORD, 0, 1, 0, 0, 0), op(Code::WORD, 1, 1, 0, 0, 0)];
    assert_eq!(captures(&run(&mut Fake::default(), &ops)).len(), 1);
}

#[test]
fn takes_a_nil_map_for_an_empty_one() {
    let layout = MapLayout::Swiss { dir_ptr: 16, dir_len: 24, groups: 16, length_mask: 24 };
    let ops =
        [vec![op(Code::MAP, 0, 5, 0, 0, layout.pack(24))], key_ops(Code::MAP_KEY, "Host", 1, FIRST_OF_SLICE)].concat();
    let state = run(&mut Fake::default(), &ops);
    assert_eq!(captures(&state), ["1:1:"]);
    assert_eq!(state.unreadable, 0);
}

#[test]
fn normalizes_addresses_of_both_families() {
    let mut fake = Fake::default();
    fake.words(0x10_000, &[0x20_000, 4, 4, 0x30_000, 16, 16]);
    fake.put(0x20_000, &[127, 0, 0, 1]);
    fake.put(0x30_000, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1]);
    let state = run(
        &mut fake,
        &[
            op(Code::REGISTER, 1, 3, 0, 0, 0),
            op(Code::JOIN_ADDRESS, 0, 1, 0, 0, 0),
            op(Code::JOIN_ADDRESS, 1, 1, 0, 24, 0),
            op(Code::CONSTANT, 2, 0, 0, 0, 80),
            op(Code::JOIN_NUMBER, 0, 2, 0, 0, 0),
            op(Code::JOIN_NUMBER, 1, 2, 0, 0, 0),
        ],
    );
    assert!(state.join.is_complete());
    assert_eq!(state.join.addresses[0], state.join.addresses[1]);
}

#[test]
fn never_writes_past_the_record() {
    let mut fake = Fake::default();
    fake.string(0x10_000, 0x30_000, &"x".repeat(1024));
    let mut ops = vec![op(Code::REGISTER, 1, 3, 0, 0, 0)];
    ops.extend((0..10).map(|capture| op(Code::STRING, capture, 1, ABORT, 0, 1024)));
    let state = run(&mut fake, &ops);
    let captures = captures(&state);
    assert!(state.length as usize <= RECORD_BYTES);
    assert_eq!(captures.len(), 10);
    assert_eq!(captures.iter().filter(|capture| capture.len() > 1000).count(), 3, "{captures:?}");
    assert!(captures[9].ends_with(":4:"), "{}", captures[9]);
}

#[test]
fn runs_any_bytes_as_a_program() {
    let mut fake = Fake::default();
    fake.words(0x10_000, &[0x10_000; 128]);
    let mut random = 1u64;
    let mut next = || {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) as u32
    };
    for _ in 0..20_000 {
        let ops: Vec<Op> = (0..OPS)
            .map(|_| {
                let bytes = next().to_le_bytes();
                op(Code(bytes[0] % 34), bytes[1], bytes[2], bytes[3], next() as i32, next().into())
            })
            .collect();
        let state = run(&mut fake, &ops);
        assert!(state.length as usize <= RECORD_BYTES);
    }
}

#[test]
fn cuts_arguments_out_of_their_registers() {
    const WORD: u64 = 0xffff_fff6_8000_00f0;
    for (value, expected) in [
        (1, 0xf0u64),
        (0x101, (-16i64).cast_unsigned()),
        (4, 0x8000_00f0),
        (0x104, 0xffff_ffff_8000_00f0),
        (4 | 4 << 16, 0xffff_fff6),
        (0x104 | 4 << 16, (-10i64).cast_unsigned()),
        (8, WORD),
    ] {
        let ops =
            [op(Code::CONSTANT, 1, 0, 0, 0, WORD), op(Code::CUT, 2, 1, 0, 0, value), op(Code::WORD, 0, 2, 0, 0, 0)];
        let state = run(&mut Fake::default(), &ops);
        let captured = &state.out[size_of::<Record>() + 4..][..8];
        assert_eq!(captured, expected.to_le_bytes(), "{value:#x}");
    }
}
