//! Build info: as Go 1.18 and later write it, as Go before did, and what pretends to be it.

use super::{Seed, truncated};
use crate::Input;

const MODULES: &str = "path\texample.com/a/cmd\nmod\texample.com/a\t(devel)\t\ndep\texample.com/b\tv1.2.0\th1:x=\n\
                       dep\texample.com/c\tv0.0.0-20240101000000-0123456789ab\n=>\texample.com/d\tv2.0.0\th1:y=\n\
                       build\t-compiler=gc\n";
const SENTINEL: &[u8; 16] = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const SECTION: [u8; 2] = [0, 0];
const SEARCHED: [u8; 2] = [1, 0];

/// The version and the modules behind the header.
pub fn blob(version: &str, modules: &str) -> Vec<u8> {
    let modules = [SENTINEL, modules.as_bytes(), SENTINEL].concat();
    [header(2), string(version.as_bytes()), string(&modules)].concat()
}

pub fn all() -> Vec<Seed> {
    let input = |choices, blob: Vec<u8>| Input { choices, parts: vec![blob] };
    let sound = |binary: &uprobed_binary::Binary| {
        binary.go().is_some_and(|go| go.version == "go1.26.8" && go.modules.len() == 3 && go.main.is_some())
    };
    let whole = blob("go1.26.8", MODULES);
    let later = [vec![0; 4096], whole.clone()].concat();
    let endless = [header(2), vec![0xff; 16]].concat();
    let overlong =
        [header(2), vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], b"go1.26.8".to_vec()].concat();
    let itself = [header(2), string(b"go1.26.8"), vec![0x80; 40]].concat();
    let many = (0..4000).map(|_| "=>\t\n").collect::<String>();
    let mut seeds = vec![
        Seed::sound("sound-section", input(SECTION, whole.clone()), sound),
        Seed::sound("sound-searched", input(SEARCHED, later), sound),
        Seed::broken(
            "pointers",
            input(SECTION, [header(0), [0x90_0000u64; 4].map(u64::to_le_bytes).concat()].concat()),
        ),
        Seed::broken("endless-length", input(SECTION, endless)),
        Seed::broken("length-beyond-the-file", input(SECTION, overlong)),
        Seed::broken("modules-without-an-end", input(SECTION, itself)),
        Seed::broken("replacements-of-nothing", input(SECTION, blob("go1.26.8", &many))),
        Seed::broken("headers-one-after-another", input(SEARCHED, header(2).repeat(64))),
        Seed::broken("not-text", input(SECTION, blob("go1.\u{fffd}", "dep\t\0\t\t\t\r\n\n\tmod"))),
    ];
    seeds.extend(["devel go1.28-0123456789 Sat", "go1.27rc1", "go1.99999999999", "go1.", ""].map(|version| {
        Seed::broken(format!("version-{}", version.replace(' ', "-")), input(SECTION, blob(version, MODULES)))
    }));
    seeds.extend(truncated("section", &input(SECTION, whole)));
    seeds
}

fn header(flags: u8) -> Vec<u8> {
    let mut header = b"\xff Go buildinf:\x08".to_vec();
    header.push(flags);
    header.resize(32, 0);
    header
}

fn string(text: &[u8]) -> Vec<u8> {
    [varint(text.len() as u64), text.to_vec()].concat()
}

/// In groups of seven bits, the lowest first.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
