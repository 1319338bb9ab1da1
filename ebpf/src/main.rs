//! The eBPF program: one uprobe program that serves every probe, and two tracepoints that tell of processes that come and go.
//! It knows no library; what to copy is data (`program`), what a hit means is in that program's head.
//!
//! - `maps`: the tables, all bounded, and the counters of what had to be left out;
//! - `hit`: from a hit to a record;
//! - `identity`: goroutines and open spans; `naming`: what else a span is found by; `parent`: whose children they are;
//! - `join`: spans of two processes of this machine;
//! - `context`: new ids.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod context;
#[cfg(target_arch = "bpf")]
mod hit;
#[cfg(target_arch = "bpf")]
mod identity;
#[cfg(target_arch = "bpf")]
mod join;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod naming;
#[cfg(target_arch = "bpf")]
mod parent;

#[cfg(target_arch = "bpf")]
mod program {
    use aya_ebpf::{
        EbpfContext,
        helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns},
        macros::{raw_tracepoint, uprobe},
        programs::{ProbeContext, RawTracePointContext},
    };
    use uprobed_ebpf::wire::{Record, SpanContext, kind};

    use crate::{hit, maps};

    /// Every probe where the kernel attaches all sites in one call (6.6 and later).
    #[uprobe(multi, sleepable)]
    pub fn probe_multi(context: ProbeContext) -> u32 {
        serve(&context)
    }

    /// Every probe where programs on uprobes may sleep and have tables that grow (6.1 and later): attached site by site.
    #[uprobe(sleepable)]
    pub fn probe_single_sleepable(context: ProbeContext) -> u32 {
        serve(&context)
    }

    /// Every probe elsewhere, likewise.
    #[uprobe]
    pub fn probe_single(context: ProbeContext) -> u32 {
        serve(&context)
    }

    #[inline(always)]
    fn serve(context: &ProbeContext) -> u32 {
        keep_the_stack_apart();
        hit::hit(context.as_ptr());
        // A return other than 0 could remove the probe (uprobe consumers, before 6.13).
        0
    }

    /// Has each task keep its values on its own stack. Linux 6.13 and later put larger stacks of such programs into memory of the CPU's,
    /// which the next task's hit overwrites while this one is preempted or sleeps (`PRIV_STACK_ADAPTIVE` in kernel/bpf/verifier.c). They
    /// leave it where a program has a tail call anywhere; this one is never made.
    #[inline(always)]
    fn keep_the_stack_apart() {
        if maps::is_set(&raw const NEVER) {
            // SAFETY: the verifier knows that nothing comes here, and removes it.
            unsafe {
                core::arch::asm!("call 12", out("r0") _, out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _);
            }
        }
    }

    static NEVER: u8 = 0;

    #[raw_tracepoint(tracepoint = "sched_process_exec")]
    pub fn process_exec(_: RawTracePointContext) -> i32 {
        tell(kind::EXEC);
        0
    }

    #[raw_tracepoint(tracepoint = "sched_process_exit")]
    pub fn process_exit(_: RawTracePointContext) -> i32 {
        let id = bpf_get_current_pid_tgid();
        let pid = (id >> 32) as u32;
        // The first thread stands for the process, and only watched ones matter.
        if pid == id as u32 && maps::process(pid).is_some() {
            tell(kind::EXIT);
        }
        0
    }

    #[inline(always)]
    fn tell(kind: u8) {
        let id = bpf_get_current_pid_tgid();
        let record = Record {
            length: size_of::<Record>() as u32,
            kind,
            parent_source: 0,
            probe: 0,
            // SAFETY: the helper has no preconditions.
            time: unsafe { bpf_ktime_get_boot_ns() },
            span: SpanContext { trace: [0; 2], span: 0 },
            parent: 0,
            goroutine: 0,
            plugin: 0,
            process: (id >> 32) as u32,
            thread: id as u32,
            reserved: 0,
        };
        maps::output(&raw const record as *mut u8, size_of::<Record>() as u32, true);
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }

    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
