//! `runtime.firstmoduledata`, as the releases lay it out, around a table of functions and types.

use crate::Input;
use crate::targets::{INDEPENDENT, MODULE, MODULE_NAMED, PACKED, PCLNTAB, TEXT, TYPES, UNNAMED};

/// Which part of an input is what.
pub const PCLNTAB_PART: usize = 1;
pub const TYPES_PART: usize = 2;
pub const MODULE_PART: usize = 3;

/// Moduledata's words up to what comes with types.
const WORDS: usize = 64;

/// Where things are in the parts.
pub struct Contents {
    pub minor: u8,
    pub text: Vec<u8>,
    pub pclntab: Vec<u8>,
    /// Offsets in pclntab of the names and of the table of functions, and how many functions there are.
    pub names: u64,
    pub table: u64,
    pub functions: u64,
    pub types: Vec<u8>,
    /// Bytes of descriptors at the beginning of the types; from Go 1.27 on nothing may lie between them.
    pub descriptors: u64,
    /// Offsets in the types of the list of types, of the list of itabs, of the itabs, and how many there are of each.
    pub links: (u64, u64),
    pub itab_links: (u64, u64),
    pub itabs: (u64, u64),
    /// Offset in pclntab of what functions' records refer to.
    pub function_data: u64,
}

impl Contents {
    pub fn input(&self) -> Input {
        let choices = [self.minor - 18, if self.minor >= 26 { MODULE_NAMED } else { 0 }];
        let module = self.module();
        let parts = vec![self.text.clone(), self.pclntab.clone(), self.types.clone(), module, Vec::new()];
        Input { choices, parts }
    }

    /// The same as a position-independent executable: the pointers in moduledata are zero until they are relocated.
    pub fn independent(&self) -> Input {
        let mut input = self.input();
        input.choices[1] |= INDEPENDENT;
        let module = &mut input.parts[MODULE_PART];
        let mut relocations = Vec::new();
        for (index, word) in module.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let value = u64::from_le_bytes(*word);
            if (TEXT..0x100_0000).contains(&value) {
                relocations.extend([MODULE + index as u64 * 8, 8, value].map(u64::to_le_bytes).concat());
                *word = [0; 8];
            }
        }
        input.parts[4] = relocations;
        input
    }

    /// As an external linker packs the relocations: an address, then bits for the words behind it.
    pub fn packed(&self) -> Input {
        let mut input = self.input();
        input.choices[1] |= INDEPENDENT | PACKED;
        input.parts[4] = [MODULE, 0xffff_ffff_ffff_ffff, 0xf].map(u64::to_le_bytes).concat();
        input
    }

    pub fn unnamed(&self) -> Input {
        let mut input = self.input();
        input.choices[1] |= UNNAMED;
        input
    }

    fn module(&self) -> Vec<u8> {
        let mut words = [0u64; WORDS];
        let slice = |words: &mut [u64; WORDS], at: usize, address: u64, count: u64| {
            words[at..at + 3].copy_from_slice(&[address, count, count]);
        };
        let table = PCLNTAB + self.table;
        let text_end = TEXT + self.text.len() as u64;
        words[0] = PCLNTAB;
        slice(&mut words, 1, PCLNTAB + self.names, self.table - self.names);
        for at in [4, 7, 10] {
            slice(&mut words, at, table, 0);
        }
        slice(&mut words, 13, table, self.pclntab.len() as u64 - self.table);
        slice(&mut words, 16, table, self.functions + 1);
        words[19..24].copy_from_slice(&[PCLNTAB, TEXT, text_end, TEXT, text_end]);
        for word in &mut words[24..36] {
            *word = MODULE;
        }
        let at = if self.minor >= 20 { 37 } else { 35 };
        let types_end = TYPES + self.types.len() as u64;
        let function_data = PCLNTAB + self.function_data;
        if self.minor >= 27 {
            let (itabs, itab_bytes) = self.itabs;
            words[at..at + 7].copy_from_slice(&[
                TYPES,
                self.descriptors,
                types_end,
                itabs,
                itab_bytes,
                TYPES,
                function_data,
            ]);
            slice(&mut words, at + 7, MODULE + 62 * 8, 1);
        } else {
            words[at..at + 4].copy_from_slice(&[TYPES, types_end, TYPES, function_data]);
            slice(&mut words, at + 4, MODULE, 1);
            slice(&mut words, at + 7, TYPES + self.links.0, self.links.1);
            slice(&mut words, at + 10, TYPES + self.itab_links.0, self.itab_links.1);
        }
        words.map(u64::to_le_bytes).concat()
    }
}
