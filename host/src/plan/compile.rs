//! Compiles one probe of a manifest into a capture program.

use super::{
    CaptureSource, Dropped, Skip,
    agree::Facts,
    bind::{Compiler, Kept, is_pointer},
    emit::Target,
    known::Known,
    path::Path,
    registers::Abi,
    runtime,
    types::Ty,
    walk::{Place, Value, data, load_size, within},
};
use crate::{
    binary::{Binary, Kind},
    manifest::{self, Endpoint, Probe},
};
use uprobed_ebpf::{
    interpret::RECORD_BYTES,
    program::{Code, Correlation, KEPT, NO_SLOT, Program, Role, flags},
    wire::Record,
};

/// A probe's program, without its sites.
pub struct Compiled {
    pub program: Box<Program>,
    pub captures: Vec<CaptureSource>,
    /// The most bytes of a record.
    pub bytes: u32,
    pub dropped: Vec<Dropped>,
    /// What is kept of the span when this probe has run, in the order of its slots.
    pub keeps: Vec<Kept>,
    pub facts: Facts,
}

/// `kept` is what starts, and marks compiled before, keep of the same span. The program's `plugin`, `probe`, `span` and flags of sites are the caller's.
pub fn compile(
    binary: &Binary,
    abi: &'static Abi,
    probe: &Probe,
    kept: &[Kept],
    known: &Known,
) -> Result<Compiled, Skip> {
    let mut compiler = Compiler::new(binary, abi, probe, kept, known)?;
    compiler.only_if()?;
    let (correlation, key_slots) = compiler.key()?;
    let (name_flag, name_slots) = compiler.name()?;
    let (keep, keeps) = compiler.keep()?;
    let parent_context = compiler.parent_context()?;
    let own_context = compiler.own_context()?;
    let (captures, bytes) = compiler.captures()?;
    // Last, so that what only an adoption needs can be passed over.
    let (join_flags, channel) = compiler.joins()?;
    let (dropped, mut facts) = (std::mem::take(&mut compiler.dropped), std::mem::take(&mut compiler.facts));
    let mut program = runtime::program(binary, abi, &compiler.emit.finish()?)?;
    program.flags |= join_flags | name_flag;
    if probe.current {
        program.flags |= flags::CURRENT;
    }
    if probe.inherits {
        program.flags |= flags::INHERITS;
    }
    program.channel = channel;
    if abi.g.is_some() {
        facts.extend(&runtime::goroutine(binary)?.facts);
    }
    program.role = match probe.role {
        manifest::Role::Start => Role::Start,
        manifest::Role::End => Role::End,
        manifest::Role::Event => Role::Event,
        manifest::Role::Mark => Role::Mark,
    } as u8;
    program.correlation = correlation as u8;
    program.key_slots = key_slots;
    program.name_slots = name_slots;
    program.keep = keep;
    program.parent_context = parent_context;
    program.own_context = own_context;
    program.traceparent = probe.traceparent.and_then(|index| u8::try_from(index).ok()).unwrap_or(NO_SLOT);
    // What finds no room in a record is cut off.
    let bytes = (size_of::<Record>() as u32 + bytes).min(RECORD_BYTES as u32);
    Ok(Compiled { program, captures, bytes, dropped, keeps, facts })
}

impl Compiler<'_, '_> {
    fn only_if(&mut self) -> Result<(), Skip> {
        for text in &self.probe.only_if {
            let path = [Path::parse(text)?];
            self.prepare(&path, true)?;
            let [path] = path;
            let value = self.walk(&path, Target::Abort)?;
            let is_bare = path.steps.is_empty() || path.kept().is_some_and(|(_, rest)| rest.is_empty());
            match value.place {
                // The end's own address has to be one.
                Place::Memory { base, .. } => self.emit.not_nil(base, Target::Abort),
                // Of a name there is nothing in between; what is asked is whether it has a value.
                Place::Pieces(_) if is_bare && is_pointer(&value.ty) => {
                    let slot = self.at(Target::Abort).word(&value, None)?;
                    self.emit.not_nil(slot, Target::Abort);
                }
                Place::Pieces(_) => {}
            }
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(Correlation, [u8; 2]), Skip> {
        match &self.probe.correlation {
            manifest::Correlation::Frame => Ok((Correlation::Frame, [NO_SLOT; 2])),
            manifest::Correlation::Goroutine => Ok((Correlation::Goroutine, [NO_SLOT; 2])),
            manifest::Correlation::Words(words) => Ok((Correlation::Words, self.words(words)?)),
        }
    }

    fn name(&mut self) -> Result<(u16, [u8; 2]), Skip> {
        match (self.probe.alias.as_slice(), self.probe.rename.as_slice()) {
            ([], []) => Ok((0, [NO_SLOT; 2])),
            (words, []) => Ok((flags::ALIAS, self.words(words)?)),
            (_, words) => Ok((flags::RENAME, self.words(words)?)),
        }
    }

    /// The one or two words by which a span is found. Without them the whole program ends.
    fn words(&mut self, words: &[String]) -> Result<[u8; 2], Skip> {
        let mut slots = [NO_SLOT; 2];
        if words.is_empty() || words.len() > slots.len() {
            return Err(Skip::TooLong { what: "words to find a span by, or none", most: slots.len() });
        }
        for (slot, text) in slots.iter_mut().zip(words) {
            let path = [Path::parse(text)?];
            self.prepare(&path, true)?;
            let value = self.walk(&path[0], Target::Abort)?;
            *slot = self.at(Target::Abort).word(&value, None)?;
        }
        Ok(slots)
    }

    fn keep(&mut self) -> Result<([u8; KEPT], Vec<Kept>), Skip> {
        let mut slots = [NO_SLOT; KEPT];
        // A mark's words join the start's.
        let mut keeps = if self.probe.role == manifest::Role::Start { Vec::new() } else { self.kept.to_vec() };
        for name in &self.probe.keep {
            let path = [Path::parse(name)?];
            self.prepare(&path, false)?;
            let value = self.alternatives(name, &path, |_, value| Ok(value))?;
            let slot = self.slot_of(&value)?;
            let kept = Kept { name: name.clone(), is_address: load_size(&value.ty).is_err(), ty: value.ty };
            let place = keeps.iter().position(|known| known.name == kept.name).unwrap_or(keeps.len());
            *slots.get_mut(place).ok_or(Skip::TooLong { what: "words to keep", most: KEPT })? = slot;
            match keeps.get(place) {
                None => keeps.push(kept),
                Some(known) if known.is_like(&kept) => {}
                Some(_) => return Err(Skip::KeptOtherwise { name: kept.name, ty: kept.ty.name() }),
            }
        }
        Ok((slots, keeps))
    }

    /// The slot of its address, or those of its two words where it is in registers.
    fn parent_context(&mut self) -> Result<[u8; 2], Skip> {
        let mut slots = [NO_SLOT; 2];
        let Some(text) = &self.probe.parent_context else { return Ok(slots) };
        let path = [Path::parse(text)?];
        self.prepare(&path, false)?;
        let value = self.alternatives("the parent's context", &path, |_, value| {
            let wanted = |value: &Value| Skip::OtherKind {
                what: "the parent's context".to_owned(),
                wanted: "an interface",
                ty: value.ty.name(),
            };
            if matches!(value.ty.kind(), Kind::Interface { .. }) { Ok(value) } else { Err(wanted(&value)) }
        })?;
        let Place::Pieces(pieces) = &value.place else { return Ok([self.slot_of(&value)?, NO_SLOT]) };
        for (slot, offset) in slots.iter_mut().zip([0, 8]) {
            *slot = self.at(Target::Abort).piece(&within(pieces, offset, 8), &value.trail)?;
        }
        Ok(slots)
    }

    fn own_context(&mut self) -> Result<u8, Skip> {
        let Some(text) = &self.probe.own_context else { return Ok(NO_SLOT) };
        let path = [Path::parse(text)?];
        self.prepare(&path, false)?;
        let value = self.alternatives("the own context", &path, |_, value| match value.ty.kind() {
            Kind::Pointer => Ok(value),
            Kind::Interface { .. } => {
                let place = data(value.place);
                Ok(Value { place, ty: Ty::opaque(), ..value })
            }
            _ => Err(Skip::OtherKind {
                what: "the own context".to_owned(),
                wanted: "an interface or a pointer",
                ty: value.ty.name(),
            }),
        })?;
        self.slot_of(&value)
    }

    fn joins(&mut self) -> Result<(u16, u32), Skip> {
        let (join, flag) = match (&self.probe.publish, &self.probe.adopt) {
            (None, None) => return Ok((0, 0)),
            (Some(_), Some(_)) => return Err(Skip::TwoJoins),
            (Some(join), None) => (join, flags::PUBLISH),
            (None, Some(join)) => (join, flags::ADOPT),
        };
        let ends = [&join.local, &join.remote];
        let texts = join.stream.iter().chain(ends.iter().flat_map(|Endpoint { address, port }| [address, port]));
        let paths = texts.map(|text| Path::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let (before, unwanted) = (self.emit.clone(), self.emit.label());
        let joined = if flag == flags::ADOPT {
            self.emit.emit(Code::IF_PUBLISHED, [0, 0], 0, 0, Target::Label(unwanted));
            self.prepare(&paths, false).and_then(|()| self.join(&paths))
        } else {
            self.prepare(&paths, false)?;
            self.join(&paths)
        };
        self.emit.bind(unwanted);
        match joined {
            Ok(()) => Ok((flag, fnv1a(&join.channel))),
            // Without the join there are fewer parents, but no wrong ones.
            Err(skip) if !skip.is_mistake() && self.probe.role != manifest::Role::Mark => {
                self.emit = before;
                let what = if flag == flags::PUBLISH { "publish" } else { "adopt" };
                let why = skip.to_string();
                self.dropped.push(Dropped { what: what.to_owned(), path: join.channel.clone(), why });
                Ok((0, 0))
            }
            Err(skip) => Err(skip),
        }
    }

    /// The paths of the stream, if it has one, and of the local and remote ends' addresses and ports.
    fn join(&mut self, paths: &[Path]) -> Result<(), Skip> {
        const STREAM: u8 = 2;
        let failed = self.emit.label();
        let target = Target::Label(failed);
        let scope = self.emit.enter();
        // Both ends make the key complete, so the stream comes before them: without it there must be no key.
        let (stream, ends) = paths.split_at(paths.len() % 2);
        for path in stream {
            self.join_number(STREAM, path, target)?;
        }
        for (end, paths) in (0..).zip(ends.chunks(2)) {
            if let [address, port] = paths {
                self.join_address(end, address, target)?;
                self.join_number(end, port, target)?;
            }
        }
        self.emit.leave(scope);
        self.emit.bind(failed);
        Ok(())
    }

    fn join_number(&mut self, a: u8, path: &Path, target: Target) -> Result<(), Skip> {
        let value = self.walk(path, target)?;
        if !matches!(value.ty.kind(), Kind::Int { .. }) {
            return Err(Skip::OtherKind { what: path.to_string(), wanted: "an integer", ty: value.ty.name() });
        }
        let slot = self.at(target).word(&value, None)?;
        self.emit.emit(Code::JOIN_NUMBER, [a, slot], 0, 0, Target::None);
        Ok(())
    }

    fn join_address(&mut self, a: u8, path: &Path, target: Target) -> Result<(), Skip> {
        let value = self.walk(path, target)?;
        if value.ty.kind() != Kind::Slice || !self.is_bytes(&value.ty)? {
            return Err(Skip::OtherKind { what: path.to_string(), wanted: "a slice of bytes", ty: value.ty.name() });
        }
        let Place::Memory { base, offset } = value.place else {
            return Err(Skip::NotAddressable(path.to_string()));
        };
        self.emit.emit(Code::JOIN_ADDRESS, [a, base], offset, 0, Target::None);
        Ok(())
    }
}

/// FNV-1a, 32 bits.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
