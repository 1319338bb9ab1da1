//! What is said of an executable: functions, types, fields, and why something cannot be said.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Amd64,
    Arm64,
}

/// What the Go linker wrote about the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoInfo {
    /// `go1.26.8`
    pub version: String,
    /// The main package's path.
    pub main: Option<String>,
    pub modules: Vec<Module>,
    /// What it was built with: `-buildmode`, `-race`, `-pgo`, `CGO_ENABLED`, `GOARCH`, `vcs.revision`; what is as usual is not there.
    pub settings: Vec<(String, String)>,
}

impl GoInfo {
    /// The second number of the version, also of `devel go1.28-…`; none if it is in none of the known forms.
    pub fn minor(&self) -> Option<u32> {
        crate::moduledata::minor(&self.version)
    }
}

/// A module that was linked in; a replaced one has the name that imports use and the version that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub path: String,
    /// Empty or `(devel)` if it has none, as a directory has not.
    pub version: String,
    /// The module or directory that it was taken from instead.
    pub replaced_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// Link-time address.
    pub address: u64,
    pub size: u64,
    pub convention: Convention,
    pub role: Role,
}

/// What a function is to those who call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It does the work itself.
    Body,
    /// Made by the compiler to call another one: for the other ABI, as a method of a pointer or of what embeds it, as a value.
    Wrapper,
    /// It chooses, when the program starts, the function that does the work (an IFUNC).
    Resolver,
}

/// Where a function's callers put its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// Go's register ABI (ABIInternal).
    Go,
    /// Go's stack ABI (ABI0): assembly, and what wraps it.
    GoStack,
    /// The platform's: System V on amd64, AAPCS64 on arm64.
    Native,
}

/// Where a type was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Go runtime's own type descriptors.
    Descriptor,
    Dwarf,
}

/// What a type is, below its name. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int {
        size: u8,
        signed: bool,
    },
    Float {
        size: u8,
    },
    Complex {
        size: u8,
    },
    String,
    Slice,
    Array {
        len: u64,
    },
    Map,
    Pointer,
    Interface {
        empty: bool,
    },
    Struct,
    /// Its fields are in one place, each in the whole of it.
    Union,
    /// Several structs in one place, of which there is one at a time, as the first field says: Rust's enums. Where that field is not
    /// asked, there is no telling whether the others are there.
    Variants,
    /// A bit field: an integer of `size` bits, beginning `offset` bits above the lowest of the byte that its field is at.
    Bits {
        offset: u8,
        size: u8,
        signed: bool,
    },
    Func,
    Chan,
    UnsafePointer,
}

/// Names a type within its binary without having read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeRef {
    /// Link-time address of a descriptor.
    Descriptor(u64),
    /// Offset in `.debug_info`.
    Dwarf(u64),
}

/// A type; what it is made of is asked of its binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// With full package paths: `*example.com/shop/cart.Item`, `map[string][]string`.
    pub name: String,
    pub kind: Kind,
    /// In bytes.
    pub size: u64,
    /// The descriptor's link-time address; none from DWARF.
    pub address: Option<u64>,
    pub source: Source,
    pub reference: TypeRef,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// In bytes from the beginning of its struct.
    pub offset: u64,
    pub embedded: bool,
    pub ty: TypeRef,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not an ELF file")]
    NotElf,
    #[error("an ELF file {0}")]
    Unsupported(String),
    #[error("a truncated or corrupt ELF file: {0}")]
    Corrupt(String),
    /// A type that is there, but that no reader could use.
    #[error("not a type to read: {0}")]
    Refused(String),
    /// A debug file of something else.
    #[error("not the debug file of this binary: {0}")]
    Mismatch(String),
    /// Not there, or left out by the linker because the program does not need it.
    #[error("no {0} in the binary")]
    Missing(String),
    /// With the link-time addresses of two of them.
    #[error("several types {name} with different layouts, at {first:#x} and {second:#x}")]
    Ambiguous { name: String, first: u64, second: u64 },
}
