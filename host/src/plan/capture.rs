//! Captures: which operation records the value at a path's end, and how several of them share what they load.

use super::{
    CaptureSource, PathSource, Skip,
    bind::{Compiler, parse_all},
    emit::{Load, Target},
    path::{End, Path, Search},
    runtime,
    types::Ty,
    walk::{Origins, Place, Trail, Value, load_size, within},
};
use crate::{binary::Kind, manifest::Capture};
use uprobed_ebpf::{
    interpret::KEY_BYTES,
    program::{Code, ElementLayout, NO_SLOT},
};

/// Bytes before each capture's own in a record.
const HEAD: u32 = 4;
/// Rounds of looking for loads that captures share: each finds those behind the ones before.
const SHARING_ROUNDS: usize = 6;

/// A capture's paths that this program's types allow.
struct Viable<'m> {
    index: u8,
    capture: &'m Capture,
    paths: Vec<Path>,
    sources: Vec<PathSource>,
    /// The most bytes of its value.
    bytes: u32,
}

/// How what a path ends with is looked for.
enum Lookup {
    /// Not at all: it is the value itself.
    Value,
    /// By `MAP` and `MAP_KEY`.
    Map { layout: u64, flag: i32 },
    /// By `SLICE` and `FIND`.
    Element(ElementLayout),
}

impl Compiler<'_, '_> {
    /// All captures of the probe, and the most bytes that they take in a record.
    pub fn captures(&mut self) -> Result<(Vec<CaptureSource>, u32), Skip> {
        let probe = self.probe;
        if probe.captures.len() > usize::from(u8::MAX) {
            return Err(Skip::TooLong { what: "captures", most: u8::MAX.into() });
        }
        for capture in &probe.captures {
            self.prepare(&parse_all(&capture.paths)?, false)?;
        }
        let mut captures = Vec::new();
        for (index, capture) in probe.captures.iter().enumerate() {
            captures.push(self.viable_capture(index as u8, capture)?);
        }
        self.share(&captures)?;
        let (mut sources, mut bytes) = (Vec::new(), 0);
        for viable in captures {
            self.capture(&viable)?;
            bytes += HEAD + viable.bytes.next_multiple_of(4);
            sources.push(CaptureSource { name: viable.capture.name.clone(), paths: viable.sources });
        }
        Ok((sources, bytes))
    }

    fn viable_capture<'m>(&mut self, index: u8, capture: &'m Capture) -> Result<Viable<'m>, Skip> {
        let what = format!("capture {}", capture.name);
        let (looked, _) = self.viable(&what, parse_all(&capture.paths)?, |compiler, path, value| {
            let (_, trail) = compiler.lookup(path, &value)?;
            let bytes = compiler.record(index, capture, path, &value, Target::Abort)?;
            let (offsets, origins) = (trail.to_string(), trail.origins.into_iter().collect());
            Ok((PathSource { path: path.to_string(), offsets, origins }, bytes))
        })?;
        let bytes = looked.iter().map(|(_, (_, bytes))| *bytes).max().unwrap_or(0);
        let (paths, sources) = looked.into_iter().map(|(path, (source, _))| (path, source)).unzip();
        Ok(Viable { index, capture, paths, sources, bytes })
    }

    /// Loads in advance the pointers that several captures go through. Only those that are certain to be what their types say:
    /// behind the check of a dynamic type, a binding does the same.
    fn share(&mut self, captures: &[Viable<'_>]) -> Result<(), Skip> {
        for _ in 0..SHARING_ROUNDS {
            let before = self.emit.clone();
            let round = self.emit.enter();
            let mut counted: Vec<(Load, usize)> = Vec::new();
            for viable in captures {
                let Some(path) = viable.paths.first() else { continue };
                let failed = self.emit.label();
                let scope = self.emit.enter();
                self.emit.loads.clear();
                let value = self.walk_steps(path, path.split_end().0, Target::Label(failed))?;
                self.record(viable.index, viable.capture, path, &value, Target::Label(failed))?;
                self.emit.leave(scope);
                let mut loads = std::mem::take(&mut self.emit.loads);
                loads.dedup();
                for load in loads.into_iter().filter(|load| self.emit.outlasts(load.base, round)) {
                    match counted.iter_mut().find(|(known, _)| *known == load) {
                        Some((_, count)) => *count += 1,
                        None => counted.push((load, 1)),
                    }
                }
            }
            let trial = std::mem::replace(&mut self.emit, before);
            self.emit.adopt_roots(trial);
            counted.retain(|(load, count)| *count > 1 && !self.emit.is_loaded(*load));
            if counted.is_empty() {
                break;
            }
            for (load, _) in counted {
                self.emit.share(load)?;
            }
        }
        Ok(())
    }

    fn capture(&mut self, viable: &Viable<'_>) -> Result<(), Skip> {
        let a = viable.index;
        if viable.paths.is_empty() {
            self.emit.emit(Code::BEGIN, [a, 0], 0, 0, Target::None);
            self.emit.emit(Code::SKIP, [a, 0], 0, 0, Target::None);
            return Ok(());
        }
        // No BEGIN is needed elsewhere: a SKIP is reached by a failure, which leaves its own reason.
        let end = self.emit.label();
        for (index, path) in viable.paths.iter().enumerate() {
            let failed = self.emit.label();
            let scope = self.emit.enter();
            let value = self.walk_steps(path, path.split_end().0, Target::Label(failed))?;
            self.record(a, viable.capture, path, &value, Target::Label(failed))?;
            if !self.emit.is_used(failed) {
                if index > 0 {
                    self.emit.leave(scope);
                }
                break;
            }
            self.emit.emit(Code::JUMP, [0, 0], 0, 0, Target::Label(end));
            self.emit.leave(scope);
            self.emit.bind(failed);
            if index + 1 == viable.paths.len() {
                self.emit.emit(Code::SKIP, [a, 0], 0, 0, Target::None);
            }
        }
        self.emit.bind(end);
        Ok(())
    }

    /// Records a value; says how many bytes that takes at most.
    fn record(&mut self, a: u8, capture: &Capture, path: &Path, value: &Value, target: Target) -> Result<u32, Skip> {
        let limit = capture.limit;
        match (self.lookup(path, value)?.0, path.split_end().1) {
            (Lookup::Map { layout, flag }, End::Key(key)) => {
                let slot = self.at(target).map(value)?;
                self.emit.map(slot, layout);
                self.emit.key(Code::MAP_KEY, a, key, limit as i32 | flag);
                return Ok(limit);
            }
            (Lookup::Element(layout), End::Search(search)) => {
                let slice = self.at(target).slice(value)?;
                self.emit.slice(slice, layout);
                self.emit.key(Code::FIND, a, &search.key, limit as i32);
                return Ok(limit);
            }
            _ => {}
        }
        let is_bytes = self.is_bytes(&value.ty)?;
        match value.ty.kind() {
            Kind::String | Kind::Slice if is_bytes => {
                match &value.place {
                    Place::Memory { base, offset } => {
                        self.emit.emit(Code::STRING, [a, *base], *offset, limit.into(), target);
                    }
                    Place::Pieces(pieces) => {
                        let mut walk = self.at(target);
                        let pointer = walk.piece(&within(pieces, 0, 8), &value.trail)?;
                        let length = walk.piece(&within(pieces, 8, 8), &value.trail)?;
                        self.emit.emit(Code::STRING_WORDS, [a, pointer], length.into(), limit.into(), Target::None);
                    }
                }
                Ok(limit)
            }
            Kind::Interface { empty } => {
                let first = self.at(target).interface_word(value)?;
                // Only an itab has to be looked into.
                let target = if empty { Target::None } else { target };
                self.emit.emit(Code::TYPE, [a, first], 0, u64::from(!empty), target);
                Ok(8)
            }
            _ => {
                load_size(&value.ty)?;
                let slot = self.at(target).word(value, None)?;
                self.emit.emit(Code::WORD, [a, slot], 0, 0, Target::None);
                Ok(8)
            }
        }
    }

    /// A string, or a slice of bytes.
    pub fn is_bytes(&self, ty: &Ty) -> Result<bool, Skip> {
        Ok(match ty.kind() {
            Kind::String => true,
            Kind::Slice => matches!(ty.element(self.binary)?.kind(), Kind::Int { size: 1, .. }),
            _ => false,
        })
    }

    /// What a path has behind the steps that lead to a value; with how it is read, for people and for the witness.
    fn lookup(&mut self, path: &Path, value: &Value) -> Result<(Lookup, Trail), Skip> {
        let mut trail = value.trail.clone();
        match path.split_end().1 {
            End::Value => Ok((Lookup::Value, trail)),
            End::Key(key) => {
                let lookup = self.map_key(path, key, &value.ty)?;
                let (_, origin, facts) = runtime::map_layout(self.binary)?;
                self.facts.extend(&facts);
                trail.append(&format!("[{key:?}]"));
                trail.origins.insert(origin);
                Ok((lookup, trail))
            }
            End::Search(search) => {
                let (layout, origins) = self.element(path, search, &value.ty)?;
                trail.append(&format!("[+{}={:?}]", layout.key, search.key));
                trail.add(layout.value.into());
                trail.origins.extend(origins);
                Ok((Lookup::Element(layout), trail))
            }
        }
    }

    fn map_key(&self, path: &Path, key: &str, ty: &Ty) -> Result<Lookup, Skip> {
        /// `MAP_KEY`'s sign for a slice of strings.
        const SLICE: i32 = 1 << 16;
        check_key(path, key)?;
        if ty.kind() != Kind::Map {
            return Err(Skip::NotFollowed { what: format!("[{key:?}]"), ty: ty.name() });
        }
        let (keys, values) = (ty.key(self.binary)?, ty.element(self.binary)?);
        let (flag, size) = match values.kind() {
            Kind::String => (0, 16),
            Kind::Slice if values.element(self.binary)?.kind() == Kind::String => (SLICE, 24),
            _ => return Err(Skip::NotCaptured(ty.name())),
        };
        if keys.kind() != Kind::String {
            return Err(Skip::NotCaptured(ty.name()));
        }
        let (layout, ..) = runtime::map_layout(self.binary)?;
        Ok(Lookup::Map { layout: layout.pack(size), flag })
    }

    /// Where the elements of a slice have the key and the value.
    fn element(&mut self, path: &Path, search: &Search, ty: &Ty) -> Result<(ElementLayout, Origins), Skip> {
        check_key(path, &search.key)?;
        let before = path.first(path.split_end().0.len());
        let other = |what, wanted, ty: &Ty| Err(Skip::OtherKind { what, wanted, ty: ty.name() });
        let element = match ty.kind() {
            Kind::Slice => Some(ty.element(self.binary)?).filter(|element| element.kind() == Kind::Struct),
            _ => None,
        };
        let Some(element) = element else { return other(before, "a slice of structs", ty) };
        let (key, key_type, mut origins) = self.element_field(&element, &search.field)?;
        if key_type.kind() != Kind::String {
            return other(format!("{before}[].{}", search.field), "a string", &key_type);
        }
        let (value, value_type, of_value) = self.element_field(&element, &search.value)?;
        if !self.is_bytes(&value_type)? {
            return other(format!("{before}[].{}", search.value), "a string or a slice of bytes", &value_type);
        }
        origins.extend(of_value);
        let size = u32::try_from(element.size()).map_err(|_| far_out(&element))?;
        Ok((ElementLayout { size, key, value }, origins))
    }

    /// A field in the struct itself: no embedded pointer is on the way to it.
    fn element_field(&mut self, element: &Ty, name: &str) -> Result<(u16, Ty, Origins), Skip> {
        let place = Place::Memory { base: NO_SLOT, offset: 0 };
        let start = Value { ty: element.clone(), place, trail: Trail::default(), is_checked: true };
        let field = self.at(Target::None).field(start, name)?;
        match field.place {
            Place::Memory { base: NO_SLOT, offset } => {
                let offset = u16::try_from(offset).map_err(|_| far_out(element))?;
                Ok((offset, field.ty, field.trail.origins))
            }
            _ => Err(Skip::NotFollowed { what: format!("{name}, behind a pointer,"), ty: element.name() }),
        }
    }
}

fn check_key(path: &Path, key: &str) -> Result<(), Skip> {
    if key.is_empty() || key.len() > KEY_BYTES {
        return Err(Skip::Key { path: path.to_string(), why: "has to have 1 to 24 bytes" });
    }
    Ok(())
}

fn far_out(element: &Ty) -> Skip {
    Skip::NotFollowed { what: "what lies that far out".to_owned(), ty: element.name() }
}
