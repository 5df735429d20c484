//! The ring: operations of both ends for each value, and those done once.

use core::mem::MaybeUninit;

use core::fmt::Write;

use framepool::ring::{Consumer, Producer, Ring, flags};

static RING: Ring<u32, 64> = Ring::new();
static BYTES: flags::Ring<u8, 64> = flags::Ring::new();

type Tx = Producer<'static, u32>;
type Rx = Consumer<'static, u32>;

crate::probes! {
    /// [`Producer::push`].
    fn ring_push(tx: &mut Tx, value: u32) -> bool {
        tx.push(value).is_ok()
    }

    /// [`Consumer::pop`].
    fn ring_pop(rx: &mut Rx) -> Option<u32> {
        rx.pop()
    }

    /// [`Producer::push_slice`].
    fn ring_push_slice(tx: &mut Tx, values: &&[u32]) -> usize {
        tx.push_slice(values)
    }

    /// [`Consumer::pop_slice`].
    fn ring_pop_slice(rx: &mut Rx, out: &mut &mut [u32]) -> usize {
        rx.pop_slice(out)
    }

    /// [`Producer::push_array`].
    fn ring_push_array(tx: &mut Tx, values: &[u32; 4]) -> bool {
        tx.push_array(*values).is_ok()
    }

    /// [`Consumer::pop_array`].
    fn ring_pop_array(rx: &mut Rx, out: &mut MaybeUninit<[u32; 4]>) -> bool {
        rx.pop_array().map(|values| out.write(values)).is_some()
    }

    /// [`Producer::reserve`], and a commit of the written values.
    fn ring_reserve(tx: &mut Tx, value: u32) -> usize {
        let Ok(mut room) = tx.reserve(2) else {
            return 0;
        };
        let _ = room.write(value);
        let _ = room.write(value);
        room.commit()
    }

    /// [`Consumer::peek`], and a release.
    fn ring_peek(rx: &mut Rx, out: &mut u32) -> usize {
        let Some(waiting) = rx.peek(2) else {
            return 0;
        };
        *out = waiting.iter().copied().fold(0, u32::wrapping_add);
        waiting.release(2)
    }

    /// [`Ring::split`].
    fn ring_split(tx: &mut MaybeUninit<Tx>, rx: &mut MaybeUninit<Rx>) -> bool {
        RING.split().map(|ends| (tx.write(ends.0), rx.write(ends.1))).is_ok()
    }

    /// [`Ring::producer`], and its way back.
    fn ring_producer(value: u32) -> bool {
        RING.producer().is_ok_and(|mut tx| tx.push(value).is_ok())
    }

    /// [`Ring::consumer`], and its way back.
    fn ring_consumer() -> Option<u32> {
        RING.consumer().ok()?.pop()
    }

    /// The same of a ring with flags, as text.
    fn ring_flags_text(text: &&str) -> bool {
        BYTES.producer().is_ok_and(|mut tx| tx.write_str(text).is_ok())
    }

    /// [`flags::Consumer::pop_slice_exact`].
    fn ring_flags_exact(out: &mut &mut [u8]) -> bool {
        BYTES.consumer().is_ok_and(|mut rx| rx.pop_slice_exact(out).is_ok())
    }

    /// [`Producer::push_slice_exact`].
    fn ring_push_exact(tx: &mut Tx, values: &&[u32]) -> bool {
        tx.push_slice_exact(values).is_ok()
    }

    /// [`Consumer::pop_slice_uninit`].
    fn ring_pop_uninit(rx: &mut Rx, out: &mut &mut [MaybeUninit<u32>]) -> Option<u32> {
        rx.pop_slice_uninit(out).first().copied()
    }

    /// [`Consumer::front`], and a loop over [`Peeked`](framepool::ring::Peeked) by value.
    fn ring_front(rx: &mut Rx) -> u32 {
        let front = rx.front().copied().unwrap_or(0);
        rx.peek_up_to(8).into_iter().fold(front, u32::wrapping_add)
    }

    /// [`Ring::observer`].
    fn ring_observer() -> usize {
        RING.observer().len()
    }

    /// Drop of a [`Producer`].
    fn ring_producer_drop(tx: &mut MaybeUninit<Tx>) {
        // SAFETY: the caller passes a producer, and does not use it again.
        unsafe { tx.assume_init_drop() };
    }

    /// Drop of a [`Consumer`].
    fn ring_consumer_drop(rx: &mut MaybeUninit<Rx>) {
        // SAFETY: the caller passes a consumer, and does not use it again.
        unsafe { rx.assume_init_drop() };
    }
}
