//! Where in a function a probe costs least, and is hit once for each call or return. Decides on the instructions alone, which it
//! disassembles (`amd64`, `arm64`) and follows (`body`). Leaves to others what a probe there reads.
//!
//! The kernel emulates some instructions (which, `amd64` and `arm64` say); everything else is single-stepped, a second trap, and a few
//! are refused. A Go function begins with a check of its stack, which starts the function over once the stack has grown; so the
//! first instruction is not only dear, it runs twice.

mod amd64;
mod arm64;
mod body;
mod landing;
mod machine;
mod tables;

use super::{Architecture, Binary, Function};
use amd64::Amd64;
use arm64::Arm64;
use body::Body;
use machine::{Flow, Instruction, Machine};

/// What one hit costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cost {
    /// The kernel emulates the instruction: one trap.
    Emulated,
    /// The kernel single-steps it: two traps.
    Stepped,
}

/// An instruction to put a probe on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Site {
    /// Link-time address.
    pub address: u64,
    /// The same in the file, as uprobes want it.
    pub file_offset: u64,
    /// For people: in Intel syntax on amd64, in Arm's on arm64.
    pub instruction: String,
    pub cost: Cost,
    /// A branch to the growing of the stack: a hit where it will be taken is to be ignored, the function starts over. It is taken where
    /// the unsigned comparison came out as below or equal: on amd64 (`jbe`) CF or ZF is set, on arm64 (`b.ls`) C is clear or Z is set.
    pub ignore_if_below_or_equal: bool,
}

/// Why a function is not probed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("in the FIPS module's text, which checks itself")]
    Fips,
    #[error("ends in a tail jump to {0}")]
    TailJump(String),
    #[error("no code to read: {0}")]
    NoCode(String),
    #[error("not to be disassembled at {0:#x}")]
    Undecodable(u64),
    #[error("never returns")]
    NoReturn,
    #[error("does not call {0}")]
    NoCall(String),
    /// The kernel does not put a uprobe on this instruction.
    #[error("the kernel puts no probe on {instruction} at {address:#x}")]
    Kernel { instruction: String, address: u64 },
    #[error("its first instruction is that of a loop at {0:#x}")]
    Loop(u64),
    #[error("calls a part of itself at {0:#x}, which returns too")]
    Subroutine(u64),
    /// Code that is entered in an unknown way, or data: a probe there would change it, and none there could miss returns.
    #[error("nothing leads to {0:#x}, which is perhaps data, perhaps where it returns")]
    Unreached(u64),
    /// Of its entry no more than the first instructions is needed.
    #[error("its symbol has no size, so it may return from elsewhere")]
    NoSize,
}

/// Where the arguments are in place, hit once for each call: of a Go function on amd64 the `push rbp` after the stack check (Go 1.21 and
/// later), else the check's last branch, on arm64 too. Of any other function the first instruction, or one behind it that is
/// emulated if all between change nothing. Everywhere the return address is where the call put it: `[rsp]` on amd64, LR on arm64.
pub fn entry_site(binary: &Binary, function: &Function) -> Result<Site, Refusal> {
    match binary.architecture() {
        Architecture::Amd64 => entry::<Amd64>(binary, function),
        Architecture::Arm64 => entry::<Arm64>(binary, function),
    }
}

/// Every instruction that returns from the function, if it is sure that these are all, and that they are instructions. The return address is where the call put it: `[rsp]` on amd64, LR on arm64.
pub fn return_sites(binary: &Binary, function: &Function) -> Result<Vec<Site>, Refusal> {
    match binary.architecture() {
        Architecture::Amd64 => returns::<Amd64>(binary, function),
        Architecture::Arm64 => returns::<Arm64>(binary, function),
    }
}

/// Every direct call of `callee` in the function; at least one.
pub fn call_sites(binary: &Binary, function: &Function, callee: &str) -> Result<Vec<Site>, Refusal> {
    match binary.architecture() {
        Architecture::Amd64 => calls::<Amd64>(binary, function, callee),
        Architecture::Arm64 => calls::<Arm64>(binary, function, callee),
    }
}

fn entry<M: Machine>(binary: &Binary, function: &Function) -> Result<Site, Refusal> {
    let body = Body::<M>::read(binary, function)?;
    let start = body.start();
    // Who jumps between the first instruction and the site, other than to start over, would hit it again or never.
    let is_entered = |site: u64| body.targets().any(|target| start < target && target <= site);
    if let Some((site, ignored_if_taken)) = M::after_check(&body).filter(|(site, _)| !is_entered(site.address)) {
        return body.site(&site, ignored_if_taken);
    }
    let instructions: Vec<_> = body.leading().take(LEADING).collect();
    let first = *instructions.first().ok_or_else(|| Refusal::NoCode(format!("{} is empty", function.name)))?;
    let starts_over = body.grows_stack();
    if !starts_over && body.targets().any(|target| target == start) {
        return Err(Refusal::Loop(start));
    }
    // Everything up to the first that does something: `endbr64; push rbp`.
    let idle = instructions.iter().take_while(|instruction| instruction.flow == Flow::Nothing).count();
    let candidates = instructions.iter().take(idle + 1).filter(|instruction| !is_entered(instruction.address));
    let cost = |instruction: &&&Instruction<M::Detail>| body.cost(instruction);
    let best = candidates.clone().find(|instruction| cost(instruction) == Some(Cost::Emulated));
    let best = best.or_else(|| candidates.clone().find(|instruction| cost(instruction).is_some()));
    body.site(best.unwrap_or(&first), false)
}

fn returns<M: Machine>(binary: &Binary, function: &Function) -> Result<Vec<Site>, Refusal> {
    if function.size == 0 {
        return Err(Refusal::NoSize);
    }
    let body = Body::<M>::read(binary, function)?;
    if let Some(&exit) = body.exits.first() {
        let name = exit.and_then(|target| binary.function_at(target)).map(|function| function.name);
        let unknown = || exit.map_or_else(|| UNKNOWN.to_owned(), |target| format!("{target:#x}"));
        return Err(Refusal::TailJump(name.unwrap_or_else(unknown)));
    }
    if let Some(inner) = body.subroutine() {
        return Err(Refusal::Subroutine(inner));
    }
    if let Some(address) = body.unreached_exit() {
        return Err(Refusal::Unreached(address));
    }
    let returns = body.instructions().filter(|instruction| instruction.flow == Flow::Return);
    let sites = returns.map(|instruction| body.site(instruction, false)).collect::<Result<Vec<_>, _>>()?;
    if sites.is_empty() { Err(Refusal::NoReturn) } else { Ok(sites) }
}

fn calls<M: Machine>(binary: &Binary, function: &Function, callee: &str) -> Result<Vec<Site>, Refusal> {
    if function.size == 0 {
        return Err(Refusal::NoSize);
    }
    let body = Body::<M>::read(binary, function)?;
    let target = binary.function(callee).ok_or_else(|| Refusal::NoCall(callee.into()))?.address;
    let calls = body.instructions().filter(|instruction| instruction.flow == Flow::Call(Some(target)));
    let sites = calls.map(|call| body.site(call, false)).collect::<Result<Vec<_>, _>>()?;
    if sites.is_empty() { Err(Refusal::NoCall(callee.into())) } else { Ok(sites) }
}

/// Instructions looked at for one that does something.
const LEADING: usize = 8;
const UNKNOWN: &str = "an address known only when it runs";
