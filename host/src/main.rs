//! The command line. What each command does is in `cli`; here it is only read, and its outcome becomes an exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;

use cli::{Arguments, Failure};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("UPROBED_LOG").unwrap_or_else(|_| "warn,wasmtime=error".into()),
        )
        .with_target(false)
        .without_time()
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .init();
    match arguments.run() {
        Ok(code) => code.into(),
        Err(error) => {
            cli::complain(&error);
            Failure::code_of(&error).into()
        }
    }
}
