//! What the plan has to know of Go's runtime: where a goroutine's number and stack are, how maps lie in memory, where goroutines are
//! made. Read from the binary where it says so; otherwise the constants of its Go version.

use super::{
    CaptureSource, PathSource, PlannedProbe, Skip,
    agree::{Facts, Witness},
    known::Known,
    registers::{self, Abi},
    types::Ty,
    walk::Origin,
};
use crate::binary::{self, Binary, Convention, Function};
use uprobed_ebpf::program::{ABORT, Code, Correlation, KEPT, MapLayout, NO_SLOT, OPS, Op, Program, Role, flags};

/// The oldest Go version whose calling convention and layouts are known: 1.18.
const OLDEST: u32 = 18;
/// The newest whose runtime was looked at: constants are for these only.
const NEWEST: u32 = 27;

/// Offsets in `runtime.g` and `runtime.m`, in bytes.
#[derive(Clone, Debug)]
pub struct Goroutine {
    pub goid: u16,
    pub stack_hi: u16,
    pub m: i32,
    pub curg: i32,
    /// The weakest of their sources.
    pub origin: Origin,
    pub facts: Facts,
}

/// The second number of `go1.26.8`, or why the program cannot be probed.
pub fn minor_version(binary: &Binary) -> Result<u32, Skip> {
    let go = binary.go().ok_or(Skip::NotGo)?;
    go.minor().filter(|minor| *minor >= OLDEST).ok_or_else(|| Skip::OldGo(go.version.clone()))
}

/// How a function is called. Whatever a program without Go's build information has is native.
pub fn convention(binary: &Binary, function: &Function) -> Result<Convention, Skip> {
    let is_go = binary.go().is_some();
    match function.convention {
        Convention::Native => Ok(Convention::Native),
        // Before 1.18 Go's build information is not read.
        _ if !is_go && binary.function("runtime.goexit").is_some() => {
            Err(Skip::OldGo("a Go of unknown version".into()))
        }
        _ if !is_go => Ok(Convention::Native),
        convention => {
            minor_version(binary)?;
            let version = binary.go().map(|go| go.version.as_str()).unwrap_or_default();
            // arm64 could still be built without the register ABI.
            if version.contains("noregabi") { Err(Skip::OldGo(version.to_owned())) } else { Ok(convention) }
        }
    }
}

pub fn goroutine(binary: &Binary) -> Result<Goroutine, Skip> {
    let mut runtime = Runtime::new(binary)?;
    let minor = runtime.minor;
    Ok(Goroutine {
        goid: runtime.offset("runtime.g", &["goid"], goid(minor))?,
        stack_hi: runtime.offset("runtime.g", &["stack", "hi"], 8)?,
        m: runtime.offset("runtime.g", &["m"], 48)?.into(),
        curg: runtime.offset("runtime.m", &["curg"], curg(minor))?.into(),
        origin: runtime.origin,
        facts: runtime.facts,
    })
}

/// Looks for fields of the runtime's own structs, and remembers what was relied on.
struct Runtime<'b, 'd> {
    binary: &'b Binary<'d>,
    minor: u32,
    origin: Origin,
    facts: Facts,
}

impl<'b, 'd> Runtime<'b, 'd> {
    fn new(binary: &'b Binary<'d>) -> Result<Self, Skip> {
        Ok(Self { binary, minor: minor_version(binary)?, origin: Origin::Descriptor, facts: Facts::default() })
    }

    /// By the binary's own account. Where it does not have the struct, `otherwise` is what all known versions of Go have.
    fn offset(&mut self, struct_type: &str, fields: &[&str], otherwise: u16) -> Result<u16, Skip> {
        let path = || format!("{struct_type}.{}", fields.join("."));
        let Some(mut ty) = self.binary.type_named(struct_type)? else {
            self.origin = self.origin.max(Origin::Abi);
            return if self.minor <= NEWEST { Ok(otherwise) } else { Err(Skip::Unknown(path(), self.minor)) };
        };
        let mut offset = 0u64;
        for name in fields {
            let found = self.binary.field(&ty, name)?;
            let (field, inner) =
                found.ok_or_else(|| Skip::NoField { ty: ty.name.clone(), field: (*name).to_owned() })?;
            let origin = ty.source.into();
            self.facts.add(&Ty::Known(ty), &field, origin);
            self.origin = self.origin.max(origin);
            offset = offset.saturating_add(field.offset);
            ty = inner;
        }
        u16::try_from(offset).map_err(|_| Skip::NotFollowed { what: path(), ty: struct_type.to_owned() })
    }
}

/// As DWARF has it in programs built with 1.18.10, 1.20.14, 1.21.13, 1.22.12, 1.23.12, 1.24.9, 1.25.3, 1.26.8 and 1.27.4.
fn goid(minor: u32) -> u16 {
    if matches!(minor, 23 | 24) { 160 } else { 152 }
}

/// As above.
fn curg(minor: u32) -> u16 {
    if minor <= 24 { 192 } else { 184 }
}

/// How maps of string keys lie in memory; the value's size does not matter here. With the weakest source, and what is relied on.
pub fn map_layout(binary: &Binary) -> Result<(MapLayout, Origin, Facts), Skip> {
    let mut runtime = Runtime::new(binary)?;
    let mut find = |ty, fields: &[&str], otherwise| {
        let offset = runtime.offset(ty, fields, otherwise)?;
        u8::try_from(offset).map_err(|_| Skip::MapLayout)
    };
    let layout = if has_swiss_maps(binary)? {
        const MAP: &str = "internal/runtime/maps.Map";
        const TABLE: &str = "internal/runtime/maps.table";
        MapLayout::Swiss {
            dir_ptr: find(MAP, &["dirPtr"], 16)?,
            dir_len: find(MAP, &["dirLen"], 24)?,
            groups: find(TABLE, &["groups", "data"], 16)?,
            length_mask: find(TABLE, &["groups", "lengthMask"], 24)?,
        }
    } else {
        MapLayout::Buckets { b: find("runtime.hmap", &["B"], 9)?, buckets: find("runtime.hmap", &["buckets"], 16)? }
    };
    // The interpreter reads each pair at once.
    let are_neighbours = match layout {
        MapLayout::Swiss { dir_ptr, dir_len, groups, length_mask } => {
            dir_len == dir_ptr + 8 && length_mask == groups + 8
        }
        MapLayout::Buckets { b, buckets } => buckets == (b & !7) + 8,
    };
    if are_neighbours { Ok((layout, runtime.origin, runtime.facts)) } else { Err(Skip::MapLayout) }
}

/// Where a map has its number of entries. With its source, and what is relied on.
pub fn map_count(binary: &Binary) -> Result<(u16, Origin, Facts), Skip> {
    let mut runtime = Runtime::new(binary)?;
    let offset = if has_swiss_maps(binary)? {
        runtime.offset("internal/runtime/maps.Map", &["used"], 0)?
    } else {
        runtime.offset("runtime.hmap", &["count"], 0)?
    };
    Ok((offset, runtime.origin, runtime.facts))
}

/// Swiss maps came with 1.24; GOEXPERIMENT=noswissmap could still build the old ones in 1.24 and 1.25.
fn has_swiss_maps(binary: &Binary) -> Result<bool, Skip> {
    Ok(minor_version(binary)? >= 24 && !has_old_maps(binary))
}

fn has_old_maps(binary: &Binary) -> bool {
    binary.function("runtime.hashGrow").is_some()
}

/// An empty program for probes of this binary's functions of this convention.
pub fn program(binary: &Binary, abi: &Abi, ops: &[Op]) -> Result<Box<Program>, Skip> {
    // Native code is identified by thread and stack pointer.
    let goroutine = abi.g.map(|_| goroutine(binary)).transpose()?;
    let nothing = Op { code: Code::END, a: 0, b: 0, target: 0, offset: 0, value: 0 };
    let mut program = Box::new(Program {
        plugin: 0,
        probe: u16::MAX,
        flags: if abi.is_native() { flags::NATIVE } else { 0 },
        span: 0,
        channel: 0,
        binary: 0,
        role: Role::Start as u8,
        correlation: Correlation::Frame as u8,
        key_slots: [NO_SLOT; 2],
        keep: [NO_SLOT; KEPT],
        parent_context: [NO_SLOT; 2],
        own_context: NO_SLOT,
        traceparent: NO_SLOT,
        ops_len: ops.len() as u8,
        g_register: abi.g.unwrap_or_default(),
        stack_pointer: abi.stack_pointer,
        goid: goroutine.as_ref().map_or(0, |goroutine| goroutine.goid),
        stack_hi: goroutine.as_ref().map_or(0, |goroutine| goroutine.stack_hi),
        name_slots: [NO_SLOT; 2],
        ops: [nothing; OPS],
    });
    for (slot, op) in program.ops.iter_mut().zip(ops) {
        *slot = *op;
    }
    Ok(program)
}

/// Where the numbers of goroutines come from, for people.
fn source(goroutine: &Goroutine) -> CaptureSource {
    let path = PathSource {
        path: "g.goid".to_owned(),
        offsets: format!("g+{}", goroutine.goid),
        origins: vec![goroutine.origin],
    };
    CaptureSource { name: "goroutine".to_owned(), paths: vec![path] }
}

/// The host's own probe of a Go program: a goroutine is made. At the call of `runtime.runqput` in `runtime.newproc.func1` the second
/// argument (BX on amd64, R1 on arm64) is the new g; the code runs on g0, whose m knows the goroutine that asked for it.
pub fn spawn(binary: &Binary) -> Result<PlannedProbe, Skip> {
    const SYMBOL: &str = "runtime.newproc.func1";
    let goroutine = goroutine(binary)?;
    let function = binary.function(SYMBOL).ok_or_else(|| Skip::NoSymbol(vec![SYMBOL.to_owned()]))?;
    let sites = binary::call_sites(binary, &function, "runtime.runqput")
        .map_err(|refusal| Skip::Site { symbol: SYMBOL.to_owned(), refusal })?;
    let abi = registers::abi(binary, &function)?;
    let (Some(g), [_, made, ..]) = (abi.g, abi.integers) else { return Err(Skip::NotGo) };
    let op = |code, a, b, offset| Op { code, a, b, target: ABORT, offset, value: 8 };
    let ops = [
        op(Code::REGISTER, 0, *made, 0),
        op(Code::REGISTER, 1, g, 0),
        op(Code::LOAD, 2, 1, goroutine.m),
        op(Code::LOAD, 3, 2, goroutine.curg),
    ];
    let nothing_known = Known::default();
    let witness = Witness::new(binary, &nothing_known, std::iter::once(&goroutine.facts))?;
    if let Some(objection) = witness.objects_to(&goroutine.facts) {
        return Err(objection);
    }
    let mut program = program(binary, abi, &ops)?;
    program.role = Role::Spawn as u8;
    program.key_slots = [0, 3];
    Ok(PlannedProbe {
        index: 0,
        name: "goroutine made".to_owned(),
        group: String::new(),
        role: None,
        span: String::new(),
        symbol: SYMBOL.to_owned(),
        sites,
        bypass: None,
        program,
        captures: vec![source(&goroutine)],
        bytes: 0,
        dropped: Vec::new(),
        fields: goroutine.facts,
    })
}
