//! What makes programs smaller does not change what they record: operations that read a word, or make one, are known to it.

use crate::plan::tighten::Body;
use uprobed_ebpf::program::{Code, ElementLayout, Op};

/// The operations' codes, tightened; labels stand behind so many operations.
fn tightened(ops: &[(Op, Option<usize>)], labels: &[usize]) -> Vec<u8> {
    let mut body = Body { ops: ops.to_vec(), labels: labels.to_vec() };
    body.tighten();
    body.ops.iter().map(|(op, _)| op.code.0).collect()
}

fn op(code: Code, a: u8, b: u8, offset: i32, value: u64) -> Op {
    Op { code, a, b, target: 0, offset, value }
}

/// Capture 0 of the first word of the struct at `w9`, whose second is read, too, and then one more operation.
fn and_then(last: Op) -> Vec<u8> {
    let ops = [
        (op(Code::LOAD, 1, 9, 0, 8), Some(0)),
        (op(Code::WORD, 0, 1, 0, 0), None),
        (op(Code::JUMP, 0, 0, 0, 0), Some(1)),
        (op(Code::SKIP, 0, 0, 0, 0), None),
        (op(Code::LOAD, 2, 9, 8, 8), Some(2)),
        (last, Some(2)),
        (op(Code::CONSTANT, 1, 0, 0, 0), None),
    ];
    tightened(&ops, &[3, 4, 6])
}

#[test]
fn keeps_a_word_that_is_read_later() {
    let kept = [Code::FETCH, Code::PICK, Code::WORD, Code::JUMP, Code::SKIP, Code::PICK].map(|code| code.0);
    let gone = [Code::FETCH, Code::PICK_WORD, Code::PICK].map(|code| code.0);
    let layout = ElementLayout { size: 40, key: 0, value: 16 }.pack();
    for (last, before) in [
        (op(Code::BELOW, 0, 1, 0, 7), &kept[..]),
        (op(Code::BELOW, 1, 2, 0, 1), &gone),
        (op(Code::COUNT, 3, 1, 0, 0), &kept),
        (op(Code::COUNT, 1, 3, 0, 0), &gone),
        (op(Code::SLICE, 1, 2, 0, layout), &kept),
        (op(Code::SLICE, 2, 1, 0, layout), &kept),
        (op(Code::SLICE, 2, 3, 1, layout), &gone),
        (op(Code::FIND, 1, 1, 64, 1), &gone),
    ] {
        let expected = [before, &[last.code.0, Code::CONSTANT.0]].concat();
        assert_eq!(and_then(last), expected, "{last:?}");
    }
}

#[test]
fn fetches_nothing_at_once_through_a_word_that_changes_in_between() {
    let loads = |between: Op| {
        let ops = [
            (op(Code::LOAD, 2, 1, 0, 8), Some(0)),
            (between, Some(0)),
            (op(Code::LOAD, 3, 1, 8, 8), Some(0)),
            (op(Code::JOIN_NUMBER, 0, 2, 0, 0), None),
            (op(Code::JOIN_NUMBER, 1, 3, 0, 0), None),
        ];
        tightened(&ops, &[5]).into_iter().filter(|code| *code == Code::LOAD.0).count()
    };
    assert_eq!(loads(op(Code::COUNT, 1, 9, 0, 0)), 2);
    assert_eq!(loads(op(Code::COUNT, 4, 1, 0, 0)), 0);
    assert_eq!(loads(op(Code::BELOW, 1, 9, 0, 0)), 0);
    assert_eq!(loads(op(Code::SLICE, 1, 9, 0, 0)), 0);
}
