//! The consumer: walks the messages of each block, then frees it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use framepool::{Block, Pool};

use crate::capture;
use crate::feed::{self, Messages};
use crate::front::Front;
use crate::sys;

/// What the receiver hands over: the block itself, and how many of its bytes were received.
pub struct Frame<'p> {
    pub block: Block<'p>,
    pub len: usize,
    /// The first byte of the packet is an Ethernet header's: a capture, not a datagram.
    pub ethernet: bool,
}

/// The ring carries nothing at first, to be touched before it counts.
pub type Consumer<'p> = rtrb::Consumer<Option<Frame<'p>>>;

/// What the consumer found.
#[derive(Debug, Default)]
pub struct Consumed {
    pub packets: u64,
    pub messages: u64,
    pub bytes: u64,
    /// Messages or packets that are not what they say they are.
    pub malformed: u64,
    /// Messages by type.
    pub kinds: Kinds,
    /// A sum over fields of the messages, so that they are read.
    pub shares: u64,
    pub other: capture::Others,
    pub faults: u64,
}

/// Messages by their type byte.
#[derive(Debug)]
pub struct Kinds(pub [u64; 256]);

impl Default for Kinds {
    fn default() -> Self {
        Self([0; 256])
    }
}

/// Consumes until the receiver is gone and the ring is empty. `warm` says when the steady state
/// begins; `progress` shows the messages so far.
pub fn consume<'p>(
    pool: &'p Pool<'_>,
    mut frames: Consumer<'p>,
    warm: &sys::Flag,
    progress: &AtomicU64,
) -> Consumed {
    sys::pin(sys::WORKER_CORE);
    let mut front = Front::new(pool);
    let mut consumed = Consumed::default();
    let mut faults = None;
    let mut idle = 0u32;
    loop {
        let Ok(frame) = frames.pop() else {
            if frames.is_abandoned() && frames.is_empty() {
                break;
            }
            idle += 1;
            sys::back_off(idle);
            continue;
        };
        idle = 0;
        if faults.is_none() && warm.is_set() {
            faults = Some(sys::thread_faults());
        }
        if let Some(frame) = frame {
            consumed.take(&frame);
            front.free(frame.block);
            progress.store(consumed.messages, Relaxed);
        }
    }
    consumed.faults = sys::thread_faults() - faults.unwrap_or_else(sys::thread_faults);
    consumed
}

impl Consumed {
    fn take(&mut self, frame: &Frame<'_>) {
        // SAFETY: the receiver, or the reader of the capture, wrote that many bytes.
        let bytes = unsafe { frame.block.assume_init(frame.len) };
        self.packets += 1;
        self.bytes += bytes.len() as u64;
        if !frame.ethernet {
            return self.walk(bytes);
        }
        match capture::payload(bytes, &mut self.other) {
            Some(payload) if feed::is_itch(payload) => self.walk(payload),
            Some(_) => self.other.udp += 1,
            None => {}
        }
    }

    fn walk(&mut self, packet: &[u8]) {
        for message in Messages::of(packet) {
            let Ok(message @ &[kind, ..]) = message else {
                self.malformed += 1;
                continue;
            };
            if feed::itch_len(kind) != Some(message.len()) {
                self.malformed += 1;
                continue;
            }
            self.messages += 1;
            self.kinds.0[usize::from(kind)] += 1;
            self.shares = self.shares.wrapping_add(shares(kind, message));
        }
    }
}

/// The number of shares that a message is about, where it is about some.
fn shares(kind: u8, message: &[u8]) -> u64 {
    let at = match kind {
        b'A' | b'F' => 20,
        b'E' | b'C' | b'X' => 19,
        b'U' => 27,
        _ => return 0,
    };
    let field = message.get(at..).and_then(|rest| rest.first_chunk::<4>());
    field.map_or(0, |field| u32::from_be_bytes(*field).into())
}
