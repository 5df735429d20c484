//! The instructions of single calls: `heap/instructions/…`.
//!
//! A child process makes calls that are meant to be hard for a heap of 2 MiB. This process traces it and executes
//! each call in single steps (`PTRACE_SINGLESTEP`), so the numbers are exact and do not depend on the machine. The
//! calls are the same for every contender. Instructions of the C library, which copies and fills memory, are not
//! counted. What the markers around a call cost is measured on an empty call and subtracted.
//!
//! The number of calls is what the budget allows, at most [`MOST`]; all contenders make equally many. A step takes
//! 32 µs on a virtual machine that was measured: `tests/placement/calls` counts the same calls in a trace of
//! valgrind, which is far faster.

use std::alloc::Layout;
use std::arch::asm;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::harness::{Placement, Row};
use crate::heap::contenders::{self, Heap, Visit};
use crate::heap::hostile::{Calls, play};
use crate::options::Options;

/// The largest number of calls.
const MOST: u64 = 1_000_000;
/// The number of calls of a contender before it is another one's turn.
const BLOCK: u64 = 250;
/// The length of the region in bytes.
const LEN: usize = 2 << 20;

/// The calls, in the order of the rows.
pub const BENCHES: &[&str] = &[
    "heap/instructions/alloc",
    "heap/instructions/free",
    "heap/instructions/realloc",
];

/// What kind a call is: an index of [`BENCHES`], or one of these.
const EMPTY: u32 = 3;
const PAUSE: u32 = 4;

/// What the child tells about the call that it is about to make.
struct Told {
    inside: AtomicBool,
    kind: AtomicU32,
    phase: AtomicU32,
    size: AtomicU64,
    align: AtomicU64,
}

/// The greatest number of instructions of a kind of call, and the call.
#[derive(Clone, Copy, Debug, Default)]
struct Greatest {
    instructions: u64,
    sum: u64,
    calls: u64,
    at: u64,
    phase: u32,
    size: u64,
    align: u64,
}

/// Runs the benches, if the options select any.
pub fn run(options: &Options) -> Result<Vec<Row>, String> {
    if !BENCHES.iter().any(|bench| options.wants(bench)) {
        return Ok(Vec::new());
    }
    let mut all = Spawn(Vec::new());
    contenders::traced(LEN, &mut all)?;
    let mut all = all.0;
    let start = Instant::now();
    let mut calls = 0;
    while calls < MOST && (calls == 0 || start.elapsed() < options.budget) {
        for child in &mut all {
            child.block(calls)?;
        }
        calls += BLOCK;
    }
    if !options.json {
        report(&all, calls);
    }
    let rows = |(i, bench): (usize, &&str)| {
        let row = |child: &Child| Row {
            bench: (*bench).to_owned(),
            contender: child.name.to_owned(),
            wait: "",
            placement: Placement::Single,
            median: child.greatest[i].instructions as f64,
            min: child.greatest[i].sum as f64 / child.greatest[i].calls.max(1) as f64,
            samples: child.greatest[i].calls as usize,
            ratio: None,
        };
        all.iter().map(row).collect::<Vec<_>>()
    };
    let mut rows: Vec<Row> = BENCHES.iter().enumerate().flat_map(rows).collect();
    rows.retain(|row| options.wants(&row.bench));
    Ok(rows)
}

/// Prints the calls that took most.
fn report(all: &[Child], calls: u64) {
    println!("\nthe longest of {calls} calls, in instructions without those that copy");
    for child in all {
        for (bench, most) in BENCHES.iter().zip(&child.greatest) {
            let Greatest { size, align, .. } = most;
            println!(
                "  {:<24} {:<8} {:>6}  mean {:>6.1}  call {} of `{}`: {size} bytes aligned to {align}",
                child.name,
                bench.rsplit('/').next().unwrap_or_default(),
                most.instructions,
                most.sum as f64 / most.calls.max(1) as f64,
                most.at,
                crate::heap::hostile::PHASES[most.phase as usize],
            );
        }
    }
}

/// A contender in a process of its own.
struct Child {
    name: &'static str,
    id: libc::pid_t,
    told: NonNull<Told>,
    /// The instructions of an empty call.
    empty: u64,
    greatest: [Greatest; 3],
}

struct Spawn(Vec<Child>);

impl Visit for Spawn {
    fn visit<H: Heap + 'static>(
        &mut self,
        name: &'static str,
        make: &dyn Fn() -> Result<H, String>,
    ) -> Result<(), String> {
        let heap = make()?;
        self.0.push(Child::spawn(name, heap)?);
        Ok(())
    }
}

impl Child {
    fn spawn(name: &'static str, heap: impl Heap) -> Result<Self, String> {
        let told = shared()?;
        // SAFETY: no other thread runs now. The child only uses the heap and the shared page, and never returns.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: this process is the child; its parent traces it from here on.
                unsafe {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                    libc::raise(libc::SIGSTOP);
                }
                // SAFETY: the page stays mapped.
                let mut caller = Caller::new(heap, unsafe { told.as_ref() });
                caller.stepped(EMPTY, Layout::new::<u8>(), |_| ());
                play(&mut caller);
                // SAFETY: ends the child without destructors.
                unsafe { libc::_exit(0) }
            }
            -1 => Err(format!("fork: {}", std::io::Error::last_os_error())),
            id => {
                let mut child = Self {
                    name,
                    id,
                    told,
                    empty: 0,
                    greatest: Default::default(),
                };
                child.wait()?;
                child.go_on()?;
                child.empty = child.count()?;
                child.go_on()?;
                Ok(child)
            }
        }
    }

    fn told(&self) -> &Told {
        // SAFETY: the page stays mapped.
        unsafe { self.told.as_ref() }
    }

    /// Counts the calls of one block, the first of which has the number `first`.
    fn block(&mut self, first: u64) -> Result<(), String> {
        let mut number = first;
        loop {
            let kind = self.told().kind.load(Relaxed);
            if kind == PAUSE {
                return self.go_on();
            }
            let instructions = self.count()?.saturating_sub(self.empty);
            let told = self.told();
            let (phase, size, align) = (&told.phase, &told.size, &told.align);
            let (phase, size, align) =
                (phase.load(Relaxed), size.load(Relaxed), align.load(Relaxed));
            let most = &mut self.greatest[kind as usize];
            most.sum += instructions;
            most.calls += 1;
            if instructions > most.instructions {
                *most = Greatest {
                    instructions,
                    at: number,
                    phase,
                    size,
                    align,
                    ..*most
                };
            }
            number += 1;
            self.go_on()?;
        }
    }

    /// Executes the call in which the child is, and returns the number of its instructions.
    fn count(&self) -> Result<u64, String> {
        let mut count = 0;
        while self.told().inside.load(Relaxed) {
            self.request(libc::PTRACE_SINGLESTEP, 0)?;
            self.wait()?;
            count += 1;
            if self.is_in_library()? {
                self.leave_library()?;
            }
        }
        Ok(count)
    }

    /// Lets the child run to the next marker.
    fn go_on(&self) -> Result<(), String> {
        self.request(libc::PTRACE_CONT, 0)?;
        self.wait()
    }

    /// Whether the next instruction is not one of this program.
    fn is_in_library(&self) -> Result<bool, String> {
        let at = self.peek(libc::PTRACE_PEEKUSER, RIP)?;
        Ok(!program().contains(&at))
    }

    /// At the first instruction of a function of the C library: lets the child run until the function returns.
    fn leave_library(&self) -> Result<(), String> {
        const BREAKPOINT: u64 = 0xCC;
        let stack = self.peek(libc::PTRACE_PEEKUSER, RSP)?;
        let back = self.peek(libc::PTRACE_PEEKDATA, stack)?;
        let code = self.peek(libc::PTRACE_PEEKDATA, back)?;
        self.poke(libc::PTRACE_POKEDATA, back, code & !0xFF | BREAKPOINT)?;
        self.go_on()?;
        self.poke(libc::PTRACE_POKEDATA, back, code)?;
        self.poke(libc::PTRACE_POKEUSER, RIP, back)
    }

    fn peek(&self, what: libc::c_uint, at: u64) -> Result<u64, String> {
        // SAFETY: the child is stopped. A word of all ones may also be an error, which errno tells.
        unsafe {
            *libc::__errno_location() = 0;
            let word = libc::ptrace(what, self.id, at, 0);
            match *libc::__errno_location() {
                0 => Ok(word as u64),
                _ => Err(self.failed("peek")),
            }
        }
    }

    fn poke(&self, what: libc::c_uint, at: u64, word: u64) -> Result<(), String> {
        // SAFETY: the child is stopped, and runs the same program.
        match unsafe { libc::ptrace(what, self.id, at, word) } {
            -1 => Err(self.failed("poke")),
            _ => Ok(()),
        }
    }

    fn request(&self, what: libc::c_uint, signal: usize) -> Result<(), String> {
        // SAFETY: the child is stopped.
        match unsafe { libc::ptrace(what, self.id, 0, signal) } {
            -1 => Err(self.failed("ptrace")),
            _ => Ok(()),
        }
    }

    /// Waits until the child stops.
    fn wait(&self) -> Result<(), String> {
        let mut status = 0;
        // SAFETY: the child exists.
        let id = unsafe { libc::waitpid(self.id, &mut status, 0) };
        let traps = [libc::SIGTRAP, libc::SIGSTOP];
        match id == self.id && libc::WIFSTOPPED(status) && traps.contains(&libc::WSTOPSIG(status)) {
            true => Ok(()),
            false => Err(format!(
                "{}: the traced process ended ({status:#x})",
                self.name
            )),
        }
    }

    fn failed(&self, what: &str) -> String {
        format!("{}: {what}: {}", self.name, std::io::Error::last_os_error())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the child exists, and is waited for once.
        unsafe {
            libc::kill(self.id, libc::SIGKILL);
            libc::waitpid(self.id, ptr::null_mut(), 0);
        }
    }
}

/// The offsets of registers in `struct user`.
const RIP: u64 = 16 * 8;
const RSP: u64 = 19 * 8;

/// The addresses of this program's code.
fn program() -> std::ops::Range<u64> {
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    // The linker defines both.
    (&raw const __executable_start) as u64..(&raw const etext) as u64
}

/// A page that this process and its children share.
fn shared() -> Result<NonNull<Told>, String> {
    // SAFETY: a new mapping, of zeros, which are a valid value. It is never unmapped.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size_of::<Told>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    match page {
        libc::MAP_FAILED => Err(std::io::Error::last_os_error().to_string()),
        page => NonNull::new(page.cast()).ok_or_else(|| "mmap returned null".to_owned()),
    }
}

/// The child's side: makes calls between markers.
struct Caller<'t, H> {
    heap: H,
    told: &'t Told,
    left: u64,
}

impl<'t, H: Heap> Caller<'t, H> {
    fn new(heap: H, told: &'t Told) -> Self {
        Self {
            heap,
            told,
            left: BLOCK,
        }
    }

    #[inline(never)]
    fn stepped<T>(&mut self, kind: u32, layout: Layout, call: impl FnOnce(&mut H) -> T) -> T {
        self.told.size.store(layout.size() as u64, Relaxed);
        self.told.align.store(layout.align() as u64, Relaxed);
        self.told.kind.store(kind, Relaxed);
        self.told.inside.store(true, Relaxed);
        // SAFETY: the tracer takes the trap.
        unsafe { asm!("int3") };
        let result = call(&mut self.heap);
        // SAFETY: no instruction. The call's writes stay before the store.
        unsafe { asm!("") };
        self.told.inside.store(false, Relaxed);
        result
    }

    /// After a call: a marker when the block is over.
    fn counted(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.left = BLOCK;
            self.told.kind.store(PAUSE, Relaxed);
            // SAFETY: the tracer takes the trap.
            unsafe { asm!("int3") };
        }
    }
}

impl<H: Heap> Calls for Caller<'_, H> {
    fn phase(&mut self, phase: usize) {
        self.told.phase.store(phase as u32, Relaxed);
    }

    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        let at = self.stepped(0, layout, |heap| heap.alloc(layout));
        self.counted();
        at
    }

    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        self.stepped(1, layout, |heap| unsafe { heap.free(object, layout) });
        self.counted();
    }

    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let at = self.stepped(2, layout, |heap| {
            // SAFETY: by the contract.
            unsafe { heap.realloc(object, layout, size) }
        });
        self.counted();
        at
    }
}
