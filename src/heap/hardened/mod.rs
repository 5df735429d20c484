//! A heap that finds the mistakes of its callers.

// | file | what |
// |---|---|
// | this one | requests |
// | `guards` | what surrounds and fills a block |
// | `quarantine` | freed blocks, and what was found |
// | `fault` | reports |
// | `store` | the heap below |

mod fault;
mod guards;
mod quarantine;
mod store;

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering::*};

pub use fault::{HeapFault, HeapFaultKind, HeapFaults};
use guards::{Guarded, Outer, mix};
use quarantine::{Quarantine, Report};

use crate::heap::tlsf::Tlsf;
use crate::heap::{NoRoom, dangling};

/// A heap that [`Hardened`] takes: [`Heap`](super::Heap), [`StaticHeap`](super::StaticHeap), and with `std`
/// `ThreadHeap`.
pub trait Hardenable: store::Store {}

impl<H: store::Store> Hardenable for H {}

/// A heap that finds the mistakes of its callers, reports them, and is not corrupted by them. For tests, and where a
/// few hundred nanoseconds a block are affordable.
///
/// | mistake | found |
/// |---|---|
/// | a pointer of another allocator, or into a block, is freed | at once |
/// | a block is freed twice | at once, while its memory is not used again |
/// | a block is freed with another layout | at once |
/// | bytes before or after a block are written to | when it is freed or resized; the next block, too, if they reach it |
/// | a block is written to after it was freed | when it leaves the quarantine |
/// | a block is used before it was written to, or read after it was freed | not: it has a pattern (0xA5, 0xDF) instead of data |
/// | links or sizes of free memory are overwritten | before they are used; then all requests are refused |
/// | other metadata is overwritten, as by a write far from any block | not; the check of the heap below may find it |
///
/// A freed block stays in quarantine until `N` others were freed, or until they have a sixteenth of the heap's bytes. A request
/// that finds no room empties it.
///
/// A call with a mistake does not panic and frees nothing. The mistake is counted by [`faults`](Self::faults), and a
/// function set by [`on_fault`](Self::on_fault) is called. A block that was written to after it was freed is not used
/// again. This finds mistakes. It is no defence against an attacker: the key of the guards is made of addresses.
///
/// **Cost.** O(bytes) for each request, which fills them, and for each free, which fills and checks them; both take the
/// heap's lock. A block takes 3 words and 8 bytes more, and larger alignments up to one alignment more.
/// [`realloc`](Self::realloc) moves, so that a stale pointer is found, as long as there is room for both.
///
/// [`heap!`](crate::heap!) and [`thread_heap!`](crate::thread_heap!) declare one with the word `hardened` at the end:
///
/// ```
/// # #[cfg(feature = "spin")] {
/// use core::alloc::Layout;
/// use framepool::heap::HeapFaultKind;
///
/// framepool::heap!(static HEAP: 64 * 1024, lock = framepool::heap::Spin, hardened);
///
/// HEAP.on_fault(|fault| eprintln!("{fault}"));
/// let layout = Layout::new::<[u64; 4]>();
/// let at = HEAP.alloc(layout)?;
/// // SAFETY: none: the second free is a mistake, which the heap finds.
/// unsafe {
///     HEAP.dealloc(at, layout);
///     HEAP.dealloc(at, layout);
/// }
/// assert_eq!(HEAP.faults().last.unwrap().kind, HeapFaultKind::DoubleFree);
/// # }
/// # Ok::<(), framepool::heap::NoRoom>(())
/// ```
pub struct Hardened<H, const N: usize = 64> {
    heap: H,
    /// 0 before the first use. Odd, so that no encoded link is 0.
    key: AtomicUsize,
    quarantine: UnsafeCell<Quarantine<N>>,
}

// SAFETY: the quarantine is accessed under the lock of the heap, which is `Sync`; its blocks are the heap's.
unsafe impl<H: Sync, const N: usize> Sync for Hardened<H, N> {}
// SAFETY: as above.
unsafe impl<H: Send, const N: usize> Send for Hardened<H, N> {}

impl<H, const N: usize> Hardened<H, N> {
    /// A hardened heap. What was allocated from the heap before stays the heap's own: it is freed there.
    pub const fn new(heap: H) -> Self {
        Self {
            heap,
            key: AtomicUsize::new(0),
            quarantine: UnsafeCell::new(Quarantine::EMPTY),
        }
    }

    /// The heap below, for its statistics and its check. They count guards, and blocks in quarantine, as in use. A block of
    /// the hardened heap must not be freed there.
    pub const fn heap(&self) -> &H {
        &self.heap
    }
}

impl<H: Hardenable, const N: usize> Hardened<H, N> {
    /// As [`Heap::alloc`](super::Heap::alloc). The memory is filled with 0xA5.
    ///
    /// # Errors
    /// No free block is large enough, also after the quarantine was emptied. Of a `ThreadHeap`,
    /// [`available`](NoRoom::available) is what its core could serve.
    pub fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, NoRoom> {
        self.serve(layout).ok_or_else(|| self.no_room(layout))
    }

    /// As [`Heap::alloc_zeroed`](super::Heap::alloc_zeroed).
    ///
    /// # Errors
    /// As for [`alloc`](Self::alloc).
    pub fn alloc_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, NoRoom> {
        self.serve_zeroed(layout)
            .ok_or_else(|| self.no_room(layout))
    }

    /// Frees memory, or reports a fault.
    ///
    /// # Safety
    /// The memory was allocated by this heap with this layout, and is not used any more. If it was not, a fault is found as
    /// far as the table above says; other threads must not use the bytes before the address meanwhile.
    pub unsafe fn dealloc(&self, at: NonNull<u8>, layout: Layout) {
        if layout.size() == 0 {
            return;
        }
        let key = self.key();
        // SAFETY: the caller's promise. After this, no other free of the block succeeds.
        let checked = self.inspect(at, layout, |block| unsafe { block.note_freed(key) });
        let Some(block) = checked else { return };
        // SAFETY: a block of this heap, freed by this call alone.
        unsafe { block.poison() };
        let mut new = Some(block);
        // Each turn takes a block out that came in before, so this ends.
        while let Some(old) = self.turn(new.take()) {
            self.release(old);
        }
    }

    /// As [`Heap::realloc`](super::Heap::realloc). The block moves if there is room.
    ///
    /// # Errors
    /// No free block is large enough, or a fault was found and reported. The memory is unchanged.
    ///
    /// # Safety
    /// As for [`dealloc`](Self::dealloc) and [`Heap::realloc`](super::Heap::realloc).
    pub unsafe fn realloc(
        &self,
        at: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Result<NonNull<u8>, NoRoom> {
        // SAFETY: the caller's promise.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            self.resize(at, layout, new)
                .ok_or_else(|| self.no_room(new))
        }
    }

    /// What was found so far, and what is in quarantine. O(1). Calls the function of [`on_fault`](Self::on_fault) if it
    /// is the first to notice that links were overwritten.
    pub fn faults(&self) -> HeapFaults {
        let (faults, report) = self.with(|quarantine, tlsf| {
            let report = quarantine.note_broken(tlsf);
            (quarantine.faults(), report)
        });
        report.into_iter().for_each(Report::send);
        faults
    }

    /// Has a function called after each fault, without a lock: it may allocate, free, log and abort. It may panic, but not
    /// where the heap is the global allocator, which must not unwind. For links that were overwritten it is called by the
    /// next request that is refused, the next free, or [`faults`](Self::faults).
    pub fn on_fault(&self, handler: fn(&HeapFault)) {
        self.with(|quarantine, _| quarantine.handler = Some(handler));
    }

    /// Checks all blocks in quarantine, and gives them back to the heap. Returns the number of blocks that were there.
    /// O(bytes).
    pub fn empty_quarantine(&self) -> usize {
        let mut count = 0;
        while let Some(old) = self.with(|quarantine, _| quarantine.pop()) {
            self.release(old);
            count += 1;
        }
        count
    }

    pub(super) fn serve(&self, layout: Layout) -> Option<NonNull<u8>> {
        let block = self.take(layout, H::take)?;
        // SAFETY: just allocated.
        unsafe { block.fill() };
        Some(block.at)
    }

    pub(super) fn serve_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
        Some(self.take(layout, H::take_zeroed)?.at)
    }

    /// For the traits.
    #[inline(always)]
    pub(super) fn set_up(&self) -> &Self {
        self
    }

    /// Memory of a new layout with the content of the old.
    ///
    /// # Safety
    /// As for [`realloc`](Self::realloc).
    pub(super) unsafe fn resize(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Option<NonNull<u8>> {
        if old.size() == 0 {
            return self.serve(new);
        }
        if new.size() == 0 {
            // SAFETY: the caller's promise.
            unsafe { self.dealloc(at, old) };
            return Some(dangling(new));
        }
        let block = self.inspect(at, old, |_| ())?;
        let Some(moved) = self.serve(new) else {
            // SAFETY: the caller's promise.
            return unsafe { self.resize_below(at, old, new) };
        };
        // SAFETY: both are the caller's, are different, and hold the smaller of both sizes.
        unsafe {
            ptr::copy_nonoverlapping(
                block.at.as_ptr(),
                moved.as_ptr(),
                old.size().min(new.size()),
            );
            self.dealloc(at, old);
        }
        Some(moved)
    }

    /// The heap's own way, which may need less room. The request was refused before.
    ///
    /// # Safety
    /// As for [`realloc`](Self::realloc).
    #[cold]
    unsafe fn resize_below(
        &self,
        at: NonNull<u8>,
        layout: Layout,
        new: Layout,
    ) -> Option<NonNull<u8>> {
        let (old, outer) = (Outer::of(layout)?, Outer::of(new)?);
        if outer.head != old.head {
            return None;
        }
        let key = self.key();
        // The old place is no block any more, and may become a part of another one with its mark.
        // SAFETY: the caller's promise. Another thread that frees the block before this has made a mistake; after this it
        // is refused.
        let block = self.inspect(at, layout, |block| unsafe { block.note_freed(key) })?;
        self.with(|_, tlsf| tlsf.counters.retried());
        // SAFETY: a block of this heap, given up to this call alone. The guards before it move with it, and are written
        // again.
        unsafe {
            let start = block.at.sub(old.head);
            let moved = self.heap.resize(start, old.layout, outer.layout);
            let block = moved.map_or(block, |start| Guarded {
                at: start.add(outer.head),
                layout: new,
            });
            block.guard(key);
            moved.map(|_| block.at)
        }
    }

    /// A new block with its guards, by one of the heap's ways.
    fn take(
        &self,
        layout: Layout,
        way: impl Fn(&H, Layout) -> Option<NonNull<u8>>,
    ) -> Option<Guarded> {
        if layout.size() == 0 {
            let at = dangling(layout);
            return Some(Guarded { at, layout });
        }
        let key = self.key();
        let Some(outer) = Outer::of(layout) else {
            // Too large for a layout with guards.
            self.with(|_, tlsf| tlsf.counters.refused(layout));
            return None;
        };
        let at = way(&self.heap, outer.layout).or_else(|| {
            if self.empty_quarantine() == 0 {
                self.report_broken();
                return None;
            }
            self.with(|_, tlsf| tlsf.counters.retried());
            way(&self.heap, outer.layout)
        })?;
        // SAFETY: just allocated, with the layout of the guards.
        unsafe {
            let at = at.add(outer.head);
            let block = Guarded { at, layout };
            block.guard(key);
            Some(block)
        }
    }

    /// The key, by the first call: then the heap below writes its links by it.
    fn key(&self) -> usize {
        match self.key.load(Relaxed) {
            0 => self.make_key(),
            key => key,
        }
    }

    #[cold]
    fn make_key(&self) -> usize {
        self.heap.core().with(|tlsf| {
            // Under the lock: no other thread makes one.
            if self.key.load(Relaxed) == 0 {
                // Two addresses, which many systems choose at random.
                let own = ptr::from_ref(self).addr();
                let code: fn() = || ();
                let key = mix(mix(own) ^ (code as *const ()).addr()) | 1;
                // SAFETY: until now the heap below was used by its own contract, so its links are whole.
                unsafe { tlsf.bins.encode(key) };
                self.key.store(key, Relaxed);
            }
        });
        self.key.load(Relaxed)
    }

    /// Runs `f` under the heap's lock.
    fn with<R>(&self, f: impl FnOnce(&mut Quarantine<N>, &mut Tlsf) -> R) -> R {
        // SAFETY: the lock keeps calls apart, and `f` does not call this function.
        self.heap
            .core()
            .with(|tlsf| f(unsafe { &mut *self.quarantine.get() }, tlsf))
    }

    /// The block at an address, if it is in use, of this layout and whole; then `then` runs under the lock. Otherwise
    /// reports what is wrong.
    fn inspect(
        &self,
        at: NonNull<u8>,
        layout: Layout,
        then: impl FnOnce(Guarded),
    ) -> Option<Guarded> {
        let key = self.key();
        let found = self.with(|quarantine, tlsf| {
            let block = Guarded {
                at: tlsf.regain_ptr(at),
                layout,
            };
            // SAFETY: under the lock nothing else frees the block.
            let found = unsafe { block.inspect(tlsf.regions.lists, key) };
            let found = found.and_then(|()| self.inspect_tag(block, tlsf, HeapFaultKind::NoBlock));
            match found {
                Ok(()) => {
                    then(block);
                    Ok(block)
                }
                Err(kind) => Err(quarantine.note(block.fault(kind))),
            }
        });
        found.map_err(Report::send).ok()
    }

    /// Looks whether the tag before a block was overwritten, if it has one: by an overrun of the block before it.
    fn inspect_tag(
        &self,
        block: Guarded,
        tlsf: &Tlsf,
        fault: HeapFaultKind,
    ) -> Result<(), HeapFaultKind> {
        let outer = Outer::of(block.layout).ok_or(fault)?;
        let start = block.at.addr().get() - outer.head;
        // SAFETY: a block of the core, if it is not an object.
        let is_sized = !self.heap.is_of_core(outer.layout)
            || unsafe { tlsf.is_sized(start, outer.layout.size()) };
        is_sized.then_some(()).ok_or(fault)
    }

    /// Takes a freed block into quarantine, and another one out.
    fn turn(&self, new: Option<Guarded>) -> Option<Guarded> {
        self.with(|quarantine, tlsf| quarantine.turn(new, tlsf.regions.capacity))
    }

    /// Gives a block from the quarantine to the heap, if it is as it was left.
    fn release(&self, old: Guarded) {
        let Some(outer) = Outer::of(old.layout) else {
            return;
        };
        // SAFETY: it was freed and filled, and is this call's alone.
        let found = unsafe { old.inspect_freed(self.key()) };
        let kept = self.with(|quarantine, tlsf| {
            let fault = HeapFaultKind::UseAfterFree { offset: 0 };
            let found = found.and_then(|()| self.inspect_tag(old, tlsf, fault));
            let report = match found {
                Ok(()) if !tlsf.bins.code.is_broken() => return Ok(()),
                Ok(()) => quarantine.note_broken(tlsf),
                Err(kind) => Some(quarantine.note(old.fault(kind))),
            };
            quarantine.withhold(outer.layout.size());
            Err(report)
        });
        match kept {
            // SAFETY: the block is the heap's, of this layout, and nothing else gives it back.
            Ok(()) => unsafe { self.heap.give(old.at.sub(outer.head), outer.layout) },
            Err(report) => report.into_iter().for_each(Report::send),
        }
    }

    #[cold]
    fn report_broken(&self) {
        let report = self.with(|quarantine, tlsf| quarantine.note_broken(tlsf));
        report.into_iter().for_each(Report::send);
    }

    #[cold]
    fn no_room(&self, layout: Layout) -> NoRoom {
        let largest = self.heap.core().stats().largest;
        NoRoom {
            size: layout.size(),
            align: layout.align(),
            available: largest.saturating_sub(Outer::MORE),
        }
    }
}

describe!(impl[H: Hardenable, const N: usize] Hardened<H, N> as Hardened { faults });
