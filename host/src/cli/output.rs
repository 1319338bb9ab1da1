//! Where spans go, from the command line or the configuration.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::Arc,
};

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
    let (to, page): (Box<dyn Write + Send>, Page) = match out {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
            (Box::new(anstream::StripStream::new(BufWriter::new(file))), Page::of_file())
        }
        None => (Box::new(anstream::AutoStream::auto(io::stdout())), Page::of_stdout()),
    };
    Ok(match format {
        Format::Tree => Text::Tree(Tree::new(page, Bounds::default()), to),
        Format::Otlp => Text::Json(to),
    })
}
