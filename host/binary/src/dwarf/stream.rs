//! A section from its beginning to its end through a window, decompressed on the way, so that memory does not grow with it.

use flate2::{Decompress, FlushDecompress, Status};
use object::{CompressedData, CompressionFormat};
use ruzstd::decoding::StreamingDecoder;
use std::io::Read;

use super::sections::broken;
use crate::Error;

const NAME: &str = ".debug_info";
/// Of what is decompressed at a time.
const WINDOW: usize = 256 << 10;

pub(super) struct Stream<'d> {
    source: Source<'d>,
    /// What was decompressed and not passed by yet, from `at` on. Unused where the section is not compressed.
    window: Vec<u8>,
    at: usize,
    /// The offset in the section of `window[at]`.
    offset: u64,
    length: u64,
    /// Of the section, in the file.
    place: u64,
}

enum Source<'d> {
    Whole(&'d [u8]),
    Zlib { input: &'d [u8], state: Box<Decompress>, taken: usize },
    Zstandard(Box<StreamingDecoder<&'d [u8], ruzstd::decoding::FrameDecoder>>),
}

impl<'d> Stream<'d> {
    /// Of a section that is at this place in the file.
    pub fn new(section: CompressedData<'d>, place: u64) -> Result<Self, Error> {
        let input = section.data;
        let source = match section.format {
            CompressionFormat::None => Source::Whole(input),
            CompressionFormat::Zlib => Source::Zlib { input, state: Box::new(Decompress::new(true)), taken: 0 },
            CompressionFormat::Zstandard => {
                let decoder = StreamingDecoder::new(input).map_err(|error| broken(NAME, place, &error))?;
                Source::Zstandard(Box::new(decoder))
            }
            _ => return Err(broken(NAME, place, &"compressed in a way that is not known")),
        };
        Ok(Self { source, window: Vec::new(), at: 0, offset: 0, length: section.uncompressed_size, place })
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// What comes next: at least so many bytes, unless the section ends before.
    #[inline]
    pub fn next(&mut self, wanted: usize) -> Result<&[u8], Error> {
        match self.source {
            Source::Whole(bytes) => {
                Ok(usize::try_from(self.offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default())
            }
            _ => {
                if self.window.len() - self.at < wanted {
                    self.fill(wanted)?;
                }
                Ok(&self.window[self.at..])
            }
        }
    }

    /// Past what was read.
    #[inline]
    pub fn pass(&mut self, count: usize) {
        self.offset = self.offset.saturating_add(count as u64);
        self.at = self.at.saturating_add(count).min(self.window.len());
    }

    /// To a later place, however far.
    pub fn skip_to(&mut self, offset: u64) -> Result<(), Error> {
        while self.offset < offset {
            let there = self.next(1)?.len() as u64;
            if there == 0 {
                return Err(Error::Corrupt(format!("its .debug_info: it ends at {:#x}, within a unit", self.offset)));
            }
            self.pass(there.min(offset - self.offset) as usize);
        }
        Ok(())
    }

    fn fill(&mut self, wanted: usize) -> Result<(), Error> {
        self.window.drain(..self.at);
        self.at = 0;
        let end = self.offset + self.window.len() as u64;
        let left = usize::try_from(self.length.saturating_sub(end)).unwrap_or(usize::MAX);
        let mut more = wanted.max(WINDOW).saturating_sub(self.window.len()).min(left);
        while more > 0 {
            let from = self.window.len();
            self.window.resize(from + more, 0);
            let count = self.source.read(&mut self.window[from..]);
            let count = count.map_err(|error| {
                let at = end + from as u64;
                broken(NAME, self.place, &format!("compressed data broken where {at:#x} of it should follow: {error}"))
            })?;
            self.window.truncate(from + count);
            if count == 0 {
                let text =
                    format!("compressed data ends at {:#x}, not at {:#x}", self.offset + from as u64, self.length);
                return Err(broken(NAME, self.place, &text));
            }
            more -= count;
        }
        Ok(())
    }
}

impl Source<'_> {
    fn read(&mut self, output: &mut [u8]) -> Result<usize, String> {
        match self {
            Self::Whole(_) => Ok(0),
            Self::Zstandard(decoder) => decoder.read(output).map_err(|error| error.to_string()),
            Self::Zlib { input, state, taken } => loop {
                let rest = input.get(*taken..).unwrap_or_default();
                let (before_in, before_out) = (state.total_in(), state.total_out());
                let status =
                    state.decompress(rest, output, FlushDecompress::None).map_err(|error| error.to_string())?;
                *taken += (state.total_in() - before_in) as usize;
                let written = (state.total_out() - before_out) as usize;
                let is_stuck = state.total_in() == before_in || status != Status::Ok;
                if written > 0 || is_stuck {
                    return Ok(written);
                }
            },
        }
    }
}
