//! Where spans go, from the command line or the configuration.

use std::{
    fs::File,
    io::{self, BufWriter},
    path::Path,
    sync::Arc,
};

use anstream::{AutoStream, StripStream};
use anyhow::{Context, Result};
use clap::ValueEnum;

use uprobed::{
    events::{Sinks, Text},
    export::{
        collector::{Collector, Endpoint, Pace},
        tree::{Bounds, Page, Tree},
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: a waterfall for each trace
    Tree,
    /// One OTLP/JSON ExportTraceServiceRequest a line
    Otlp,
}

/// Text to a file or standard output, and spans to a collector.
pub fn sinks(format: Option<Format>, out: Option<&Path>, endpoint: Option<&Endpoint>) -> Result<Sinks> {
    let text = format.map(|format| text(format, out)).transpose()?;
    let collector = endpoint.map(|endpoint| Collector::new(endpoint, Pace::default())).transpose()?;
    Ok(Sinks { text, collector: collector.map(Arc::new) })
}

fn text(format: Format, out: Option<&Path>) -> Result<Text> {
    let file = out.map(|path| File::create(path).with_context(|| format!("create {}", path.display()))).transpose()?;
    Ok(match (format, file) {
        (Format::Tree, Some(file)) => {
            Text::Tree(Tree::new(Page::of_file(), Bounds::default()), Box::new(StripStream::new(file)))
        }
        (Format::Tree, None) => {
            Text::Tree(Tree::new(Page::of_stdout(), Bounds::default()), Box::new(AutoStream::auto(io::stdout())))
        }
        (Format::Otlp, Some(file)) => Text::Json(Box::new(BufWriter::new(file))),
        (Format::Otlp, None) => Text::Json(Box::new(BufWriter::new(io::stdout()))),
    })
}
