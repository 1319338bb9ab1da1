//! A program run over the memory of the fixture, by the interpreter that runs in the kernel.

use super::*;
use expect_test::expect;
use std::{
    io::{BufRead, BufReader},
    os::unix::fs::FileExt,
    process::Stdio,
};
use uprobed_ebpf::{
    interpret::{Next, STEPS, State, Target, step},
    program::amd64,
};

/// Memory of a running process; the bias of the fixture is 0.
pub struct Memory(pub std::fs::File);

impl Target for Memory {
    unsafe fn read(&mut self, address: u64, into: *mut u8, length: u32) -> bool {
        // SAFETY: the caller says that `into` is valid for `length` bytes.
        let into = unsafe { std::slice::from_raw_parts_mut(into, length as usize) };
        let is_read = self.0.read_exact_at(into, address).is_ok();
        if !is_read {
            into.fill(0);
        }
        is_read
    }

    fn bound(value: u64, mask: u64) -> u64 {
        value & mask
    }
}

/// Captures of a record as text: index, state, bytes.
pub fn captures(record: &[u8], binary: &Binary) -> String {
    let (mut text, mut rest) = (String::new(), &record[size_of::<uprobed_ebpf::wire::Record>()..]);
    while let [index, state, low, high, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let bytes = &after[..length];
        let value = match <[u8; 8]>::try_from(bytes).map(i64::from_le_bytes) {
            Ok(number) if number > 0x40_0000 && number < 0x100_0000 => binary.type_name(number as u64).unwrap(),
            Ok(number) => number.to_string(),
            Err(_) => format!("{:?}", String::from_utf8_lossy(bytes)),
        };
        text += &format!("#{index} state {state} {value}\n");
        rest = &after[length.next_multiple_of(4)..];
    }
    text
}

#[test]
fn reads_what_the_program_has_in_its_memory() {
    let mut child =
        Command::new(fixture()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the fixture runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let words: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [request, itab, data, _] = words[..] else { panic!("the fixture said {line:?}") };

    // SAFETY: a State is plain numbers, for which zeros are values.
    let mut state: Box<State> = unsafe { Box::new(std::mem::zeroed()) };
    let text = with_binary(|binary| {
        let plan = plan(&manifest(vec![serve()]), binary, 1, 100);
        let program = &plan.probes[0].program;
        state.reset();
        state.is_published = 1;
        state.traceparent_capture = 0xff;
        for (register, value) in [(amd64::BX, itab), (amd64::CX, data), (amd64::DI, request)] {
            state.registers[usize::from(register)] = value;
        }
        let mut memory = Memory(std::fs::File::open(format!("/proc/{}/mem", child.id())).unwrap());
        let steps = (0..STEPS).take_while(|_| step(&mut memory, &mut state, program) == Next::Go).count();
        assert!(steps < STEPS as usize, "it did not come to its end");
        assert_eq!(state.aborted, 0);
        let record = &state.out[..state.length as usize];
        assert!(record.len() <= plan.probes[0].bytes as usize);
        captures(record, binary)
    });
    drop(child.stdin.take());
    child.wait().unwrap();
    expect![[r##"
        #0 state 0 "FETCH"
        #1 state 0 "/a/b"
        #2 state 0 "dem"
        #3 state 0 "one"
        #4 state 0 "long"
        #5 state 0 "17"
        #6 state 0 *main.failure
        #7 state 0 *main.plain
        #8 state 0 -3
        #9 state 0 1099511627776
        #10 state 0 "body"
        #11 state 0 -2
        #12 state 0 "outer"
        #13 state 0 7
        #14 state 1 ""
    "##]]
    .assert_eq(&text);
    assert!(state.join.is_complete());
    assert_eq!((state.join.numbers[0], state.join.numbers[1]), (80, 4711));
    assert_eq!(state.join.addresses[1][1].to_be(), 1);
}
