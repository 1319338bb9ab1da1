//! The relocations that give position-independent data its pointers: which value stands at a place once the program is loaded at its
//! link-time address. Reads the table where it lies; what is asked of it is a few hundred places of up to a million.

use std::sync::OnceLock;

use object::LittleEndian;
use object::elf;
use object::read::elf::{Dyn, Rela, Sym};

use super::Architecture;
use super::image::Image;

const ENDIAN: LittleEndian = LittleEndian;
type Entry = elf::Rela64<LittleEndian>;
type Symbol = elf::Sym64<LittleEndian>;

/// How many entries are compared with what stands at their places, evenly spread.
const SAMPLES: usize = 32;

#[derive(Default)]
pub(super) struct Relocations<'d> {
    table: &'d [Entry],
    kinds: Kinds,
    /// Address of the dynamic symbols.
    symbols: Option<u64>,
    order: OnceLock<Order>,
}

/// The types that matter; each architecture has its own numbers.
#[derive(Clone, Copy, Default)]
struct Kinds {
    relative: u32,
    absolute: u32,
    global: u32,
}

/// How the table can be searched.
struct Order {
    /// Every value already stands at its place: Go's own linker writes them there too (seen from 1.18 to 1.27 on amd64).
    in_place: bool,
    /// So many entries at the beginning are relative and in the order of their places: GNU's linkers, LLVM's and mold sort them.
    sorted: usize,
    /// Places and values of all others, sorted.
    others: Vec<(u64, u64)>,
}

impl<'d> Relocations<'d> {
    /// From the dynamic section, which the program headers name: what a stripped file keeps. Those of `DT_RELR` need nothing: their
    /// addend stands at their place, and that is the link-time address.
    pub fn read(image: &Image<'d>) -> Self {
        Self::find(image).unwrap_or_default()
    }

    fn find(image: &Image<'d>) -> Option<Self> {
        let dynamic = image.dynamic()?;
        let value = |tag: elf::DynamicTag| {
            dynamic.iter().find(|entry| entry.d_tag(ENDIAN) == tag).map(|entry| entry.d_val(ENDIAN))
        };
        let bytes = image.bytes(value(elf::DT_RELA)?, value(elf::DT_RELASZ)?).ok()?;
        let (table, _) = object::slice_from_bytes(bytes, bytes.len() / size_of::<Entry>()).ok()?;
        let kinds = match image.architecture {
            Architecture::Amd64 => Kinds {
                relative: elf::R_X86_64_RELATIVE.0,
                absolute: elf::R_X86_64_64.0,
                global: elf::R_X86_64_GLOB_DAT.0,
            },
            Architecture::Arm64 => Kinds {
                relative: elf::R_AARCH64_RELATIVE.0,
                absolute: elf::R_AARCH64_ABS64.0,
                global: elf::R_AARCH64_GLOB_DAT.0,
            },
        };
        Some(Self { table, kinds, symbols: value(elf::DT_SYMTAB), order: OnceLock::new() })
    }

    /// The value that loading puts at an address; none if it leaves alone what the file has there.
    pub fn value(&self, image: &Image, address: u64) -> Option<u64> {
        if self.table.is_empty() {
            return None;
        }
        let order = self.order(image);
        if order.in_place {
            return None;
        }
        let sorted = self.table.get(..order.sorted).unwrap_or_default();
        match sorted.binary_search_by_key(&address, |entry| entry.r_offset(ENDIAN)) {
            Ok(found) => self.resolve(image, &sorted[found]),
            Err(_) => {
                let found = order.others.binary_search_by_key(&address, |&(place, _)| place).ok()?;
                Some(order.others[found].1)
            }
        }
    }

    /// The places to which loading writes this value.
    pub fn places_of<'a>(&'a self, image: &'a Image, value: u64) -> impl Iterator<Item = u64> + 'a {
        let entries = self.table.iter().filter(move |entry| self.resolve(image, entry) == Some(value));
        entries.map(|entry| entry.r_offset(ENDIAN))
    }

    fn order(&self, image: &Image) -> &Order {
        self.order.get_or_init(|| {
            if self.is_in_place(image) {
                return Order { in_place: true, sorted: 0, others: Vec::new() };
            }
            let relative = |entry: &Entry| entry.r_type(ENDIAN, false).0 == self.kinds.relative;
            let is_next = |pair: &[Entry]| relative(&pair[1]) && pair[0].r_offset(ENDIAN) <= pair[1].r_offset(ENDIAN);
            let sorted = match self.table.first().is_some_and(relative) {
                true => 1 + self.table.windows(2).take_while(|pair| is_next(pair)).count(),
                false => 0,
            };
            let others = self.table.get(sorted..).unwrap_or_default().iter();
            let places = others.filter_map(|entry| Some((entry.r_offset(ENDIAN), self.resolve(image, entry)?)));
            let mut others: Vec<_> = places.collect();
            others.sort();
            Order { in_place: false, sorted, others }
        })
    }

    fn is_in_place(&self, image: &Image) -> bool {
        let step = (self.table.len() / SAMPLES).max(1);
        // Symbols of other files are no pointers to what is in this one.
        let known = self.table.iter().step_by(step).filter_map(|entry| Some((entry, self.resolve(image, entry)?)));
        let mut same = known.map(|(entry, value)| image.u64(entry.r_offset(ENDIAN)) == Ok(value)).peekable();
        same.peek().is_some() && same.all(|same| same)
    }

    fn resolve(&self, image: &Image, entry: &Entry) -> Option<u64> {
        let addend = entry.r_addend(ENDIAN).cast_unsigned();
        match entry.r_type(ENDIAN, false).0 {
            kind if kind == self.kinds.relative => Some(addend),
            // Shared objects name their own types by symbols, so that another file's may stand in for them; here they do not.
            kind if kind == self.kinds.absolute || kind == self.kinds.global => {
                let index = u64::from(entry.r_sym(ENDIAN, false)) * size_of::<Symbol>() as u64;
                let bytes = image.bytes(self.symbols?.checked_add(index)?, size_of::<Symbol>() as u64).ok()?;
                let (symbol, _) = object::from_bytes::<Symbol>(bytes).ok()?;
                let defined = symbol.st_shndx(ENDIAN) != elf::SHN_UNDEF;
                defined.then(|| symbol.st_value(ENDIAN).wrapping_add(addend))
            }
            _ => None,
        }
    }
}
