//! The WebAssembly engine that all plugins share, and the clock that interrupts them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

/// How often running calls are looked at. Limits of time are so many of these.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Compiles plugins.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    clock: Arc<Clock>,
    numbers: AtomicU32,
}

impl Engine {
    /// # Errors
    /// If the machine cannot run compiled code, or a thread cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true).wasm_backtrace_max_frames(None);
        let wasmtime = wasmtime::Engine::new(&config).map_err(anyhow::Error::from);
        let wasmtime = wasmtime.context("make the webassembly engine")?;
        let clock = Clock::start(&wasmtime).context("start a thread")?;
        Ok(Self { wasmtime, clock: Arc::new(clock), numbers: AtomicU32::new(1) })
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// Whoever calls into a plugin keeps this.
    pub(super) fn clock(&self) -> Arc<Clock> {
        self.clock.clone()
    }

    pub(super) fn next_number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// A thread without which no call would be interrupted. It ends with the last plugin.
pub(super) struct Clock {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let engine = engine.weak();
        let tick = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new().name("plugin-clock".into()).spawn(tick)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It does nothing that can panic, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}
