//! `uprobed trace`.

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::{Child, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use uprobed::{
    discovery::{Command, Selector, exit_code},
    export::collector::Endpoint,
    probes,
    session::Unattachable,
};

use super::{
    exit::Failure,
    output::{self, Format},
    select, settings,
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
    #[command(flatten)]
    plugins: settings::Plugins,
    /// Stop after this time, and end the COMMAND: 500ms, 10s, 5m, 1h
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
    /// Start this command and trace it, from its first instruction, and what it starts, from a moment later
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
        probes::check()?;
        let command = if self.command.is_empty() { None } else { Some(self.find_command()?) };
        let mut selectors = Vec::new();
        for pid in &self.pid {
            select::process(*pid)?;
            selectors.push(Selector::Pid(*pid));
        }
        for path in &self.exe {
            selectors.push(select::executable(path)?);
        }
        let plugins = self.plugins.load()?;
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().context("start the runtime")?;
        runtime.block_on(async {
            let sinks = output::sinks(Some(self.format), self.out.as_deref(), endpoint.as_ref())?;
            let watch = Watch::start(plugins, selectors, sinks)?;
            watch.judge()?;
            self.trace(watch, command).await
        })
    }

    fn find_command(&self) -> Result<Command> {
        Command::new(self.command.clone()).map_err(|error| Failure::Usage(format!("{error:#}")).into())
    }

    async fn trace(&self, mut watch: Watch, command: Option<Command>) -> Result<u8> {
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for signals")?;
        let mut terminate = signal(SignalKind::terminate()).context("listen for signals")?;
        let held = command.as_ref().map(Command::hold).transpose()?;
        if let (Some(held), Some(command)) = (&held, &command) {
            watch.watch_held(held.pid, &command.executable)?;
        }
        watch.scan()?;
        let can_still_come = !self.exe.is_empty();
        if watch.watched() == 0 && !can_still_come && held.is_none() {
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
            if watch.is_output_over() {
                break;
            }
            if watch.watched() == 0 && watch.has_watched() && !can_still_come && child.is_none() {
                break;
            }
        }
        if let (Some(running), None) = (child, status) {
            status = Some(stop(running).await?);
        }
        let code = status.map_or(0, exit_code);
        if !watch.has_watched() && !watch.reasons().is_empty() {
            let error = nothing(watch);
            return if code == 0 { Err(error) } else { report(error, code) };
        }
        let summary = watch.finish().await?;
        summary.print();
        match summary.failure() {
            Some(failure) if code == 0 => Err(failure),
            Some(failure) => report(failure, code),
            None => Ok(code),
        }
    }
}

/// Says what went wrong where the command's own status is the one to pass on.
fn report(error: anyhow::Error, code: u8) -> Result<u8> {
    super::complain(&error);
    Ok(code)
}

/// The command was started to be traced: it does not outlive its trace.
async fn stop(mut running: Child) -> Result<ExitStatus> {
    const PATIENCE: u32 = 100;
    let pid = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("end the command")?;
    for _ in 0..PATIENCE {
        if let Some(status) = running.try_wait().context("wait for the command")? {
            return Ok(status);
        }
        sleep(Duration::from_millis(50)).await;
    }
    running.kill().context("end the command")?;
    running.wait().context("wait for the command")
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
        super::complain(other);
    }
    first.into()
}

impl Summary {
    /// One line: what was seen, what went out, what was lost and where.
    pub fn print(&self) {
        let (kernel, host) = (&self.counters, &self.counts);
        let collector = self.collector.unwrap_or_default();
        let exported = match (self.written, self.collector, &self.output) {
            (Some(written), _, _) => written,
            (None, Some(collector), None) => collector.exported,
            _ => 0,
        };
        let lost = kernel.lost() + host.lost() + collector.lost();
        let mut line =
            format!("seen events={} spans={} exported={exported} lost={lost}", host.records, host.spans.finished);
        let details = [
            ("kernel_ring_full", kernel.ring_full),
            ("kernel_no_scratch", kernel.no_scratch),
            ("kernel_spans_full", kernel.spans_full),
            ("kernel_tables_full", kernel.tables_full),
            ("captures_unreadable", kernel.unreadable),
            ("passed_over", kernel.passed_over),
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
            ("ends_without_start", kernel.unpaired),
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

    /// What did not get out: not to the collector, or not into the file. A reader that went away has what it wanted.
    pub fn failure(&self) -> Option<anyhow::Error> {
        if let Some(error) = &self.output {
            let is_pipe = |cause: &(dyn std::error::Error + 'static)| {
                cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
            };
            if !error.chain().any(is_pipe) {
                return Some(Failure::Output(format!("{error:#}")).into());
            }
        }
        let collector = self.collector.filter(|collector| collector.lost() > 0)?;
        Some(Failure::Output(format!("{} spans did not reach the collector", collector.lost())).into())
    }
}
