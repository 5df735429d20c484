//! Hostile calls of a heap on a Cortex-M3, each counted: the command line is `HEAP CALLS LEN`, with `LEN` bytes of heap.
//!
//! Prints `known NUMBER COUNT` for pieces of code whose number of instructions is known, and `empty COUNT` for no call,
//! which the following counts do not contain. Then, for each kind of calls, `KIND LONGEST SUM CALLS TEXT`; the text says what
//! the longest call was. Instructions that copy do not count.
#![no_std]
#![no_main]

// What the script and the heaps' file name `std`.
extern crate alloc as std;

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::fmt::Write;
use core::panic::PanicInfo;
use core::ptr::NonNull;

use framepool::heap::{CriticalSection, Unlocked};
use heaps::Called;
use hostile::{Calls, PHASES, play};
use semihosting::{FAILURE, Output, SUCCESS, command_line, exit};

mod bump;
mod copy;
mod counter;
#[path = "../../calls/src/heaps.rs"]
mod heaps;
#[path = "../../../../benches/peers/src/heap/hostile.rs"]
mod hostile;
#[path = "../../../../benches/peers/src/heap/random.rs"]
mod random;
mod semihosting;
#[path = "../../firmware/src/single_core.rs"]
mod single_core;

/// The largest heap in bytes.
const LEN: usize = 2 << 20;

#[repr(align(16))]
struct Memory(UnsafeCell<[u8; LEN]>);
// SAFETY: one core; a heap uses it.
unsafe impl Sync for Memory {}
static MEMORY: Memory = Memory(UnsafeCell::new([0; LEN]));

#[unsafe(link_section = ".vectors")]
#[used]
static RESET: extern "C" fn() -> ! = _start;

/// The entry point.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    counter::start();
    let mut output = Output::open();
    counter::prove(|known, counted| tell(&mut output, format_args!("known {known} {counted}")));
    let mut buffer = [0; 128];
    let mut words = command_line(&mut buffer).split_whitespace();
    let heap = words.next().unwrap_or("");
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let (calls, len) = (number(), number().min(LEN));
    let start = NonNull::from(&MEMORY.0).cast();
    // SAFETY: one heap is made, and it has the memory to itself.
    unsafe {
        match heap {
            "framepool" => run(calls, output, heaps::ours::<Unlocked>(start, len)),
            "framepool-cs" => run(calls, output, heaps::ours::<CriticalSection>(start, len)),
            "talc" => run(calls, output, heaps::talc(start, len)),
            "rlsf" => run(calls, output, heaps::rlsf(start, len)),
            _ => exit(FAILURE),
        }
    }
}

fn tell(output: &mut Output, line: core::fmt::Arguments<'_>) {
    if writeln!(output, "{line}").is_err() {
        exit(FAILURE);
    }
}

/// Makes calls until there were enough, then ends QEMU.
fn run(calls: usize, output: Output, heap: impl Called) -> ! {
    let mut counted = Counted {
        heap,
        output,
        left: calls,
        number: 0,
        phase: 0,
        empty: 0,
        longest: [const { None }; 3],
        sums: [(0, 0); 3],
    };
    let (_, empty) = counted.count(|_| ());
    counted.empty = empty;
    tell(&mut counted.output, format_args!("empty {empty}"));
    play(&mut counted);
    exit(FAILURE)
}

/// A call that may be the longest of its kind.
struct Call {
    instructions: u32,
    number: usize,
    phase: usize,
    old: usize,
    new: Layout,
}

/// The kinds of calls.
const KINDS: [&str; 3] = ["alloc", "free", "realloc"];

struct Counted<H> {
    heap: H,
    output: Output,
    left: usize,
    number: usize,
    phase: usize,
    empty: u32,
    longest: [Option<Call>; 3],
    /// Instructions and calls.
    sums: [(u64, usize); 3],
}

impl<H: Called> Counted<H> {
    #[inline(never)]
    fn count<T>(&mut self, call: impl FnOnce(&mut H) -> T) -> (T, u32) {
        counter::count(|| call(&mut self.heap))
    }

    fn called(&mut self, kind: usize, counted: u32, old: usize, new: Layout) {
        let instructions = counted - self.empty;
        let (sum, calls) = &mut self.sums[kind];
        (*sum, *calls) = (*sum + u64::from(instructions), *calls + 1);
        let longest = &mut self.longest[kind];
        if longest
            .as_ref()
            .is_none_or(|call| instructions > call.instructions)
        {
            *longest = Some(Call {
                instructions,
                number: self.number,
                phase: self.phase,
                old,
                new,
            });
        }
        self.number += 1;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.conclude();
        }
    }

    fn conclude(&mut self) -> ! {
        for ((kind, longest), (sum, calls)) in KINDS.iter().zip(&self.longest).zip(self.sums) {
            if let Some(call) = longest {
                let (longest, number) = (call.instructions, call.number);
                let (size, align, old) = (call.new.size(), call.new.align(), call.old);
                let phase = PHASES[call.phase];
                tell(
                    &mut self.output,
                    format_args!(
                        "{kind} {longest} {sum} {calls} call {number} in `{phase}`: {size} bytes (before: {old}) aligned to {align}"
                    ),
                );
            }
        }
        exit(SUCCESS)
    }
}

impl<H: Called> Calls for Counted<H> {
    fn phase(&mut self, phase: usize) {
        self.phase = phase;
    }

    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        let (at, counted) = self.count(|heap| heap.alloc(layout));
        self.called(0, counted, layout.size(), layout);
        at
    }

    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        let (_, counted) = self.count(|heap| unsafe { heap.free(object, layout) });
        self.called(1, counted, layout.size(), layout);
    }

    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (at, counted) = self.count(|heap| {
            // SAFETY: by the contract.
            unsafe { heap.realloc(object, layout, size) }
        });
        // SAFETY: the script rounds no size to more than there are addresses.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        self.called(2, counted, layout.size(), new);
        at
    }
}

#[panic_handler]
fn on_panic(_: &PanicInfo<'_>) -> ! {
    exit(FAILURE)
}
