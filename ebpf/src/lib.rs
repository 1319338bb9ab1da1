//! What both sides of the kernel boundary share: the capture program that the host writes and the probe interprets
//! (`program`), the interpreter (`interpret`), and what crosses the maps and the ring buffer (`wire`).
//!
//! No dependencies and no kernel: all of it runs natively in tests. The eBPF program around it is `main.rs`.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod interpret;
mod map;
pub mod program;
mod slice;
mod state;
pub mod traceparent;
pub mod wire;
