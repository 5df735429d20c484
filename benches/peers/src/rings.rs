//! The rings of the benches `ring/…`, all with the same four traits.

use std::hint::spin_loop;
use std::sync::Arc;

use bbqueue::ArcBBQueue;
use bbqueue::prod_cons::stream::{StreamConsumer, StreamProducer};
use bbqueue::traits::{
    coordination::cas::AtomicCoord, notifier::polling::Polling, storage::BoxedSlice,
};
use framepool::SharedRegion;
use framepool::ring::{self, Plain};
use ringbuf::traits::{Consumer as _, Producer as _, Split};

use crate::pool::BURST;

/// The number of places in each ring.
pub const PLACES: usize = 1024;

/// The size of a cache line, aligned as a word.
pub type Line = [u64; 8];

/// A message.
pub trait Message: Copy + Default + Plain + Send + 'static {
    /// Its size, as DPDK names it.
    #[cfg(feature = "dpdk")]
    const BYTES: usize = size_of::<Self>();
    fn numbered(i: u64) -> Self;
}

impl Message for u64 {
    #[inline]
    fn numbered(i: u64) -> Self {
        i
    }
}

impl Message for Line {
    #[inline]
    fn numbered(i: u64) -> Self {
        [i; 8]
    }
}

/// An end that sends one value.
pub trait Send1<T>: Send {
    fn send(&mut self, value: T) -> bool;
}

/// An end that receives one value.
pub trait Receive1<T>: Send {
    fn receive(&mut self) -> Option<T>;
}

/// An end that sends 32 values or none.
pub trait Send32<T>: Send {
    fn send32(&mut self, values: &[T; BURST]) -> bool;
}

/// An end that receives 32 values or none.
pub trait Receive32<T>: Send {
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool;
}

// ---- framepool

pub fn ours<T: Message>() -> ring::Ends<'static, T> {
    ring::allocate(PLACES).expect("memory for a ring")
}

impl<T: Message> Send1<T> for ring::Producer<'_, T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.push(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for ring::Consumer<'_, T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.pop()
    }
}

impl<T: Message> Send32<T> for ring::Producer<'_, T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        // All bursts have 32 values, and 32 divides the number of places, so it is all or nothing.
        self.push_slice(values) == BURST
    }
}

impl<T: Message> Receive32<T> for ring::Consumer<'_, T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        self.pop_slice(out) == BURST
    }
}

pub struct FlaggedTx<T: 'static>(ring::flags::Producer<'static, T>);
pub struct FlaggedRx<T: 'static>(ring::flags::Consumer<'static, T>);

pub fn flagged_ends<T: Message>() -> (FlaggedTx<T>, FlaggedRx<T>) {
    let (tx, rx) = ring::flags::allocate(PLACES).expect("memory for a ring");
    (FlaggedTx(tx), FlaggedRx(rx))
}

impl<T: Message> Send1<T> for FlaggedTx<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.push(value).is_ok()
    }
}

impl<T: Message> Send32<T> for FlaggedTx<T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        // All or nothing: if there is room for the first, there is for all, as the consumer takes 32 at a time too.
        let mut sent = self.0.push_slice(values);
        while (1..BURST).contains(&sent) {
            spin_loop();
            sent += self.0.push_slice(&values[sent..]);
        }
        sent == BURST
    }
}

impl<T: Message> Receive32<T> for FlaggedRx<T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        let mut got = self.0.pop_slice(out);
        while (1..BURST).contains(&got) {
            spin_loop();
            got += self.0.pop_slice(&mut out[got..]);
        }
        got == BURST
    }
}

impl<T: Message> Receive1<T> for FlaggedRx<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.pop()
    }
}

pub struct SharedTx<T: Plain>(ring::SharedProducer<'static, T>);
pub struct SharedRx<T: Plain>(ring::SharedConsumer<'static, T>);

/// Both ends in one process: memory and checks are the same as between two processes.
pub fn shared_ends<T: Message>() -> (SharedTx<T>, SharedRx<T>) {
    let len = ring::SharedRing::<T>::bytes(PLACES).expect("a ring's size");
    let region = SharedRegion::builder(len).create().expect("a region");
    // It lives as long as the contender and the process.
    let region: &'static SharedRegion = Box::leak(Box::new(region));
    let ring = ring::SharedRing::create(region.words(), PLACES).expect("the region holds a ring");
    let (tx, rx) = (ring.producer(), ring.consumer());
    (
        SharedTx(tx.expect("the producer")),
        SharedRx(rx.expect("the consumer")),
    )
}

impl<T: Message> Send1<T> for SharedTx<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.push(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for SharedRx<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.pop().expect("an honest peer")
    }
}

impl<T: Message> Send32<T> for SharedTx<T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        // All bursts have 32 values, and 32 divides the number of places, so it is all or nothing.
        self.0.push_slice(values).expect("an honest peer") == BURST
    }
}

impl<T: Message> Receive32<T> for SharedRx<T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        self.0.pop_slice(out).expect("an honest peer") == BURST
    }
}

// ---- rtrb

pub fn rtrb_ends<T: Message>() -> (rtrb::Producer<T>, rtrb::Consumer<T>) {
    rtrb::RingBuffer::new(PLACES)
}

impl<T: Message> Send1<T> for rtrb::Producer<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.push(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for rtrb::Consumer<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.pop().ok()
    }
}

impl<T: Message> Send32<T> for rtrb::Producer<T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        self.push_entire_slice(values).is_ok()
    }
}

impl<T: Message> Receive32<T> for rtrb::Consumer<T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        self.pop_entire_slice(out).is_ok()
    }
}

// ---- omango

pub struct OmangoTx<T>(omango::queue::spsc::BSender<T>);
pub struct OmangoRx<T>(omango::queue::spsc::BReceiver<T>);

pub fn omango_ends<T: Message>() -> (OmangoTx<T>, OmangoRx<T>) {
    let (tx, rx) = omango::queue::spsc::bounded(PLACES as u32);
    (OmangoTx(tx), OmangoRx(rx))
}

impl<T: Message> Send1<T> for OmangoTx<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.try_send(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for OmangoRx<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

// ---- ringbuf

pub fn ringbuf_ends<T: Message>() -> (ringbuf::HeapProd<T>, ringbuf::HeapCons<T>) {
    ringbuf::HeapRb::new(PLACES).split()
}

impl<T: Message> Send1<T> for ringbuf::HeapProd<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.try_push(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for ringbuf::HeapCons<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.try_pop()
    }
}

impl<T: Message> Send32<T> for ringbuf::HeapProd<T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        // All bursts have 32 values, and 32 divides the number of places, so it is all or nothing.
        self.push_slice(values) == BURST
    }
}

impl<T: Message> Receive32<T> for ringbuf::HeapCons<T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        self.pop_slice(out) == BURST
    }
}

// ---- gil

pub struct GilTx<T>(gil::spsc::Sender<T>);
pub struct GilRx<T>(gil::spsc::Receiver<T>);

pub fn gil_ends<T: Message>() -> (GilTx<T>, GilRx<T>) {
    let places = std::num::NonZeroUsize::new(PLACES).expect("not zero");
    let (tx, rx) = gil::spsc::channel(places);
    (GilTx(tx), GilRx(rx))
}

impl<T: Message> Send1<T> for GilTx<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.try_send(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for GilRx<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.try_recv()
    }
}

impl<T: Message> Send32<T> for GilTx<T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        let Some(room) = self.0.write_buffer().get_mut(..BURST) else {
            return false;
        };
        for (to, value) in room.iter_mut().zip(values) {
            to.write(*value);
        }
        // SAFETY: this number of places was free, and they are written.
        unsafe { self.0.commit(BURST) };
        true
    }
}

impl<T: Message> Receive32<T> for GilRx<T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        let mut guard = self.0.read_guard();
        let Some(values) = guard.as_slice().get(..BURST) else {
            return false;
        };
        out.copy_from_slice(values);
        guard.advance(BURST);
        true
    }
}

// ---- heapless

pub struct HeaplessTx<T: 'static>(heapless::spsc::Producer<'static, T>);
pub struct HeaplessRx<T: 'static>(heapless::spsc::Consumer<'static, T>);

pub fn heapless_ends<T: Message>() -> (HeaplessTx<T>, HeaplessRx<T>) {
    // One place stays empty.
    let queue: &'static mut heapless::spsc::Queue<T, { PLACES + 1 }> =
        Box::leak(Box::new(heapless::spsc::Queue::new()));
    let (tx, rx) = queue.split();
    (HeaplessTx(tx), HeaplessRx(rx))
}

impl<T: Message> Send1<T> for HeaplessTx<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.enqueue(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for HeaplessRx<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.dequeue()
    }
}

// ---- crossbeam

pub struct QueueEnd<T>(Arc<crossbeam_queue::ArrayQueue<T>>);

pub fn queue_ends<T: Message>() -> (QueueEnd<T>, QueueEnd<T>) {
    let queue = Arc::new(crossbeam_queue::ArrayQueue::new(PLACES));
    (QueueEnd(queue.clone()), QueueEnd(queue))
}

impl<T: Message> Send1<T> for QueueEnd<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.push(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for QueueEnd<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.pop()
    }
}

// ---- bbqueue: a queue of bytes

pub type Bytes = Arc<ArcBytes>;
pub type ArcBytes = bbqueue::BBQueue<BoxedSlice, AtomicCoord, Polling>;
pub struct BytesTx(StreamProducer<Bytes>);
pub struct BytesRx(StreamConsumer<Bytes>);

pub fn bbqueue_ends(size: usize) -> (BytesTx, BytesRx) {
    let queue: ArcBBQueue<BoxedSlice, AtomicCoord, Polling> =
        ArcBBQueue::new_with_storage(BoxedSlice::new(PLACES * size));
    (
        BytesTx(queue.stream_producer()),
        BytesRx(queue.stream_consumer()),
    )
}

impl<T: Message> Send32<T> for BytesTx {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        let Ok(mut grant) = self.0.grant_exact(size_of_val(values)) else {
            return false;
        };
        // SAFETY: the grant has as many bytes as the values, and the values are plain integers.
        unsafe {
            let from = values.as_ptr().cast::<u8>();
            grant
                .as_mut_ptr()
                .copy_from_nonoverlapping(from, size_of_val(values));
        }
        grant.commit(size_of_val(values));
        true
    }
}

impl<T: Message> Receive32<T> for BytesRx {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        let bytes = size_of_val(out);
        let Ok(grant) = self.0.read() else {
            return false;
        };
        if grant.len() < bytes {
            return false;
        }
        // SAFETY: the grant has this number of bytes, which are integers of that type.
        unsafe {
            let to = out.as_mut_ptr().cast::<u8>();
            to.copy_from_nonoverlapping(grant.as_ptr(), bytes);
        }
        grant.release(bytes);
        true
    }
}
