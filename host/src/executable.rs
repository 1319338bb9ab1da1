//! An executable's file, mapped, and the file with its debug information where that lies apart. Reads from disk, so that `binary` need not.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use memmap2::Mmap;

use crate::{
    binary::{AlternateLink, Binary, Check},
    session::Unattachable,
};

/// The largest executable that is looked at, in bytes.
const MOST: u64 = 4 << 30;
/// The largest debug file. The kernel lets everybody write to those, so they are read, not mapped: one that is cut off while it
/// is mapped would end this process.
const MOST_DEBUG: u64 = 256 << 20;
/// Where distributions put debug information.
const DEBUG_DIRECTORY: &str = "usr/lib/debug";

pub struct Executable {
    shown: PathBuf,
    map: Mmap,
    debug: Option<Debug>,
}

/// A debug file that belongs to the executable, and what it shares with others where `dwz` made it smaller.
struct Debug {
    path: PathBuf,
    bytes: Vec<u8>,
    check: Check,
    alternate: Option<Vec<u8>>,
}

impl Executable {
    /// `image` is where to read it, `shown` its name in messages and in its own mount namespace, `root` that namespace's root.
    pub fn open(image: &Path, shown: &Path, root: &Path) -> Result<Self, Unattachable> {
        let map = map(image).map_err(|error| Unattachable::Unreadable { path: shown.to_owned(), error })?;
        let mut executable = Self { shown: shown.to_owned(), map, debug: None };
        if !executable.parse()?.has_dwarf() {
            executable.debug = executable.find_debug_file(root)?;
        }
        Ok(executable)
    }

    /// A file that is named by its path here.
    pub fn at_rest(path: &Path) -> Result<Self, Unattachable> {
        // Debug files lie beside the file itself, not beside a link to it.
        let shown = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self::open(path, &shown, Path::new("/"))
    }

    pub fn binary(&self) -> Result<Binary<'_>, Unattachable> {
        let binary = self.parse()?;
        let Some(debug) = &self.debug else { return Ok(binary) };
        let failed = |error| Unattachable::Binary { path: debug.path.clone(), error };
        let binary = binary.with_debug_file(&debug.bytes, debug.check).map_err(failed)?;
        match &debug.alternate {
            Some(alternate) => binary.with_alternate_debug_file(alternate).map_err(failed),
            None => Ok(binary),
        }
    }

    /// Where its debug information was found apart.
    pub fn debug_file(&self) -> Option<&Path> {
        self.debug.as_ref().map(|debug| debug.path.as_path())
    }

    /// In bytes.
    pub fn size(&self) -> usize {
        self.map.len()
    }

    fn parse(&self) -> Result<Binary<'_>, Unattachable> {
        Binary::parse(&self.map).map_err(|error| Unattachable::Binary { path: self.shown.clone(), error })
    }

    /// The first that is there and belongs to the binary; others are passed over.
    fn find_debug_file(&self, root: &Path) -> Result<Option<Debug>, Unattachable> {
        let binary = self.parse()?;
        for (path, check) in debug_files(&binary, &self.shown, root) {
            let Ok(bytes) = read(&path) else { continue };
            match self.parse()?.with_debug_file(&bytes, check) {
                Ok(described) => {
                    let files = described.alternate_link().map(|link| alternates(&link, &path, root));
                    let alternate = files.into_iter().flatten().find_map(|path| {
                        let alternate = read(&path).ok()?;
                        let fits = self.parse().ok()?.with_debug_file(&bytes, check).ok()?;
                        fits.with_alternate_debug_file(&alternate).is_ok().then_some(alternate)
                    });
                    return Ok(Some(Debug { path, bytes, check, alternate }));
                }
                Err(error) => tracing::debug!(path = %path.display(), %error, "not this program's debug information"),
            }
        }
        Ok(None)
    }
}

/// Where debuggers look, too: by build id, then by the name that the binary has for it. In the program's own file system first, then in
/// this one, which containers do not have.
fn debug_files(binary: &Binary, shown: &Path, root: &Path) -> Vec<(PathBuf, Check)> {
    let mut files = Vec::new();
    for root in roots(root) {
        files.extend(binary.gnu_build_id().and_then(|id| by_build_id(&root, &id)).map(|path| (path, Check::BuildId)));
    }
    // A name with directories in it would lead elsewhere.
    let link = binary.debug_link().filter(|link| !link.name.contains('/'));
    if let (Some(link), Some(directory)) = (link, shown.parent()) {
        let directory = directory.strip_prefix("/").unwrap_or(directory);
        for root in roots(root) {
            let beside = root.join(directory);
            let apart = root.join(DEBUG_DIRECTORY).join(directory);
            let directories = [beside.clone(), beside.join(".debug"), apart];
            files.extend(directories.map(|directory| (directory.join(&link.name), Check::DebugLink)));
        }
    }
    files
}

/// Where the file may be that a debug file shares with others.
fn alternates(link: &AlternateLink, debug_file: &Path, root: &Path) -> Vec<PathBuf> {
    let named = Path::new(&link.path);
    let mut files: Vec<PathBuf> = match named.strip_prefix("/") {
        Ok(absolute) => roots(root).map(|root| root.join(absolute)).collect(),
        Err(_) => debug_file.parent().map(|directory| directory.join(named)).into_iter().collect(),
    };
    files.extend(roots(root).filter_map(|root| by_build_id(&root, &link.build_id)));
    files
}

fn by_build_id(root: &Path, id: &str) -> Option<PathBuf> {
    let (first, rest) = id.split_at_checked(2)?;
    Some(root.join(DEBUG_DIRECTORY).join(".build-id").join(first).join(format!("{rest}.debug")))
}

fn roots(root: &Path) -> impl Iterator<Item = PathBuf> {
    let own = Path::new("/");
    [root, own].into_iter().take(if root == own { 1 } else { 2 }).map(Path::to_owned)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe would wait for its other end.
    let metadata = path.metadata()?;
    if !metadata.is_file() || metadata.len() > MOST_DEBUG {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file of bearable size"));
    }
    let mut bytes = Vec::new();
    // It may have grown since.
    File::open(path)?.take(MOST_DEBUG).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Maps an executable. A file that is cut off while it is mapped would end this process with SIGBUS; the kernel lets nobody write to one
/// that is running (ETXTBSY), and an operator who plans for a file at rest is the one who holds it.
fn map(path: &Path) -> io::Result<Mmap> {
    // Before it is opened: opening a pipe would wait for its other end.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() == 0 || metadata.len() > MOST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} bytes are not an executable", metadata.len()),
        ));
    }
    // SAFETY: as above; nothing is kept of the bytes that a change could invalidate.
    unsafe { Mmap::map(&file) }
}
