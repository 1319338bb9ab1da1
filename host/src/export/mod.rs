//! Where finished spans go: a collector, a file or pipe as OTLP/JSON, and trees for people. None of them ever waits for
//! the other, and none holds more than its named bounds.

pub mod collector;
pub mod json;
pub mod otlp;
#[cfg(test)]
mod sample;
pub mod tree;
