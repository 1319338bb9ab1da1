//! Elements of slices, lengths and searches: what they read of the fixture's memory. `slices_plans` has their programs.

use super::{
    live::{Memory, captures},
    *,
};
use crate::manifest::Correlation;
use expect_test::expect;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};
use uprobed_ebpf::{
    interpret::{Next, STEPS, State, step},
    program::amd64,
};

const WRITE: &str = "b *main.Batch, kind int, msgs []main.Message, title string, table map[string]int";

/// Captures are named by their paths.
pub fn write(paths: &[&str]) -> Probe {
    let captures = paths.iter().map(|path| capture(path, &[path])).collect();
    probe("write", "main.(*Batch).write", WRITE, captures)
}

/// The fixture while it waits, and the words that its `write` was called with.
struct Running {
    child: Child,
    words: Vec<u64>,
}

impl Running {
    fn new() -> Self {
        let mut child =
            Command::new(fixture()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the fixture runs");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.nth(1).unwrap().unwrap();
        Self { words: line.split_whitespace().map(|word| word.parse().unwrap()).collect(), child }
    }

    /// The probe's program as at a hit of `write`.
    fn run(&self, binary: &Binary, probe: Probe) -> Box<State> {
        // SAFETY: a State is plain numbers, for which zeros are values.
        let mut state: Box<State> = unsafe { Box::new(std::mem::zeroed()) };
        let plan = plan(&manifest(vec![probe]), binary, 1, 100);
        assert!(plan.skipped.is_empty(), "{:?}", plan.skipped);
        let planned = &plan.probes[0];
        assert!(planned.dropped.is_empty(), "{:?}", planned.dropped);
        state.reset();
        state.traceparent_capture = planned.program.traceparent.into();
        let registers =
            [amd64::AX, amd64::BX, amd64::CX, amd64::DI, amd64::SI, amd64::R8, amd64::R9, amd64::R10].into_iter();
        for (register, word) in registers.zip(&self.words) {
            state.registers[usize::from(register)] = *word;
        }
        let mut memory = Memory(std::fs::File::open(format!("/proc/{}/mem", self.child.id())).unwrap());
        let steps = (0..STEPS).take_while(|_| step(&mut memory, &mut state, &planned.program) == Next::Go).count();
        assert!(steps < STEPS as usize, "it did not come to its end");
        assert!(state.length <= planned.bytes);
        state
    }

    /// What is captured, a path a line.
    fn read(&self, paths: &[&str]) -> String {
        with_binary(|binary| {
            let state = self.run(binary, write(paths));
            let captures = captures(&state.out[..state.length as usize], binary);
            let captures = captures.lines().map(|line| line.split_once(' ').unwrap().1);
            paths.iter().zip(captures).map(|(path, capture)| format!("{path}: {capture}\n")).collect()
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

#[test]
fn reads_elements() {
    let running = Running::new();
    let paths = [
        "msgs[0].Topic",
        "msgs[1].Topic",
        // Within the slice's capacity, behind its length.
        "msgs[2].Topic",
        "b.msgs[1].Topic",
        "b.msgs[2].Topic",
        "b.msgs[0].Partition",
        "b.pointers[0].Topic",
        "b.pointers[1].Topic",
        "b.pointers[1].Next.Topic",
        "b.pointers[65535].Topic",
    ];
    let expected = expect![[r#"
        msgs[0].Topic: state 0 "orders"
        msgs[1].Topic: state 0 "more"
        msgs[2].Topic: state 1 ""
        b.msgs[1].Topic: state 0 "more"
        b.msgs[2].Topic: state 1 ""
        b.msgs[0].Partition: state 0 3
        b.pointers[0].Topic: state 1 ""
        b.pointers[1].Topic: state 0 "more"
        b.pointers[1].Next.Topic: state 0 "orders"
        b.pointers[65535].Topic: state 1 ""
    "#]];
    expected.assert_eq(&running.read(&paths));
    let paths = [
        "b.texts[1]",
        "b.empty[0]",
        "b.errors[0]",
        "b.errors[1]",
        "b.errors[1].(*main.failure).code",
        "b.anys[0]",
        "b.anys[0].(*main.failure).code",
        "b.numbers[2]",
        "b.grid[1][2]",
        "b.grid[0][1]",
        "b.labels[0].Name",
    ];
    let expected = expect![[r#"
        b.texts[1]: state 0 "one"
        b.empty[0]: state 1 ""
        b.errors[0]: state 0 0
        b.errors[1]: state 0 *main.failure
        b.errors[1].(*main.failure).code: state 0 9
        b.anys[0]: state 0 *main.failure
        b.anys[0].(*main.failure).code: state 0 5
        b.numbers[2]: state 0 -3
        b.grid[1][2]: state 0 4
        b.grid[0][1]: state 1 ""
        b.labels[0].Name: state 0 "kind"
    "#]];
    expected.assert_eq(&running.read(&paths));
}

#[test]
fn reads_lengths() {
    let running = Running::new();
    let paths = [
        "msgs.len()",
        "b.msgs.len()",
        "b.empty.len()",
        "title.len()",
        "b.title.len()",
        "b.texts[0].len()",
        "msgs[1].Headers.len()",
        "table.len()",
        "b.table.len()",
        "b.small.len()",
        "b.none.len()",
        "b.grid[1].len()",
        "b.grid[2].len()",
    ];
    let expected = expect![[r#"
        msgs.len(): state 0 2
        b.msgs.len(): state 0 2
        b.empty.len(): state 0 0
        title.len(): state 0 5
        b.title.len(): state 0 5
        b.texts[0].len(): state 0 4
        msgs[1].Headers.len(): state 0 17
        table.len(): state 0 40
        b.table.len(): state 0 40
        b.small.len(): state 0 2
        b.none.len(): state 0 0
        b.grid[1].len(): state 0 3
        b.grid[2].len(): state 1 ""
    "#]];
    expected.assert_eq(&running.read(&paths));
}

#[test]
fn finds_elements_by_their_keys() {
    let running = Running::new();
    let paths = [
        r#"msgs[0].Headers[Key="traceparent"].Value"#,
        r#"b.msgs[0].Headers[Key="a-key-of-24-bytes-length"].Value"#,
        r#"b.msgs[0].Headers[Key="none"].Value"#,
        r#"b.msgs[0].Headers[Key="gone"].Value"#,
        r#"b.labels[Name="kind"].Text"#,
    ];
    let expected = expect![[r#"
        msgs[0].Headers[Key="traceparent"].Value: state 0 "00-1"
        b.msgs[0].Headers[Key="a-key-of-24-bytes-length"].Value: state 0 "24"
        b.msgs[0].Headers[Key="none"].Value: state 0 ""
        b.msgs[0].Headers[Key="gone"].Value: state 1 ""
        b.labels[Name="kind"].Text: state 0 "text"
    "#]];
    expected.assert_eq(&running.read(&paths));
    let paths = [
        r#"b.pointers[1].Next.Headers[Key="traceparent"].Value"#,
        r#"b.pointers[0].Headers[Key="traceparent"].Value"#,
        r#"msgs[1].Headers[Key="key-15"].Value"#,
        r#"msgs[1].Headers[Key="key-16"].Value"#,
        r#"msgs[2].Headers[Key="traceparent"].Value"#,
    ];
    let expected = expect![[r#"
        b.pointers[1].Next.Headers[Key="traceparent"].Value: state 0 "00-1"
        b.pointers[0].Headers[Key="traceparent"].Value: state 1 ""
        msgs[1].Headers[Key="key-15"].Value: state 0 "the value 15"
        msgs[1].Headers[Key="key-16"].Value: state 1 ""
        msgs[2].Headers[Key="traceparent"].Value: state 1 ""
    "#]];
    expected.assert_eq(&running.read(&paths));
}

#[test]
fn takes_a_found_value_for_the_traceparent() {
    let running = Running::new();
    let start = Probe { traceparent: Some(1), ..write(&["title", r#"msgs[0].Headers[Key="traceparent"].Value"#]) };
    let state = with_binary(|binary| running.run(binary, start));
    let at = state.traceparent as usize;
    assert_eq!(&state.out[at + 4..][..4], b"00-1");
}

#[test]
fn begins_bindings_words_and_conditions_with_elements_and_lengths() {
    let running = Running::new();
    let captures = vec![capture("topic", &["m.Topic"]), capture("gone", &["n.Topic"]), capture("text", &["t"])];
    let bindings =
        vec![binding("m", &["msgs[7]", "b.msgs[1]"]), binding("n", &["msgs[7]"]), binding("t", &["b.texts[1]"])];
    let correlation = Correlation::Words(texts(&["b.pointers[1]", "b.numbers.len()"]));
    let event = |only_if: &str| {
        let captures = captures.clone();
        Probe {
            bindings: bindings.clone(),
            correlation: correlation.clone(),
            only_if: texts(&[only_if]),
            captures,
            ..write(&[])
        }
    };
    with_binary(|binary| {
        let state = running.run(binary, event("msgs[1]"));
        assert_eq!(state.aborted, 0);
        let plan = plan(&manifest(vec![event("msgs[1]")]), binary, 1, 100);
        let [pointer, length] = plan.probes[0].program.key_slots;
        assert!(state.words[usize::from(pointer)] > 4096);
        assert_eq!(state.words[usize::from(length)], 3);
        let expected = expect![[r##"
            #0 state 0 "more"
            #1 state 1 ""
            #2 state 0 "one"
        "##]];
        expected.assert_eq(&super::live::captures(&state.out[..state.length as usize], binary));
        assert_eq!(running.run(binary, event("msgs[2]")).aborted, 1);
        assert_eq!(running.run(binary, event("b.pointers[0].Topic")).aborted, 1);
    });
}
