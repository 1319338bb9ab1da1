//! A capture program as text, an operation a line.

use std::fmt::Write;
use uprobed_ebpf::program::{ABORT, Code, ElementLayout, NO_SLOT, Op, Program, RECORD, ZERO, amd64};

pub fn disassemble(program: &Program) -> String {
    let mut text = String::new();
    let ops = program.ops.get(..program.ops_len.into()).unwrap_or(&program.ops);
    for (index, op) in ops.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{index:<2}  {}", operation(op));
    }
    let slots = [
        ("key", program.key_slots.as_slice()),
        ("keep", &program.keep),
        ("name", &program.name_slots),
        ("parent context", &program.parent_context),
        ("own context", &[program.own_context]),
    ];
    for (name, slots) in slots {
        let used: Vec<String> = slots.iter().filter(|slot| **slot != NO_SLOT).map(|slot| format!("w{slot}")).collect();
        if !used.is_empty() {
            let _ = writeln!(text, "    {name}: {}", used.join(", "));
        }
    }
    text
}

fn operation(op: &Op) -> String {
    let Op { a, b, offset, value, .. } = *op;
    let target = match op.target {
        ABORT => "abort".to_owned(),
        RECORD => "record it".to_owned(),
        ZERO => "0".to_owned(),
        target => target.to_string(),
    };
    let (text, can_fail) = match op.code {
        Code::END => ("end".to_owned(), false),
        Code::REGISTER => (format!("w{a} = {}", register(b)), false),
        Code::KEPT => (format!("w{a} = kept {b}"), false),
        Code::CONSTANT => (format!("w{a} = {value}"), false),
        Code::ADD => (format!("w{a} = w{b}{offset:+}"), false),
        Code::LOAD => {
            let sign = if value & 0x100 == 0 { "u" } else { "i" };
            (format!("w{a} = {sign}{} [w{b}{offset:+}]", (value & 0xff) * 8), true)
        }
        Code::CUT => {
            let sign = if value & 0x100 == 0 { "u" } else { "i" };
            (format!("w{a} = {sign}{} w{b}+{}", (value & 0xff) * 8, value >> 16 & 7), false)
        }
        Code::NOT_NIL => (format!("not nil w{b}"), true),
        Code::ITAB_IS => (format!("itab w{b} is of {value:#x}"), true),
        Code::TYPE_IS => (format!("type w{b} is {value:#x}"), true),
        Code::JUMP => return format!("jump {target}"),
        Code::BEGIN => (format!("begin #{a}"), false),
        Code::SKIP => (format!("#{a} failed"), false),
        Code::WORD => (format!("#{a} word w{b}"), false),
        Code::STRING => (format!("#{a} string [w{b}{offset:+}] limit {value}"), true),
        Code::STRING_WORDS => (format!("#{a} string w{b}, w{offset} limit {value}"), false),
        Code::BYTES => (format!("#{a} bytes [w{b}{offset:+}] length {value}"), false),
        Code::TYPE => (format!("#{a} type of {} w{b}", if value == 1 { "itab" } else { "type" }), value == 1),
        Code::MAP => (format!("map w{b} layout {value:#x}"), false),
        Code::MAP_KEY => {
            let of = if offset & 0x1_0000 == 0 { "" } else { ", first of slice" };
            (format!("#{a} key {}, {b} bytes, limit {}{of}", bytes(value), offset & 0xffff), false)
        }
        Code::KEY_MORE => (format!("   key {}", bytes(value)), false),
        Code::JOIN_ADDRESS => (format!("join address {} [w{b}{offset:+}]", end(a)), false),
        Code::JOIN_NUMBER => (format!("join number {} w{b}", end(a)), false),
        Code::FETCH => {
            let (first, words) = (value & 0xff, value >> 8 & 0xff);
            (format!("window {a}: v{first}..v{} = [w{b}{offset:+}]", first + words), false)
        }
        Code::PICK => {
            let sign = if value & 0x100 == 0 { "u" } else { "i" };
            (format!("w{a} = {sign}{} v{b}+{} of window {offset}", (value & 0xff) * 8, value >> 16 & 7), true)
        }
        Code::PICK_WORD => {
            let sign = if value & 0x100 == 0 { "u" } else { "i" };
            (format!("#{a} {sign}{} v{b}+{} of window {offset}", (value & 0xff) * 8, value >> 16 & 7), true)
        }
        Code::PICK_STRING => (format!("#{a} string v{b} of window {offset} limit {value}"), true),
        Code::PICK_ADDRESS => (format!("join address {} v{b} of window {offset}", end(a)), false),
        Code::BELOW => (format!("{value} below w{b}"), true),
        Code::COUNT => (format!("w{a} = count of map [w{b}{offset:+}]"), true),
        Code::SLICE => {
            let ElementLayout { size, key, value } = ElementLayout::unpack(value);
            (format!("slice w{b}, w{a} of {size} bytes, key +{key}, value +{value}"), false)
        }
        Code::FIND => (format!("#{a} element {}, {b} bytes, limit {}", bytes(value), offset & 0xffff), false),
        Code::IF_PUBLISHED => ("if published".to_owned(), true),
        Code(other) => (format!("unknown {other}"), true),
    };
    if can_fail { format!("{text:<44} else {target}") } else { text }
}

fn end(a: u8) -> &'static str {
    match a {
        0 => "local",
        1 => "remote",
        _ => "stream",
    }
}

fn bytes(value: u64) -> String {
    let bytes = value.to_le_bytes();
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    format!("{:?}", String::from_utf8_lossy(&bytes[..length]))
}

/// By amd64's names: capture programs are made for nothing else yet.
fn register(number: u8) -> String {
    let name = match number {
        amd64::AX => "ax",
        amd64::BX => "bx",
        amd64::CX => "cx",
        amd64::DX => "dx",
        amd64::SI => "si",
        amd64::DI => "di",
        amd64::BP => "bp",
        amd64::SP => "sp",
        other => return format!("r{other}"),
    };
    name.to_owned()
}
