//! The last step, on a thread of its own because a pipe or a disk can be slow: to people or to a file, and to the collector's queue.

use std::{
    collections::HashMap,
    io::Write,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};

use crate::{
    export::{collector::Collector, json, tree::Tree},
    resource::Resource,
    spans::FinishedSpan,
};

/// Spans that wait for a slow output.
const WAITING: usize = 65_536;
/// Spans of one line of OTLP/JSON, at most.
const LINE: usize = 512;
/// How often trees are looked at and lines are written if they are not full.
const TICK: Duration = Duration::from_millis(100);

/// The sending end. The collector has a queue of its own.
pub struct Output {
    sender: Option<SyncSender<(FinishedSpan, Arc<Resource>)>>,
    collector: Option<Arc<Collector>>,
}

/// Where to.
pub struct Sinks {
    pub text: Option<Text>,
    pub collector: Option<Arc<Collector>>,
}

/// A format and where it is written.
pub enum Text {
    Tree(Tree, Box<dyn Write + Send>),
    Json(Box<dyn Write + Send>),
}

/// The writing thread; joined at the end, for its error.
pub type Writer = JoinHandle<Result<u64>>;

impl Output {
    pub fn start(sinks: Sinks) -> Result<(Self, Option<Writer>)> {
        let Sinks { text, collector } = sinks;
        let Some(text) = text else { return Ok((Self { sender: None, collector }, None)) };
        let (sender, inbox) = sync_channel(WAITING);
        let writer =
            thread::Builder::new().name("output".into()).spawn(move || write(text, inbox)).context("start a thread")?;
        Ok((Self { sender: Some(sender), collector }, Some(writer)))
    }

    /// False if there was no room for it.
    pub fn send(&self, span: FinishedSpan, resource: &Arc<Resource>) -> bool {
        match (&self.sender, &self.collector) {
            (Some(sender), Some(collector)) => {
                collector.send(span.clone(), resource);
                sender.try_send((span, resource.clone())).is_ok()
            }
            (Some(sender), None) => sender.try_send((span, resource.clone())).is_ok(),
            (None, Some(collector)) => {
                collector.send(span, resource);
                true
            }
            (None, None) => true,
        }
    }
}

/// Waits for the writer and gives the number of spans that it wrote.
pub fn join(writer: Writer) -> Result<u64> {
    writer.join().map_err(|_| anyhow!("the thread that writes spans failed"))?
}

fn write(text: Text, inbox: Receiver<(FinishedSpan, Arc<Resource>)>) -> Result<u64> {
    match text {
        Text::Tree(tree, to) => write_trees(tree, to, &inbox),
        Text::Json(to) => write_lines(to, &inbox),
    }
}

fn write_lines(mut to: Box<dyn Write + Send>, inbox: &Receiver<(FinishedSpan, Arc<Resource>)>) -> Result<u64> {
    let (mut written, mut line) = (0, Vec::new());
    loop {
        let is_over = match inbox.recv_timeout(TICK) {
            Ok(span) => {
                line.push(span);
                line.extend(inbox.try_iter().take(LINE - 1));
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        if !line.is_empty() {
            let (spans, resources): (Vec<_>, HashMap<_, _>) = line
                .drain(..)
                .map(|(span, resource)| {
                    let process = span.process;
                    (span, (process, resource))
                })
                .unzip();
            json::write_line(&mut to, &spans, |process| resources.get(&process).cloned()).context("write spans")?;
            written += spans.len() as u64;
        }
        if is_over {
            to.flush().context("write spans")?;
            return Ok(written);
        }
    }
}

fn write_trees(
    mut tree: Tree,
    mut to: Box<dyn Write + Send>,
    inbox: &Receiver<(FinishedSpan, Arc<Resource>)>,
) -> Result<u64> {
    let mut written = 0;
    loop {
        let is_over = match inbox.recv_timeout(TICK) {
            Ok((span, resource)) => {
                tree.add(&span, resource.service_name(), Instant::now(), &mut to).context("write spans")?;
                written += 1;
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        if is_over {
            tree.finish(&mut to).context("write spans")?;
            to.flush().context("write spans")?;
            return Ok(written);
        }
        tree.tick(Instant::now(), &mut to).context("write spans")?;
    }
}
