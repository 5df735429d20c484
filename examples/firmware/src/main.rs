//! framepool in firmware: a Cortex-M with an Ethernet controller answers ARP, ping and UDP echo.
//!
//! ```text
//!               interrupt                        main loop
//!  LAN9118 ──► Receiver ──► block ──► ring ──► summarize, answer in place ──► Transmitter ──► LAN9118
//!               ▲                                 │
//!               └──────────── FRAMES ◄── freed ───┘
//! ```
//!
//! The pool and the ring are statics in `.bss`; nothing is allocated elsewhere. The interrupt takes its own end of the
//! ring, so that no mutex lies between it and the main loop. It copies a frame from the controller's FIFO into a block,
//! which is the last copy until the answer is sent from the same block. If the main loop falls behind and no block is
//! left, the interrupt drops frames and counts them; nothing else happens.
//!
//! It runs on the board `mps2-an385` as QEMU emulates it, built for `thumbv7m-none-eabi`, or for
//! `thumbv6m-none-eabi`, which has no compare-and-swap. `cargo run -p firmware-host` in the repository's root builds
//! it, runs it and checks it. The log needs semihosting: QEMU, or a debugger.
//!
//! With `--features defmt` the log is in defmt's format. From this folder:
//!
//! ```text
//! DEFMT_LOG=info cargo build --release --target thumbv7m-none-eabi --features defmt
//! image=target/thumbv7m-none-eabi/release/firmware
//! qemu-system-arm -machine mps2-an385 -nic none -display none -monitor none -serial none \
//!   -semihosting-config enable=on,target=native -kernel $image | defmt-print -e $image
//! ```
#![no_std]
#![no_main]

mod answer;
mod lan9118;
mod log;
mod reception;

use core::panic::PanicInfo;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{NVIC, SYST};
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::debug;
use framepool::Frame;
use framepool::ring::{Consumer, Ring};
use framepool::wire::Summary;

use crate::answer::{Host, Verdict};
use crate::lan9118::{Receiver, Transmitter};
use crate::log::log;
use crate::reception::{Counts, Reception};

const HOST: Host = Host {
    mac: [2, 0, 0, 0, 0, 2],
    ip: core::net::Ipv4Addr::new(192, 0, 2, 2),
};

// The board mps2-an385.
const LAN9118: usize = 0x4020_0000;
const LAN9118_INTERRUPT: Interrupt = Interrupt(13);
const CORE_HZ: u32 = 25_000_000;

// A block holds the longest Ethernet frame, with a VLAN tag.
framepool::pool!(static FRAMES: [1536; 16], caches = false);
/// From the interrupt to the main loop. Has room for all blocks, so it is never full.
static ARRIVED: Ring<Frame<'static>, 16> = Ring::new();
/// From the main program to the interrupt: the controller's receiver, once that has been started. It stays there, and
/// belongs to the consumer.
static RECEIVER: Ring<Receiver, 1> = Ring::new();
static COUNTS: Counts = Counts::new();

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else {
        unreachable!("main runs once");
    };
    let Ok(arrived) = ARRIVED.consumer() else {
        unreachable!("the interrupt takes the other end");
    };
    // SAFETY: the board has a LAN9118 there, and only this line uses it.
    let nic = unsafe { lan9118::start(LAN9118, HOST.mac) };
    let Ok((nic, transmitter)) = nic else {
        panic!("no LAN9118 at {LAN9118:#x}");
    };
    let handed_over = RECEIVER
        .producer()
        .is_ok_and(|mut to_interrupt| to_interrupt.push(nic).is_ok());
    assert!(
        handed_over,
        "the ring is empty, and no other code takes this end"
    );
    log!(
        "ready: {}, {} blocks of {} bytes",
        HOST.ip,
        FRAMES.capacity(),
        FRAMES.block_size()
    );
    // SAFETY: no code relies on this interrupt being masked.
    unsafe { NVIC::unmask(LAN9118_INTERRUPT) };

    let mut service = Service {
        transmitter,
        timer: core.SYST,
        counts: Answers::default(),
    };
    service.run(arrived)
}

#[exception]
unsafe fn DefaultHandler(number: i16) {
    if number != LAN9118_INTERRUPT.0 as i16 {
        panic!("unexpected interrupt {number}");
    }
    // No other code takes these ends. They go back when the interrupt returns.
    let (Ok(mut receiver), Ok(to_main)) = (RECEIVER.consumer(), ARRIVED.producer()) else {
        panic!("an end of the interrupt is taken");
    };
    // In place: it stays in the ring.
    if let Some(nic) = receiver.peek_up_to(1).as_mut_slices().0.first_mut() {
        Reception {
            nic,
            pool: &FRAMES,
            to_main,
            counts: &COUNTS,
        }
        .run();
    }
}

/// What became of the frames that reached the main loop.
#[derive(Default)]
struct Answers {
    answered: u32,
    ignored: u32,
    malformed: u32,
    /// Answers that found no room in the transmit FIFO.
    unsent: u32,
}

/// The main loop's part: it answers frames.
struct Service {
    transmitter: Transmitter,
    timer: SYST,
    counts: Answers,
}

impl Service {
    fn run(&mut self, mut arrived: Consumer<'static, Frame<'static>>) -> ! {
        loop {
            while let Some(frame) = arrived.pop() {
                self.handle(frame);
            }
            // An interrupt that comes after the look at the ring ends the wait, even if it is masked here.
            critical_section::with(|_| {
                if arrived.is_empty() {
                    cortex_m::asm::wfi();
                }
            });
        }
    }

    fn handle(&mut self, mut frame: Frame<'static>) {
        match HOST.answer(&mut frame) {
            Verdict::Reply => self.send(frame),
            Verdict::Statistics(summary) => match self.put_statistics(&mut frame, &summary) {
                Ok(()) => self.send(frame),
                Err(core::fmt::Error) => self.counts.unsent = self.counts.unsent.wrapping_add(1),
            },
            Verdict::Pause(ms) => {
                self.send(frame);
                self.pause(ms);
            }
            Verdict::Ignore => self.counts.ignored = self.counts.ignored.wrapping_add(1),
            Verdict::Malformed => self.counts.malformed = self.counts.malformed.wrapping_add(1),
        }
    }

    /// Sends a frame and frees its block.
    fn send(&mut self, frame: Frame<'static>) {
        let count = match self.transmitter.send(frame.bytes()) {
            Ok(()) => &mut self.counts.answered,
            Err(lan9118::NoRoom) => &mut self.counts.unsent,
        };
        *count = count.wrapping_add(1);
    }

    /// The text contains the request itself: its block is in use, and it is received but not yet answered.
    fn put_statistics(
        &self,
        frame: &mut Frame<'static>,
        summary: &Summary,
    ) -> Result<(), core::fmt::Error> {
        let (pool, answers) = (FRAMES.stats(), &self.counts);
        answer::put_text(
            frame,
            summary,
            format_args!(
                "capacity={} in_use={} peak={} exhaustions={} refusals={} received={} damaged={} \
                 no_block={} ring_full={} answered={} ignored={} malformed={} unsent={}\n",
                pool.capacity,
                pool.in_use,
                pool.peak,
                pool.exhaustions,
                pool.refusals,
                COUNTS.received.get(),
                COUNTS.damaged.get(),
                COUNTS.no_block.get(),
                COUNTS.ring_full.get(),
                answers.answered,
                answers.ignored,
                answers.malformed,
                answers.unsent,
            ),
        )
    }

    /// Stands for an application that is busy: frames pile up meanwhile.
    fn pause(&mut self, ms: u32) {
        let before = FRAMES.stats().exhaustions;
        self.timer.set_clock_source(SystClkSource::Core);
        self.timer.set_reload(CORE_HZ / 1000 - 1);
        self.timer.clear_current();
        self.timer.enable_counter();
        for _ in 0..ms {
            while !self.timer.has_wrapped() {}
        }
        self.timer.disable_counter();
        let after = FRAMES.stats();
        log!(
            "paused for {} ms: {} blocks in use, {} frames found none",
            ms,
            after.in_use,
            after.exhaustions.wrapping_sub(before)
        );
    }
}

#[derive(Clone, Copy)]
struct Interrupt(u16);

// SAFETY: the number is that of an interrupt of the board and does not change.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

/// Logs the message and ends the emulation with an error.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log::panicked(info);
    loop {
        debug::exit(debug::EXIT_FAILURE);
    }
}
