//! `uprobed trace`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use uprobed::{
    discovery::{Command, Process, Selector, exit_code},
    export::collector::Endpoint,
    probes,
    session::Unattachable,
};

use super::{
    exit::Failure,
    output::{self, Format},
    select,
    watch::{Summary, Watch},
};

#[derive(Args)]
pub struct Arguments {
    /// Trace this process (repeatable)
    #[arg(long, value_name = "N")]
    pid: Vec<u32>,
    /// Trace every process that runs this executable, those to come included (repeatable)
    #[arg(long, value_name = "PATH")]
    exe: Vec<PathBuf>,
    /// Where the plugins are [default: beside the installation]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Stop after this time: 500ms, 10s, 5m, 1h
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    /// What is printed
    #[arg(long, value_enum, default_value = "tree")]
    format: Format,
    /// Print into this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Send to a collector as well: http://HOST:4318 or grpc://HOST:4317
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// Start this command and trace it and what it starts, from its first instruction
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Arguments {
    pub fn run(self) -> Result<u8> {
        if self.pid.is_empty() && self.exe.is_empty() && self.command.is_empty() {
            return Err(Failure::Usage("nothing selected: give --pid, --exe or -- COMMAND".into()).into());
        }
        let endpoint = self.otlp.as_deref().map(Endpoint::parse).transpose();
        let endpoint = endpoint.map_err(|error| Failure::Usage(format!("{error:#}")))?;
        let command = if self.command.is_empty() { None } else { Some(Command::new(self.command.clone())?) };
        let mut selectors = Vec::new();
        for pid in &self.pid {
            Process::read(*pid).map_err(|_| Unattachable::Ended(*pid))?;
            selectors.push(Selector::Pid(*pid));
        }
        for path in &self.exe {
            selectors.push(Selector::executable(path)?);
        }
        probes::check()?;
        let plugins = select::load(self.plugins.as_deref())?;
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().context("start the runtime")?;
        runtime.block_on(async {
            let sinks = output::sinks(Some(self.format), self.out.as_deref(), endpoint.as_ref())?;
            let watch = Watch::start(plugins, selectors, sinks)?;
            self.trace(watch, command).await
        })
    }

    async fn trace(&self, mut watch: Watch, command: Option<Command>) -> Result<u8> {
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for signals")?;
        let mut terminate = signal(SignalKind::terminate()).context("listen for signals")?;
        let held = command.as_ref().map(Command::hold).transpose()?;
        if let (Some(held), Some(command)) = (&held, &command) {
            watch.watch_held(held.pid, &command.executable)?;
        }
        watch.scan()?;
        let can_still_come = !self.exe.is_empty() || held.is_some();
        if watch.watched() == 0 && !can_still_come {
            return Err(nothing(watch));
        }
        let mut child = held.map(|held| held.release()).transpose()?;
        let mut end = std::pin::pin!(async {
            match self.time {
                Some(time) => sleep(time).await,
                None => std::future::pending().await,
            }
        });
        let mut status = None;
        loop {
            tokio::select! {
                result = watch.step() => result?,
                () = &mut end => break,
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                () = sleep(Duration::from_millis(20)), if child.is_some() => {}
            }
            if let Some(running) = &mut child
                && let Some(ended) = running.try_wait().context("wait for the command")?
            {
                status = Some(ended);
                break;
            }
            if watch.watched() == 0 && watch.has_watched() && !can_still_come {
                break;
            }
        }
        if let (Some(mut running), None) = (child, status) {
            // The command was started to be traced: it does not outlive its trace.
            rustix::process::kill_process(rustix::process::Pid::from_child(&running), rustix::process::Signal::TERM)
                .context("end the command")?;
            status = Some(running.wait().context("wait for the command")?);
        }
        if !watch.has_watched() && !watch.reasons().is_empty() {
            let code = status.map_or(0, exit_code);
            return if code == 0 { Err(nothing(watch)) } else { Ok(code) };
        }
        let summary = watch.finish().await?;
        summary.print();
        if let Some(lost) = summary.undelivered() {
            return Err(Failure::Output(lost).into());
        }
        Ok(status.map_or(0, exit_code))
    }
}

/// Every reason why nothing was attached; the exit code is the first one's.
fn nothing(watch: Watch) -> anyhow::Error {
    let reasons = watch.into_reasons();
    if reasons.is_empty() {
        return Failure::Nothing("nothing to attach to".into()).into();
    }
    let mut reasons: Vec<Unattachable> = reasons.into_values().collect();
    let first = reasons.remove(0);
    for other in reasons {
        anstream::eprintln!("{}error:{:#} {other}", super::RED, super::RED);
    }
    first.into()
}

impl Summary {
    /// One line: what was seen, what went out, what was lost and where.
    pub fn print(&self) {
        let (kernel, host) = (&self.counters, &self.counts);
        let collector = self.collector.unwrap_or_default();
        let exported = self.written.unwrap_or(host.spans.finished);
        let lost = kernel.lost() + host.lost() + collector.lost();
        let mut line =
            format!("seen events={} spans={} exported={exported} lost={lost}", host.records, host.spans.finished);
        let details = [
            ("kernel_ring_full", kernel.ring_full),
            ("kernel_no_scratch", kernel.no_scratch),
            ("kernel_spans_full", kernel.spans_full),
            ("kernel_tables_full", kernel.tables_full),
            ("captures_unreadable", kernel.unreadable),
            ("joins_ambiguous", kernel.ambiguous),
            ("undecoded", host.undecoded),
            ("stray", host.stray),
            ("output_full", host.output_full),
            ("spans_no_room", host.spans.no_room),
            ("spans_started_again", host.spans.started_again),
            ("ends_unpaired", host.spans.end_unpaired),
            ("events_unpaired", host.spans.event_unpaired),
            ("given_up", host.spans.given_up),
            ("ends_unobserved", host.spans.unobserved_end),
            ("dropped_by_plugin", host.spans.dropped),
            ("begun_before", kernel.unpaired),
            ("open_at_end", host.spans.open_at_end),
        ];
        for (name, count) in details {
            if count != 0 {
                line.push_str(&format!(" {name}={count}"));
            }
        }
        if let Some(collector) = &self.collector {
            line.push_str(&format!(" collector: {collector}"));
        }
        eprintln!("{line}");
    }

    /// What a collector did not get.
    pub fn undelivered(&self) -> Option<String> {
        let collector = self.collector.filter(|collector| collector.lost() > 0)?;
        Some(format!("{} spans did not reach the collector", collector.lost()))
    }
}
