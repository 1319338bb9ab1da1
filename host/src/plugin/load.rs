//! Loads plugins from files: whom the file belongs to, what it is, which contract it was built for. The directory above the plugins'
//! is the operator's own affair.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::{Component, Linker};

use super::bindings::{self, PluginPre};
use super::engine::Clock;
use super::instance::State;
use super::{Engine, Plugin};

/// The contract that this host speaks, `wit/uprobed.wit`.
const CONTRACT: &str = "uprobed:plugin";
const VERSION: &str = "0.5.0";

/// The largest plugin that is read, in bytes. Interpreted languages bring some tens of megabytes.
const FILE_BYTES: u64 = 128 << 20;
/// The most plugins of one directory.
const PLUGINS: usize = 256;

/// Why a plugin, or a directory of plugins, was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("read {}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("refuse {}: it belongs to user {owner}, who is neither root nor the one who runs uprobed", path.display())]
    Owner { path: PathBuf, owner: u32 },
    #[error("refuse {}: others can write to it (mode {mode:04o}); chmod go-w helps", path.display())]
    Writable { path: PathBuf, mode: u32 },
    #[error("refuse {}: larger than {} MiB", path.display(), FILE_BYTES >> 20)]
    TooLarge { path: PathBuf },
    #[error("refuse {}: more than {PLUGINS} plugins", path.display())]
    TooMany { path: PathBuf },
    #[error("load {}: {what}, not a webassembly component", path.display())]
    NotComponent { path: PathBuf, what: &'static str },
    #[error("load {}: built for version {found} of the contract {CONTRACT}, this is version {VERSION}", path.display())]
    Version { path: PathBuf, found: String },
    #[error("load {}: it wants {import}, plugins get nothing but {CONTRACT}", path.display())]
    Import { path: PathBuf, import: String },
    #[error("load {}: not a plugin: {reason}", path.display())]
    NotPlugin { path: PathBuf, reason: String },
    #[error("load {}: its settings: {reason}", path.display())]
    Settings { path: PathBuf, reason: String },
    #[error("compile {}: {reason}", path.display())]
    Compile { path: PathBuf, reason: String },
}

/// What became of one file of a directory.
pub type Loaded = (PathBuf, Result<Plugin, LoadError>);

/// Loads every `*.wasm` of a directory, in the order of their names. What went wrong with one is said beside it.
///
/// # Errors
/// If the directory cannot be read or trusted.
pub fn directory(engine: &Engine, path: &Path) -> Result<Vec<Loaded>, LoadError> {
    let read = |error| LoadError::Read { path: path.to_owned(), error };
    trusted(path, &path.metadata().map_err(read)?)?;
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(read)? {
        let file = entry.map_err(read)?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && file.extension().is_some_and(|extension| extension == "wasm") {
            files.push(file);
        }
        if files.len() > PLUGINS {
            return Err(LoadError::TooMany { path: path.to_owned() });
        }
    }
    files.sort();
    Ok(files.into_iter().map(|file| (file.clone(), Plugin::load(engine, &file))).collect())
}

/// A compiled plugin, of which instances can be made.
pub struct Code {
    name: String,
    ready: PluginPre<State>,
    /// Interrupts the calls.
    _clock: Arc<Clock>,
}

impl Code {
    pub fn load(engine: &Engine, path: &Path) -> Result<Self, LoadError> {
        let bytes = read(path)?;
        is_component(path, &bytes)?;
        let compile = |error: wasmtime::Error| LoadError::Compile { path: path.to_owned(), reason: first_line(&error) };
        let component = Component::from_binary(engine.wasmtime(), &bytes).map_err(compile)?;
        imports(path, engine, &component)?;
        let mut linker = Linker::<State>::new(engine.wasmtime());
        bindings::Plugin::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |state| state)
            .map_err(compile)?;
        let ready = linker
            .instantiate_pre(&component)
            .and_then(PluginPre::new)
            .map_err(|error| LoadError::NotPlugin { path: path.to_owned(), reason: first_line(&error) })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, ready, _clock: engine.clock() })
    }

    /// The file's, without its ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn ready(&self) -> &PluginPre<State> {
        &self.ready
    }
}

/// Reads a file that nobody else can write to, in a directory of which the same is true: where a link points to counts.
fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let failed = |error| LoadError::Read { path: path.to_owned(), error };
    let real = path.canonicalize().map_err(failed)?;
    if let Some(directory) = real.parent() {
        trusted(directory, &directory.metadata().map_err(failed)?)?;
    }
    // What was opened is what is looked at.
    let file = File::open(&real).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(LoadError::NotComponent { path: path.to_owned(), what: "not a file" });
    }
    trusted(path, &metadata)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Fails if others than root and the user can write to it. An access control list shows in the group's bits.
fn trusted(path: &Path, metadata: &Metadata) -> Result<(), LoadError> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(LoadError::Owner { path: path.to_owned(), owner });
    }
    if mode & 0o022 != 0 {
        return Err(LoadError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Looks at the preamble (component model, Binary.md): a module has version 1 and layer 0, a component version 0xd and layer 1.
fn is_component(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let what = match bytes {
        [] => "an empty file",
        [b'\0', b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => "a core webassembly module",
        [b'\0', b'a', b's', b'm', ..] => "an unknown version of webassembly",
        _ => "something else",
    };
    Err(LoadError::NotComponent { path: path.to_owned(), what })
}

/// Fails if the component wants what no plugin gets, or was built for another version of the contract. Every component names
/// the contract's types as imports, and with them the version.
fn imports(path: &Path, engine: &Engine, component: &Component) -> Result<(), LoadError> {
    for (name, _) in component.component_type().imports(engine.wasmtime()) {
        let (package, rest) = name.split_once('/').unwrap_or((name, ""));
        let version = rest.split_once('@').map_or("none", |(_, version)| version);
        if package != CONTRACT {
            return Err(LoadError::Import { path: path.to_owned(), import: name.chars().take(200).collect() });
        }
        if version != VERSION {
            return Err(LoadError::Version { path: path.to_owned(), found: version.chars().take(50).collect() });
        }
    }
    Ok(())
}

fn first_line(error: &wasmtime::Error) -> String {
    super::instance::one_line(&format!("{error:#}"))
}
