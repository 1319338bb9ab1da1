//! Functions by name and by address: from Go's table of functions and from symbol tables. In a Go program its own table comes first,
//! because it tells a function from the wrapper of the same name; symbols add what Go did not compile. An index of hashes is made
//! when a name is first asked for.

mod index;
mod lookup;
pub(super) mod names;
pub(super) mod pclntab;
mod symbols;
mod text;

use std::sync::OnceLock;

pub use lookup::NotFound;
pub(super) use text::{code, fips_text, is_fips};

use object::LittleEndian;
use object::read::elf::ElfFile64;

use super::image::Image;
use super::{Convention, Function, Role};
use index::Index;
use pclntab::{Pclntab, Written};
use symbols::{Symbol, Symbols};

const MAX_FUNCTIONS: u32 = 16_000_000;
/// Candidates for one name.
const MAX_SAME: usize = 10_000;
/// Of them, those that are asked what one of them is; there are two at most of Go's, one for each ABI.
const MAX_TWINS: usize = 64;
/// Of them, those whose code is looked at.
const MAX_CALLERS: usize = 4;
/// Names may be so much longer together than the files they are in, as several symbols share one name: in files of linkers, they are
/// shorter.
const MAX_TEXT_TIMES: usize = 4;
const MIN_TEXT: usize = 64 << 20;
/// From here on Go's table has the type arguments of generic functions.
const NAMES_ARGUMENTS: u32 = 21;

pub(super) struct Functions<'d> {
    is_go: bool,
    pclntab: Option<Pclntab<'d>>,
    /// Of the program, then of its debug file.
    symbols: Vec<Symbols<'d>>,
    /// Bytes of all names that are read.
    max_text: usize,
    by_name: OnceLock<ByName>,
    by_address: OnceLock<Vec<(u64, u32)>>,
}

struct ByName {
    index: Index,
    /// So many functions have a name that is read.
    count: u32,
}

type File<'d> = ElfFile64<'d, LittleEndian>;

/// Numbers are those of Go's table, then those of each table of symbols.
enum Place<'a, 'd> {
    Go(&'a Pclntab<'d>, u32),
    Symbol(&'a Symbols<'d>, u32),
}

impl<'d> Functions<'d> {
    /// Symbols are the program's, then those of its debug file.
    pub fn new(image: &Image<'d>, is_go: bool, pclntab: Option<Pclntab<'d>>, debug: Option<&File<'d>>) -> Self {
        let bytes = image.data.len().saturating_add(debug.map_or(0, |file| file.data().len()));
        let max_text = bytes.saturating_mul(MAX_TEXT_TIMES).max(MIN_TEXT);
        let mut symbols = Vec::new();
        if let Some(file) = image.file() {
            symbols.extend(Symbols::full(&file));
            symbols.extend(Symbols::dynamic(&file, image.data));
        }
        symbols.extend(debug.and_then(Symbols::full));
        Self { is_go, pclntab, symbols, max_text, by_name: OnceLock::new(), by_address: OnceLock::new() }
    }

    /// Those whose names are read: all of them, in a file that a linker made.
    pub fn len(&self) -> u32 {
        self.by_name().count
    }

    /// The link-time address of the first function whose name is not read, because those before it have more text than there can be.
    pub fn unread(&self) -> Option<u64> {
        self.address(Some(self.len()).filter(|&count| count < self.all())?)
    }

    pub fn address(&self, number: u32) -> Option<u64> {
        match self.place(number)? {
            Place::Go(pclntab, index) => pclntab.place(index).map(|(address, _)| address),
            Place::Symbol(symbols, index) => symbols.address(index),
        }
    }

    fn all(&self) -> u32 {
        let symbols: usize = self.symbols.iter().map(Symbols::len).sum();
        let len = symbols.saturating_add(self.pclntab.as_ref().map_or(0, |pclntab| pclntab.count as usize));
        u32::try_from(len).map_or(MAX_FUNCTIONS, |len| len.min(MAX_FUNCTIONS))
    }

    pub fn pclntab(&self) -> Option<&Pclntab<'d>> {
        self.pclntab.as_ref()
    }

    pub fn get(&self, image: &Image<'d>, number: u32) -> Option<Function> {
        match self.place(number)? {
            Place::Go(pclntab, index) => self.go_function(pclntab, index),
            Place::Symbol(symbols, index) => {
                let _listed = self.plain_name(number)?;
                let symbol = symbols.get(index)?;
                (!self.is_listed_before(&symbol, number)).then(|| self.native_function(image, &symbol)).flatten()
            }
        }
    }

    /// All functions that go by this name, wrappers included.
    pub fn same(&self, asked: &[u8]) -> Vec<u32> {
        let plain = if self.is_go { names::without_abi(asked).0 } else { asked };
        let numbers = self.index().of(names::hash(plain));
        let meant = |&number: &u32| self.plain_name(number).is_some_and(|name| names::is_meant(plain, name));
        let mut found: Vec<_> = numbers.filter(meant).take(MAX_SAME).collect();
        if found.is_empty() && !plain.ends_with(names::ANY) && names::arguments(plain).is_some() {
            found = self.same_by_symbol(plain);
        }
        found.sort_unstable();
        found
    }

    /// The function that has this address in it.
    pub fn containing(&self, image: &Image<'d>, address: u64) -> Option<Function> {
        let is_in = |function: &Function| {
            address.checked_sub(function.address).is_some_and(|offset| offset < function.size.max(1))
        };
        let in_go = self.pclntab.as_ref().and_then(|pclntab| self.go_function(pclntab, pclntab.before(address)?));
        if let Some(function) = in_go.filter(is_in) {
            return Some(function);
        }
        let sorted = self.sorted();
        let end = sorted.partition_point(|&(start, _)| start <= address);
        let start = sorted[..end].last()?.0;
        // Several names may have one address; the first of them that reaches so far.
        let same = sorted[sorted[..end].partition_point(|&(other, _)| other < start)..end].iter();
        same.filter_map(|&(_, number)| self.get(image, number)).find(is_in)
    }

    /// Where the first function behind this address begins.
    pub fn next_address(&self, address: u64) -> Option<u64> {
        let sorted = self.sorted();
        let symbol = sorted.get(sorted.partition_point(|&(start, _)| start <= address)).map(|&(start, _)| start);
        let in_go = self.pclntab.as_ref().and_then(|pclntab| {
            let index = pclntab.before(address).map_or(0, |index| index + 1);
            pclntab.place(index).filter(|_| index <= pclntab.count).map(|(start, _)| start)
        });
        symbol.into_iter().chain(in_go.filter(|&start| start > address)).min()
    }

    /// Every symbol's name as the linker knows it, for those who read more out of it.
    pub fn symbol_names(&self) -> impl Iterator<Item = (u32, &'d [u8])> {
        let first = self.pclntab.as_ref().map_or(0, |pclntab| pclntab.count);
        (first..self.len()).filter_map(|number| Some((number, self.plain_name(number)?)))
    }

    fn place(&self, number: u32) -> Option<Place<'_, 'd>> {
        let mut rest = number;
        if let Some(pclntab) = &self.pclntab {
            match rest.checked_sub(pclntab.count) {
                None => return Some(Place::Go(pclntab, rest)),
                Some(more) => rest = more,
            }
        }
        for symbols in &self.symbols {
            match (rest as usize).checked_sub(symbols.len()) {
                None => return Some(Place::Symbol(symbols, rest)),
                Some(more) => rest = u32::try_from(more).ok()?,
            }
        }
        None
    }

    /// None for a symbol that Go's table has.
    fn plain_name(&self, number: u32) -> Option<&'d [u8]> {
        match self.place(number)? {
            Place::Go(pclntab, index) => pclntab.name(index),
            Place::Symbol(symbols, index) => {
                // With its end, where the linker puts a mark (`runtime.etext`).
                let in_go = |address| self.pclntab.as_ref().is_some_and(|it| (it.text..=it.end()).contains(&address));
                let _outside = symbols.address(index).filter(|&address| !in_go(address))?;
                let name = symbols.get(index)?.name;
                Some(if self.is_go { names::without_abi(name).0 } else { name })
            }
        }
    }

    fn index(&self) -> &Index {
        &self.by_name().index
    }

    fn by_name(&self) -> &ByName {
        self.by_name.get_or_init(|| {
            let all = self.all();
            let (mut left, mut count) = (self.max_text, 0);
            let affordable = (0..all).map_while(|number| {
                left = left.checked_sub(self.cost(number))?;
                count = number + 1;
                Some(number)
            });
            let hashed = |number| Some((names::hash(self.plain_name(number)?), number));
            let index = Index::new(all, affordable.filter_map(hashed));
            ByName { index, count }
        })
    }

    /// Bytes that are read to get a function's name.
    fn cost(&self, number: u32) -> usize {
        match self.place(number) {
            Some(Place::Go(pclntab, index)) => pclntab.name(index).map_or(pclntab::MAX_NAME, <[u8]>::len),
            Some(Place::Symbol(symbols, index)) => symbols.cost(index),
            None => 0,
        }
    }

    /// Symbols by address, those that Go's table has too.
    fn sorted(&self) -> &[(u64, u32)] {
        self.by_address.get_or_init(|| {
            let first = self.pclntab.as_ref().map_or(0, |pclntab| pclntab.count);
            let address = |number| match self.place(number)? {
                Place::Symbol(symbols, index) => Some((symbols.address(index)?, number)),
                Place::Go(..) => None,
            };
            let mut sorted: Vec<_> = (first..self.all()).filter_map(address).collect();
            sorted.sort_unstable();
            sorted
        })
    }

    /// A function of Go's table up to 1.20, which leaves type arguments out, by the name that its symbol has.
    fn same_by_symbol(&self, asked: &[u8]) -> Vec<u32> {
        let Some(pclntab) = self.pclntab.as_ref().filter(|pclntab| pclntab.minor < NAMES_ARGUMENTS) else {
            return Vec::new();
        };
        let numbers = self.index().of(names::hash(asked)).filter(|&number| number < pclntab.count);
        let full = |&number: &u32| {
            let (address, _) = pclntab.place(number)?;
            self.symbol_at(address).map(|symbol| names::is_meant(asked, names::without_abi(symbol.name).0))
        };
        numbers.filter(|number| full(number).unwrap_or(false)).take(MAX_SAME).collect()
    }

    fn symbol_at(&self, address: u64) -> Option<Symbol<'d>> {
        let sorted = self.sorted();
        let same = sorted[sorted.partition_point(|&(start, _)| start < address)..].iter();
        same.take_while(|&&(start, _)| start == address).find_map(|&(_, number)| match self.place(number)? {
            Place::Symbol(symbols, index) => symbols.get(index),
            Place::Go(..) => None,
        })
    }

    /// A name and an address that an earlier table has too.
    fn is_listed_before(&self, symbol: &Symbol, number: u32) -> bool {
        if self.symbols.len() < 2 {
            return false;
        }
        let same = self.index().of(names::hash(symbol.name)).take(MAX_TWINS);
        same.filter(|&other| other < number).any(|other| match self.place(other) {
            Some(Place::Symbol(symbols, index)) => {
                let is_there = symbols.address(index) == Some(symbol.address);
                is_there && symbols.get(index).is_some_and(|it| it.name == symbol.name)
            }
            _ => false,
        })
    }

    fn go_function(&self, pclntab: &Pclntab<'d>, index: u32) -> Option<Function> {
        let (address, size) = pclntab.place(index)?;
        let (name, written) = (pclntab.name(index)?, pclntab.written(index)?);
        if size == 0 && written == Written::Otherwise {
            // A mark between others (`go:textfipsstart`).
            return None;
        }
        let lacks_arguments = pclntab.minor < NAMES_ARGUMENTS && memchr::memmem::find(name, names::ANY).is_some();
        // One of the two is the other's wrapper for the other ABI.
        let twin = || {
            let others = self.index().of(names::hash(name)).take(MAX_TWINS);
            let others = others.filter(|&other| other != index && other < pclntab.count);
            others.filter(|&other| pclntab.name(other) == Some(name)).find_map(|other| pclntab.written(other))
        };
        let (convention, role) = match written {
            Written::InGo => (Convention::Go, Role::Body),
            Written::AsWrapper if !lacks_arguments && twin() == Some(Written::InGo) => {
                (Convention::GoStack, Role::Wrapper)
            }
            Written::AsWrapper => (Convention::Go, Role::Wrapper),
            Written::InAssembly if twin().is_none() && text::may_use_registers(name) => (Convention::Go, Role::Body),
            Written::InAssembly => (Convention::GoStack, Role::Body),
            Written::Otherwise => (Convention::Native, Role::Body),
        };
        let full = lacks_arguments.then(|| self.symbol_at(address)).flatten();
        let name = full.map_or(name, |symbol| names::without_abi(symbol.name).0);
        // Symbols have plain dots for the middle ones of `type:.eq.runtime.untracedG·7`.
        let name = std::str::from_utf8(name).ok()?.replace('\u{b7}', ".");
        Some(Function { name, address, size, convention, role })
    }

    fn native_function(&self, image: &Image<'d>, symbol: &Symbol) -> Option<Function> {
        let Symbol { address, size, .. } = *symbol;
        let (convention, role) = match () {
            () if symbol.is_resolver => (Convention::Native, Role::Resolver),
            () if self.is_go && self.pclntab.is_none() => self.by_mark(image, symbol),
            () => (Convention::Native, Role::Body),
        };
        let name = if self.is_go { names::without_abi(symbol.name).0 } else { symbol.name };
        Some(Function { name: std::str::from_utf8(name).ok()?.to_owned(), address, size, convention, role })
    }

    /// What symbols alone tell of a Go function: of two ABIs' it is the wrapper that calls the other one.
    fn by_mark(&self, image: &Image<'d>, symbol: &Symbol) -> (Convention, Role) {
        let (plain, is_stack) = names::without_abi(symbol.name);
        let is_qualified = memchr::memchr2(b'.', b'/', plain).is_some();
        let convention = match () {
            () if is_stack => Convention::GoStack,
            () if is_qualified => Convention::Go,
            () => Convention::Native,
        };
        let others =
            self.index().of(names::hash(plain)).take(MAX_TWINS).filter_map(|other| match self.place(other)? {
                Place::Symbol(symbols, index) => symbols.get(index),
                Place::Go(..) => None,
            });
        let twins = others.filter(|it| names::without_abi(it.name).0 == plain && it.address != symbol.address);
        let is_wrapper =
            twins.take(MAX_CALLERS).any(|twin| text::calls(image, symbol.address, symbol.size, twin.address));
        let is_made = plain.ends_with(b"-fm") || plain.starts_with(b"type:.") || plain.starts_with(b"type..");
        (convention, if is_wrapper || is_made { Role::Wrapper } else { Role::Body })
    }
}
