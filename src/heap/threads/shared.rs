//! What all threads of a heap share, and what each has of its own.

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::heap::classes::{BATCH, Centre, Class, Depots, Front, Origin, Record, Runs, Spans};
use crate::heap::threads::ThreadHeapStats;
use crate::heap::tlsf::Tlsf;
use crate::heap::{Heap, HeapCensus, HeapCheckError, Spin};
use crate::sync::{Word, prefetch_write};
use crate::thread_gate::{self, Gate, heavy_fence};
use crate::thread_slot::Head;

/// The state of a heap's classes, in the heap's own memory.
///
/// Invariant: all objects lie in the region at `origin`. `centre` and `first` are accessed under the heap's lock.
pub(super) struct Shared {
    origin: Origin,
    heap: &'static Heap<Spin>,
    depots: Depots,
    centre: UnsafeCell<Centre>,
    /// The front that was made last, or null; each names the next one. All of them are alive.
    first: Cell<*const Local>,
    /// What a front holds of a class, in bytes.
    share: usize,
    /// Number of fronts.
    fronts: AtomicUsize,
}

/// A thread's own part. Its address is that of its head.
///
/// Invariant: `front` is used by the thread while it is inside of the gate, and by another one that the gate let in.
/// `next` and `prev` are accessed under the heap's lock: the neighbours in the list of all fronts.
#[repr(C)]
pub(super) struct Local {
    head: Head,
    gate: Gate,
    origin: Origin,
    shared: &'static Shared,
    next: Cell<*const Local>,
    prev: Cell<*const Local>,
    front: UnsafeCell<Front>,
}

/// A front with its thread inside of the gate, until this is dropped.
pub(super) struct Inside<'a>(&'a Local);

impl Drop for Inside<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.gate.leave();
    }
}

/// The core gives runs and takes them, without counting them as requested.
impl Runs for Tlsf {
    fn take(&mut self, bytes: usize, align: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(bytes, align).ok()?;
        let block = self.alloc(layout)?;
        self.counters.resized(bytes, 0);
        Some(block.as_ptr())
    }

    unsafe fn give(&mut self, at: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe { self.free(at.addr().get(), 0) };
    }
}

impl Shared {
    /// Sets the classes up in a heap's memory. `None` if that is too small.
    ///
    /// # Safety
    /// The lock of `heap` is held, and `tlsf` is its state. The heap's only region is that of `bytes` bytes at `start`,
    /// at most 64 GiB.
    pub(super) unsafe fn set_up(
        heap: &'static Heap<Spin>,
        tlsf: &mut Tlsf,
        (start, bytes): (NonNull<u8>, usize),
    ) -> Option<&'static Self> {
        let slots = Depots::slots(bytes);
        let records = zeroed(tlsf, Spans::record_bytes(bytes), align_of::<Record>())?;
        let arrays = zeroed(tlsf, Depots::array_bytes(slots), align_of::<u32>())?;
        let at = tlsf
            .take(size_of::<Self>(), align_of::<Self>())?
            .cast::<Self>();
        // SAFETY: the memory is the shared state's alone, for ever, and zero. The region is the caller's promise.
        unsafe {
            let origin = Origin::new(start);
            let spans = Spans::new(origin, bytes, records.cast());
            thread_gate::register();
            at.write(Self {
                origin,
                heap,
                depots: Depots::new(arrays.cast(), slots),
                centre: UnsafeCell::new(Centre::new(spans, origin)),
                first: Cell::new(ptr::null()),
                share: Front::share(bytes),
                fronts: AtomicUsize::new(0),
            });
            Some(at.as_ref())
        }
    }

    /// The address of an object that the caller owns.
    pub(super) fn at(&self, id: u32) -> NonNull<u8> {
        // SAFETY: by the invariant, in the region.
        unsafe { self.origin.at(id) }
    }

    /// The name of the object at an address.
    pub(super) fn id(&self, at: NonNull<u8>) -> u32 {
        self.origin.id(at.addr().get())
    }

    /// Runs `f` under the lock, on the centre and the core.
    fn with_centre<R>(&self, f: impl FnOnce(&mut Centre, &mut Tlsf) -> R) -> R {
        // SAFETY: under the lock the access is exclusive, by the invariant; `f` does not call this function.
        self.heap
            .with(|tlsf| f(unsafe { &mut *self.centre.get() }, tlsf))
    }

    /// Takes up to `n` objects: those of a magazine, or from the centre. Returns the number of indices written. `out`
    /// has room for [`BATCH`].
    fn take(&self, class: Class, n: usize, out: &mut [MaybeUninit<u32>]) -> usize {
        let from_depot = self.depots.take(class, out);
        if from_depot > 0 {
            return from_depot;
        }
        let some = out.get_mut(..n).unwrap_or_default();
        self.with_centre(|centre, tlsf| centre.take(class, some, tlsf))
    }

    /// Takes one object, for a thread without a front, or when the centre has nothing left: then from what lies in
    /// magazines.
    pub(super) fn take_one(&self, class: Class) -> Option<u32> {
        let mut one = [MaybeUninit::uninit()];
        let n = self.with_centre(|centre, tlsf| {
            let n = centre.take(class, &mut one, tlsf);
            if n > 0 {
                return n;
            }
            centre.reclaim(&self.depots, tlsf);
            centre.take(class, &mut one, tlsf)
        });
        let [one] = one;
        // SAFETY: it was written if `n` is not 0.
        (n > 0).then(|| unsafe { one.assume_init() })
    }

    /// Frees objects under the lock.
    ///
    /// # Safety
    /// The caller owns the objects, and gives them up.
    pub(super) unsafe fn give(&self, ids: &[u32]) {
        // SAFETY: the caller's promise.
        self.with_centre(|centre, tlsf| unsafe { centre.give(ids, tlsf) });
    }

    /// Frees what lies in magazines, for a request that nothing else can serve.
    pub(super) fn reclaim(&self) {
        self.with_centre(|centre, tlsf| centre.reclaim(&self.depots, tlsf));
    }

    /// Takes the objects of all threads back that are outside of their fronts, and what lies in magazines. For a request
    /// that nothing else can serve: O(fronts and what they hold), and a system call.
    #[cold]
    pub(super) fn take_back(&self) {
        self.with_centre(|centre, tlsf| {
            self.each_front(|local| local.gate.close());
            if heavy_fence() {
                self.each_front(|local| {
                    if local.gate.is_empty() {
                        // SAFETY: the gate is closed and empty after the fence, so the front is this thread's for now.
                        let front = unsafe { &mut *local.front.get() };
                        front.take_all(|ids| {
                            // SAFETY: the front owned the objects, and gives them up.
                            unsafe { centre.give(ids, tlsf) };
                        });
                    }
                });
            }
            self.each_front(|local| local.gate.open());
            centre.reclaim(&self.depots, tlsf);
        });
    }

    /// Calls `f` with all fronts. Under the lock.
    fn each_front(&self, mut f: impl FnMut(&Local)) {
        // SAFETY: by the invariant those in the list are alive; they are shared, but for their cells.
        let mut at = unsafe { self.first.get().as_ref() };
        while let Some(local) = at {
            f(local);
            // SAFETY: as above.
            at = unsafe { local.next.get().as_ref() };
        }
    }

    /// A new front, in the heap's memory. Fronts of an allocator with this stamp.
    pub(super) fn new_local(&'static self, stamp: Word) -> Option<NonNull<Local>> {
        // Of whole cache lines, which no other thread writes.
        let align = align_of::<Local>().max(64);
        let local = self.heap.with(|tlsf| {
            let local = tlsf.take(size_of::<Local>(), align)?.cast::<Local>();
            // SAFETY: just allocated, with the size and the alignment.
            unsafe {
                local.write(Local {
                    head: Head::new(stamp, Local::retire),
                    gate: Gate::new(),
                    origin: self.origin,
                    shared: self,
                    next: Cell::new(self.first.get()),
                    prev: Cell::new(ptr::null()),
                    front: UnsafeCell::new(Front::new(self.share)),
                });
                if let Some(next) = self.first.get().as_ref() {
                    next.prev.set(local.as_ptr());
                }
            }
            self.first.set(local.as_ptr());
            Some(local)
        })?;
        self.fronts.fetch_add(1, Relaxed);
        Some(local)
    }

    /// O(1).
    pub(super) fn stats(&self) -> ThreadHeapStats {
        let (core, free, invalid_frees) = self.with_centre(|centre, tlsf| {
            (tlsf.stats(), centre.free_bytes(), centre.invalid_frees())
        });
        ThreadHeapStats {
            fronts: self.fronts.load(Relaxed),
            invalid_frees,
            ..ThreadHeapStats::of(core, free)
        }
    }

    /// O(objects and blocks).
    pub(super) fn check(&self) -> Result<HeapCensus, HeapCheckError> {
        self.with_centre(|centre, tlsf| {
            centre.check()?;
            tlsf.check()
        })
    }
}

/// Zeroed memory from the core, kept for ever.
fn zeroed(tlsf: &mut Tlsf, bytes: usize, align: usize) -> Option<NonNull<u8>> {
    let at = tlsf.take(bytes.max(1), align)?;
    // SAFETY: just allocated.
    unsafe { at.write_bytes(0, bytes) };
    Some(at)
}

impl Local {
    /// Enters the gate. `None`: another thread is taking the objects back.
    ///
    /// # Safety
    /// By the front's own thread, which is outside, and stays the front's thread until the result is dropped.
    #[inline(always)]
    pub(super) unsafe fn enter(&self) -> Option<Inside<'_>> {
        self.gate.enter().then(|| Inside(self))
    }

    /// Enters the gate, when the other thread has left.
    ///
    /// # Safety
    /// As for [`enter`](Self::enter), without the lock.
    pub(super) unsafe fn wait_and_enter(&self) -> Inside<'_> {
        loop {
            // SAFETY: the caller's promise.
            if let Some(inside) = unsafe { self.enter() } {
                return inside;
            }
            // The other thread holds the lock until it has left.
            self.shared.heap.with(|_| ());
        }
    }

    /// Takes the objects of a front back, and its memory.
    ///
    /// # Safety
    /// It is the head of a front that nothing uses any more.
    #[cold]
    pub(super) unsafe fn retire(head: NonNull<Head>) {
        let at = head.cast::<Self>();
        // SAFETY: the caller's promise; a front starts with its head.
        let local = unsafe { at.as_ref() };
        let shared = local.shared;
        shared.heap.with(|_| {
            let (next, prev) = (local.next.get(), local.prev.get());
            // SAFETY: those in the list are alive.
            unsafe {
                match prev.as_ref() {
                    Some(prev) => prev.next.set(next),
                    None => shared.first.set(next),
                }
                if let Some(next) = next.as_ref() {
                    next.prev.set(prev);
                }
            }
        });
        // SAFETY: the front's thread, which is outside. Nobody finds the front any more.
        unsafe { local.wait_and_enter() }.flush();
        // SAFETY: allocated for the front, which ends here.
        shared.heap.with(|tlsf| unsafe { tlsf.give(at.cast()) });
        shared.fronts.fetch_sub(1, Relaxed);
    }
}

impl Inside<'_> {
    #[inline(always)]
    fn front(&mut self) -> &mut Front {
        // SAFETY: by the invariant of `Local`: its thread is inside.
        unsafe { &mut *self.0.front.get() }
    }

    /// Takes one object, if the front has one.
    #[inline(always)]
    pub(super) fn pop(&mut self, class: Class) -> Option<NonNull<u8>> {
        let (id, next) = self.front().pop(class)?;
        // The next object of the class may have left the caches long ago.
        // SAFETY: objects lie in the region.
        prefetch_write(unsafe { self.0.origin.at(next) }.as_ptr());
        // SAFETY: objects lie in the region.
        Some(unsafe { self.0.origin.at(id) })
    }

    /// Puts one object in, if there is room.
    ///
    /// # Safety
    /// The caller owns the object, which holds the class, and gives it up if this returns true.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, class: Class, at: NonNull<u8>) -> bool {
        let id = self.0.origin.id(at.addr().get());
        // SAFETY: the caller's promise.
        unsafe { self.front().push(class, id) }
    }

    /// Takes one object, and some more for the next requests if the front has none.
    pub(super) fn take(&mut self, class: Class) -> Option<NonNull<u8>> {
        if let Some(at) = self.pop(class) {
            return Some(at);
        }
        let n = self.front().next_step(class);
        let shared = self.0.shared;
        // SAFETY: `take` writes as many indices as it says, and passes their objects on.
        unsafe {
            self.front()
                .refill(class, BATCH, |out| shared.take(class, n, out))
        };
        self.pop(class)
    }

    /// Puts one object in. If there is no room, half of what the front may hold of the class goes away first, the
    /// oldest: as a magazine, or to the centre.
    ///
    /// # Safety
    /// The caller owns the object, which holds the class, and gives it up.
    pub(super) unsafe fn give(&mut self, class: Class, at: NonNull<u8>) {
        let shared = self.0.shared;
        // SAFETY: the caller's promise; the front owned what it gives away.
        unsafe {
            if self.push(class, at) {
                return;
            }
            let batch = self.front().batch(class);
            self.front().take_oldest(class, batch, |ids| {
                if !shared.depots.give(class, ids) {
                    shared.give(ids);
                }
            });
            self.push(class, at);
        }
    }

    /// Gives everything to the centre.
    pub(super) fn flush(&mut self) {
        let shared = self.0.shared;
        // SAFETY: the front owned the objects, and gives them up here.
        self.front().take_all(|ids| unsafe { shared.give(ids) });
    }
}
