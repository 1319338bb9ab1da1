//! Captures: which operation records the value at a path's end, and how several of them share what they load.

use super::{
    CaptureSource, PathSource, Skip,
    bind::{Compiler, parse_all},
    emit::{Load, Target},
    path::Path,
    runtime,
    types::Ty,
    walk::{Place, Value, load_size, within},
};
use crate::{binary::Kind, manifest::Capture};
use uprobed_ebpf::{interpret::KEY_BYTES, program::Code};

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
            let mut origins = value.trail.origins.clone();
            let offsets =
                value.trail.to_string() + &path.split_key().1.map(|key| format!("[{key:?}]")).unwrap_or_default();
            if path.split_key().1.is_some() {
                let (_, origin, facts) = runtime::map_layout(compiler.binary)?;
                compiler.facts.extend(&facts);
                origins.insert(origin);
            }
            let bytes = compiler.record(index, capture, path, &value, Target::Abort)?;
            let origins = origins.into_iter().collect();
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
                let value = self.walk_steps(path, path.split_key().0, Target::Label(failed))?;
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
            let value = self.walk_steps(path, path.split_key().0, Target::Label(failed))?;
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
        if let Some(key) = path.split_key().1 {
            return self.map_value(a, limit, path, key, value, target);
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

    fn map_value(
        &mut self,
        a: u8,
        limit: u32,
        path: &Path,
        key: &str,
        value: &Value,
        target: Target,
    ) -> Result<u32, Skip> {
        const SLICE: i32 = 1 << 16;
        let bad = |why| Skip::Key { path: path.to_string(), why };
        if key.is_empty() || key.len() > KEY_BYTES {
            return Err(bad("has to have 1 to 24 bytes"));
        }
        if value.ty.kind() != Kind::Map {
            return Err(Skip::NotFollowed { what: format!("[{key:?}]"), ty: value.ty.name() });
        }
        let (keys, values) = (value.ty.key(self.binary)?, value.ty.element(self.binary)?);
        let (flag, size) = match values.kind() {
            Kind::String => (0, 16),
            Kind::Slice if values.element(self.binary)?.kind() == Kind::String => (SLICE, 24),
            _ => return Err(Skip::NotCaptured(value.ty.name())),
        };
        if keys.kind() != Kind::String {
            return Err(Skip::NotCaptured(value.ty.name()));
        }
        let (layout, ..) = runtime::map_layout(self.binary)?;
        if let Place::Memory { base, offset } = value.place
            && !value.is_checked
        {
            self.emit.loads.push(Load { base, offset });
        }
        let slot = self.at(target).word(value, None)?;
        self.emit.map(slot, layout.pack(size));
        for (index, chunk) in key.as_bytes().chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let (code, offset) =
                if index == 0 { (Code::MAP_KEY, limit as i32 | flag) } else { (Code::MAP_KEY_MORE, 0) };
            // It records in any case, and goes on to the next operation.
            self.emit.emit(code, [a, key.len() as u8], offset, u64::from_le_bytes(word), Target::None);
        }
        Ok(limit)
    }
}
