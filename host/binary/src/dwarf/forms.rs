//! How long entries are, worked out once for each abbreviation, so that those of no interest are stepped over quickly.

use std::collections::HashMap;
use std::sync::Arc;

use gimli::{DebugAbbrevOffset, LittleEndian, constants as dw};
use object::read::elf::ElfFile64;

use super::members::constant;
use super::sections::section;
use super::tables::Budget;
use super::{GO_KIND, Slice};
use crate::Error;

/// Go's linker has one table for all units; C's compilers one for each.
const MAX_PLANS: usize = 4096;
/// Of an entry; some take no bytes, and Go's entries have far fewer.
const MAX_ATTRIBUTES: usize = 64;
/// Codes that are looked up without a search.
const MAX_CODE: u64 = 1 << 16;

/// For each table of abbreviations by its offset and what the units that use it count in.
pub(super) struct Plans<'d> {
    abbreviations: std::borrow::Cow<'d, [u8]>,
    plans: HashMap<(usize, gimli::Encoding), Arc<Plan>>,
    budget: Budget,
}

/// How entries are written, by code.
pub(super) struct Plan(Vec<Option<Steps>>);

pub(super) struct Steps {
    pub tag: gimli::DwTag,
    pub has_children: bool,
    steps: Vec<Step>,
    attributes: Vec<(gimli::DwAt, gimli::DwForm, i64)>,
    format: gimli::Format,
    address_size: u8,
}

/// An entry whose code was read.
pub(super) struct Entry<'a> {
    steps: &'a Steps,
    code_length: usize,
}

/// What is asked of an entry.
#[derive(Default)]
pub(super) struct Attributes<'a> {
    pub name: Option<&'a [u8]>,
    pub size: Option<u64>,
    pub offset: Option<u64>,
    pub language: Option<u64>,
    pub go_kind: Option<u64>,
}

#[derive(Clone, Copy)]
enum Step {
    Bytes(usize),
    /// Up to a zero byte.
    Text,
    Leb,
    /// After its length in so many bytes.
    Block(usize),
    LebBlock,
}

impl<'d> Plans<'d> {
    pub fn read(file: &ElfFile64<'d, object::LittleEndian>) -> Result<Self, Error> {
        let abbreviations = section(file, ".debug_abbrev")?;
        let budget = Budget::of(&abbreviations);
        Ok(Self { abbreviations, plans: HashMap::new(), budget })
    }

    pub fn plan(&mut self, offset: usize, encoding: gimli::Encoding) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = self.plans.get(&(offset, encoding)) {
            return Ok(plan.clone());
        }
        if self.budget.take(&self.abbreviations, offset)? || self.plans.len() == MAX_PLANS {
            self.plans.clear();
        }
        let section = gimli::DebugAbbrev::new(&self.abbreviations, LittleEndian);
        let failed = |error| Error::Corrupt(format!("the table at {offset:#x} of its .debug_abbrev: {error}"));
        let table = section.abbreviations(DebugAbbrevOffset(offset)).map_err(failed)?;
        let mut plan = Vec::new();
        // Codes are given in order, without gaps, by every compiler there is.
        for code in 1..MAX_CODE {
            let Some(abbreviation) = table.get(code) else { break };
            plan.push(Steps::new(abbreviation, encoding));
        }
        let plan = Arc::new(Plan(plan));
        self.plans.insert((offset, encoding), plan.clone());
        Ok(plan)
    }
}

impl Plan {
    /// None if the code is of no entry that could be stepped over.
    #[inline]
    pub fn entry(&self, bytes: &[u8]) -> Option<Entry<'_>> {
        let (code, code_length) = leb(bytes)?;
        let steps = self.0.get(usize::try_from(code.checked_sub(1)?).ok()?)?.as_ref()?;
        Some(Entry { steps, code_length })
    }
}

impl std::ops::Deref for Entry<'_> {
    type Target = Steps;

    fn deref(&self) -> &Steps {
        self.steps
    }
}

impl Entry<'_> {
    /// With its code; none if it goes beyond these bytes.
    #[inline]
    pub fn length(&self, bytes: &[u8]) -> Option<usize> {
        let mut at = self.code_length;
        for &step in &self.steps.steps {
            at = step.pass(bytes, at)?;
        }
        (at <= bytes.len()).then_some(at)
    }

    pub fn read<'a>(&self, bytes: &'a [u8]) -> Option<Attributes<'a>> {
        let mut attributes = Attributes::default();
        let mut at = self.code_length;
        for &(name, form, implicit) in &self.steps.attributes {
            let step = step(form, self.steps.format, self.steps.address_size)?;
            let next = step.pass(bytes, at)?;
            let value = bytes.get(at..next)?;
            at = next;
            match name {
                dw::DW_AT_name if form == dw::DW_FORM_string => {
                    attributes.name = value.split_last().map(|(_, name)| name)
                }
                dw::DW_AT_byte_size => attributes.size = number(form, value, implicit),
                dw::DW_AT_data_member_location => attributes.offset = number(form, value, implicit),
                GO_KIND => attributes.go_kind = number(form, value, implicit),
                dw::DW_AT_language => attributes.language = number(form, value, implicit),
                _ => {}
            }
        }
        Some(attributes)
    }
}

impl Steps {
    /// None if the entry has a form that is not known here, or more attributes than any of Go's.
    fn new(abbreviation: &gimli::Abbreviation, encoding: gimli::Encoding) -> Option<Self> {
        if abbreviation.attributes().len() > MAX_ATTRIBUTES {
            return None;
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut attributes = Vec::new();
        for attribute in abbreviation.attributes() {
            let next = step(attribute.form(), encoding.format, encoding.address_size)?;
            attributes.push((attribute.name(), attribute.form(), attribute.implicit_const_value().unwrap_or(0)));
            match (steps.last_mut(), next) {
                (Some(Step::Bytes(before)), Step::Bytes(count)) => *before += count,
                _ => steps.push(next),
            }
        }
        let (tag, has_children) = (abbreviation.tag(), abbreviation.has_children());
        Some(Self {
            tag,
            has_children,
            steps,
            attributes,
            format: encoding.format,
            address_size: encoding.address_size,
        })
    }
}

impl Step {
    #[inline]
    fn pass(self, bytes: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Bytes(count) => at.checked_add(count),
            Self::Text => Some(at + memchr::memchr(0, bytes.get(at..)?)? + 1),
            // Signed or not; DWARF may pad them.
            Self::Leb => Some(at + bytes.get(at..)?.iter().position(|&byte| byte < 0x80)? + 1),
            Self::LebBlock => {
                let (length, taken) = leb(bytes.get(at..)?)?;
                (at + taken).checked_add(usize::try_from(length).ok()?)
            }
            Self::Block(width) => {
                let length = little(bytes.get(at..at.checked_add(width)?)?);
                (at + width).checked_add(usize::try_from(length).ok()?)
            }
        }
    }
}

fn step(form: gimli::DwForm, format: gimli::Format, address_size: u8) -> Option<Step> {
    let word = usize::from(format.word_size());
    Some(match form {
        dw::DW_FORM_string => Step::Text,
        dw::DW_FORM_implicit_const | dw::DW_FORM_flag_present => Step::Bytes(0),
        dw::DW_FORM_addr => Step::Bytes(address_size.into()),
        dw::DW_FORM_data1 | dw::DW_FORM_flag | dw::DW_FORM_ref1 | dw::DW_FORM_strx1 | dw::DW_FORM_addrx1 => {
            Step::Bytes(1)
        }
        dw::DW_FORM_data2 | dw::DW_FORM_ref2 | dw::DW_FORM_strx2 | dw::DW_FORM_addrx2 => Step::Bytes(2),
        dw::DW_FORM_strx3 | dw::DW_FORM_addrx3 => Step::Bytes(3),
        dw::DW_FORM_data4 | dw::DW_FORM_ref4 | dw::DW_FORM_strx4 | dw::DW_FORM_addrx4 | dw::DW_FORM_ref_sup4 => {
            Step::Bytes(4)
        }
        dw::DW_FORM_data8 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_sig8 | dw::DW_FORM_ref_sup8 => Step::Bytes(8),
        dw::DW_FORM_data16 => Step::Bytes(16),
        dw::DW_FORM_strp | dw::DW_FORM_line_strp | dw::DW_FORM_sec_offset | dw::DW_FORM_strp_sup => Step::Bytes(word),
        // As wide as an address before DWARF 3, which Go never wrote.
        dw::DW_FORM_ref_addr | dw::DW_FORM_GNU_ref_alt | dw::DW_FORM_GNU_strp_alt => Step::Bytes(word),
        dw::DW_FORM_sdata | dw::DW_FORM_udata | dw::DW_FORM_ref_udata | dw::DW_FORM_strx | dw::DW_FORM_addrx => {
            Step::Leb
        }
        dw::DW_FORM_loclistx | dw::DW_FORM_rnglistx => Step::Leb,
        dw::DW_FORM_block1 => Step::Block(1),
        dw::DW_FORM_block2 => Step::Block(2),
        dw::DW_FORM_block4 => Step::Block(4),
        dw::DW_FORM_block | dw::DW_FORM_exprloc => Step::LebBlock,
        _ => return None,
    })
}

fn number(form: gimli::DwForm, value: &[u8], implicit: i64) -> Option<u64> {
    match form {
        dw::DW_FORM_data1 | dw::DW_FORM_data2 | dw::DW_FORM_data4 | dw::DW_FORM_data8 => Some(little(value)),
        dw::DW_FORM_udata => leb(value).map(|(value, _)| value),
        dw::DW_FORM_implicit_const => u64::try_from(implicit).ok(),
        dw::DW_FORM_block1 => constant(value.get(1..)?),
        dw::DW_FORM_exprloc | dw::DW_FORM_block => constant(value.get(leb(value)?.1..)?),
        _ => None,
    }
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// A number in groups of seven bits, and how many bytes it took.
#[inline]
fn leb(bytes: &[u8]) -> Option<(u64, usize)> {
    match bytes.first()? {
        &byte if byte < 0x80 => Some((byte.into(), 1)),
        _ => {
            let mut rest = Slice::new(bytes, LittleEndian);
            let value = gimli::Reader::read_uleb128(&mut rest).ok()?;
            Some((value, bytes.len() - rest.len()))
        }
    }
}
