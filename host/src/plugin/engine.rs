//! The WebAssembly engine that all plugins share, and the clock that interrupts them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

/// How often running calls are looked at. Limits of time are so many of these.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Compiles and runs plugins. Calls are interrupted by a thread that ends with the engine.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    numbers: AtomicU32,
    /// Dropped first, which ends the thread.
    stop: Option<mpsc::Sender<()>>,
    ticker: Option<JoinHandle<()>>,
}

impl Engine {
    /// # Errors
    /// If the machine cannot run compiled code, or a thread cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true).wasm_backtrace_max_frames(None);
        let wasmtime = wasmtime::Engine::new(&config).map_err(anyhow::Error::from);
        let wasmtime = wasmtime.context("make the webassembly engine")?;
        let (stop, stopped) = mpsc::channel();
        let engine = wasmtime.weak();
        let tick = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        };
        let ticker = std::thread::Builder::new().name("plugin-clock".into()).spawn(tick).context("start a thread")?;
        Ok(Self { wasmtime, numbers: AtomicU32::new(1), stop: Some(stop), ticker: Some(ticker) })
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    pub(super) fn next_number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(ticker) = self.ticker.take() {
            // It does nothing that can panic, and there is nobody to tell.
            let _ = ticker.join();
        }
    }
}
