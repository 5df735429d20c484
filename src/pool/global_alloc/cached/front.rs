//! A thread's caches, one for each pool, and its counts.

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::profile::{self, Answer, Counts};
use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::cache::Cache;
use crate::pool::finder::Finder;
use crate::pool::global_alloc::classes::Pools;
use crate::pool::global_alloc::registry::Entry;
use crate::sync::Word;
use crate::thread_slot::{Head, Loan};

/// The largest number of blocks in a thread's cache of a pool: 1 KiB of indices.
const MOST: usize = 256;

/// A thread holds at most this part of a pool, if that is 4 blocks or more. No less, because a depot takes half of
/// a cache as a magazine if it is a quarter of a magazine or more, and by default a magazine is an eighth of the pool.
const PART: usize = 16;

/// The caches and counts of one thread for one allocator. Used by the thread that claimed its [`Entry`]; the counts
/// are read by all.
///
/// Invariant: while claimed, all `classes` are made, from the pools of the allocator in their order. Only the thread
/// that claimed it accesses them: in a fast path, which calls nothing that could come back here; or in a slow path,
/// through a [`Lent`].
#[repr(C)]
pub(super) struct Front<const N: usize> {
    head: Head,
    pub(super) counts: Counts,
    classes: UnsafeCell<Classes<N>>,
}

// SAFETY: the counts are atomics. By the invariant, everything else is accessed by one thread at a time, and the
// claim of the entry orders one after the other.
unsafe impl<const N: usize> Sync for Front<N> {}

struct Classes<const N: usize> {
    /// For each class of sizes, the first pool that its smallest size fits; `N` if there is none.
    first: [u8; profile::CLASSES],
    made: [MaybeUninit<Class>; N],
}

/// A pool, as one thread sees it.
///
/// Invariant: `finder` and `cache` are of the same pool.
#[repr(C)]
struct Class {
    finder: Finder,
    size: usize,
    align: usize,
    cache: Cache<'static, MOST>,
}

impl Class {
    fn new(pool: &'static Pool<'static>) -> Self {
        Self {
            finder: Finder::of(pool),
            size: pool.block_size(),
            align: pool.block_align(),
            cache: Cache::holding(pool, (pool.capacity() / PART).max(4)),
        }
    }

    fn fits(&self, layout: Layout) -> bool {
        layout.size() <= self.size && layout.align() <= self.align
    }

    /// The first byte of a block that the cache handed out.
    ///
    /// # Safety
    /// The index is from this cache.
    #[inline(always)]
    unsafe fn start_of(&self, id: u32) -> NonNull<u8> {
        // SAFETY: by the invariant, an index of the finder's pool, which is alive for ever.
        unsafe { self.finder.start_of(id) }
    }
}

impl<const N: usize> Classes<N> {
    /// # Safety
    /// The front is claimed.
    #[inline(always)]
    unsafe fn made(&mut self) -> &mut [Class] {
        const { assert!(N < u8::MAX as usize, "at most 254 pools") };
        // SAFETY: by the invariant of `Front`, all are made.
        unsafe { &mut *(&raw mut self.made as *mut [Class; N]) }
    }

    /// The pool with the smallest blocks of at least `size` bytes; `class` is that of the size.
    ///
    /// # Safety
    /// The front is claimed.
    #[inline(always)]
    unsafe fn smallest(&mut self, class: usize, size: usize) -> Option<&mut Class> {
        let mut at = *self.first.get(class)? as usize;
        // SAFETY: the caller's promise.
        let made = unsafe { self.made() };
        loop {
            // Rarely more than one: a class of sizes is narrow.
            if size <= made.get(at)?.size {
                return made.get_mut(at);
            }
            at += 1;
        }
    }
}

impl<const N: usize> Front<N> {
    /// Makes a front that the caller has claimed, without its classes.
    ///
    /// # Safety
    /// The caller may write an entry there.
    pub(super) unsafe fn begin(at: NonNull<Entry<Self>>, stamp: Word) {
        // In place, because a thread's stack may be smaller than many caches.
        // SAFETY: the caller's promise; what is not written here is `MaybeUninit`, or written by `set_up`.
        unsafe {
            Entry::begin(at);
            let front = &raw mut (*at.as_ptr()).value;
            (&raw mut (*front).head).write(Head::new(stamp, retire::<N>));
            (&raw mut (*front).counts).write(Counts::new());
            let first = &raw mut (*UnsafeCell::raw_get(&raw const (*front).classes)).first;
            first.write([N as u8; profile::CLASSES]);
        }
    }

    /// Makes the classes.
    ///
    /// # Safety
    /// The caller has claimed the front, and just begun to use it.
    pub(super) unsafe fn set_up(&self, pools: &Pools<N>) {
        // SAFETY: by the invariant, the caller's alone. The caches of the last owner are empty.
        let classes = unsafe { &mut *self.classes.get() };
        for (place, pool) in classes.made.iter_mut().zip(pools) {
            place.write(Class::new(pool));
        }
        let mut smallest = 1;
        for (class, first) in classes.first.iter_mut().enumerate() {
            let fits = pools.iter().position(|pool| smallest <= pool.block_size());
            *first = fits.unwrap_or(N) as u8;
            smallest = profile::largest_of(class).map_or(usize::MAX, |largest| largest + 1);
        }
    }

    /// Takes a block, if the cache of the smallest blocks that fit has one.
    ///
    /// # Safety
    /// The front is that of the current thread, from its slot.
    #[inline(always)]
    pub(super) unsafe fn pop(&self, layout: Layout) -> Option<NonNull<u8>> {
        let class = profile::class_of(layout.size());
        // SAFETY: by the invariant, the caller's alone, and nothing below calls anything else.
        unsafe {
            let pool = (*self.classes.get()).smallest(class, layout.size())?;
            if layout.align() > pool.align {
                return None;
            }
            let id = pool.cache.pop(AuditKind::AllocatedGlobally)?;
            self.counts.count(class, Answer::Served);
            Some(pool.start_of(id))
        }
    }

    /// Keeps a block of the smallest size that fits, if this is one and the cache has room for it.
    ///
    /// # Safety
    /// As for [`pop`](Self::pop). If the address is a block of one of the pools, the caller owns it, and gives it up if
    /// this returns true.
    #[inline(always)]
    pub(super) unsafe fn push(&self, at: *mut u8, size: usize) -> bool {
        let class = profile::class_of(size);
        // SAFETY: by the invariant, the caller's alone, and nothing below calls anything else. The finder found
        // the block in the cache's pool.
        unsafe {
            let Some(pool) = (*self.classes.get()).smallest(class, size) else {
                return false;
            };
            match pool.finder.find(at) {
                Some(id) => pool.cache.push(id, AuditKind::CachedGlobally),
                None => false,
            }
        }
    }

    /// Whether no block is large enough.
    ///
    /// # Safety
    /// As for [`pop`](Self::pop).
    pub(super) unsafe fn is_beyond(&self, size: usize) -> bool {
        // SAFETY: by the invariant, the caller's alone.
        let largest = unsafe { (*self.classes.get()).made() }.last();
        largest.is_none_or(|largest| size > largest.size)
    }
}

/// Ends the use of a front by its thread.
///
/// # Safety
/// `head` is that of an entry whose front this thread has claimed, and it does not use it any more.
unsafe fn retire<const N: usize>(head: NonNull<Head>) {
    // SAFETY: the caller's promise: the head comes first in the front, which comes first in its entry.
    unsafe {
        let entry = head.cast::<Entry<Front<N>>>().as_ref();
        for class in (*entry.value.classes.get()).made() {
            class.cache.retire();
        }
        entry.release();
    }
}

/// The current thread's front, out of the slot until this is dropped: it may exchange blocks with the depots, which
/// runs the user's code.
///
/// Invariant: `front` is the thread's, and in `_loan`.
pub(super) struct Lent<const N: usize> {
    front: NonNull<Front<N>>,
    _loan: Loan,
}

impl<const N: usize> Lent<N> {
    /// # Safety
    /// The head is that of a `Front<N>`, and in this loan.
    pub(super) unsafe fn new(head: NonNull<Head>, loan: Loan) -> Self {
        Self {
            front: head.cast(),
            _loan: loan,
        }
    }

    pub(super) fn counts(&self) -> &Counts {
        // SAFETY: by the invariant, alive.
        unsafe { &(*self.front.as_ptr()).counts }
    }

    fn classes(&mut self) -> &mut [Class] {
        // SAFETY: by the invariant of `Loan`, used through it only.
        unsafe { (*self.front.as_ref().classes.get()).made() }
    }

    /// Takes a block: of the smallest that fit, or if there is none, of the next larger.
    pub(super) fn take(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let mut fitting = self.classes().iter_mut().filter(|it| it.fits(layout));
        fitting.find_map(|class| {
            let id = class.cache.take(AuditKind::AllocatedGlobally)?;
            // SAFETY: the cache handed it out.
            Some(unsafe { class.start_of(id) })
        })
    }

    /// Keeps a block. False if it is of none of the pools.
    ///
    /// # Safety
    /// The caller owns the block that starts there, and gives it up if this returns true.
    pub(super) unsafe fn keep(&mut self, at: *mut u8) -> bool {
        let mut classes = self.classes().iter_mut();
        let found = classes.find_map(|class| Some((class.finder.find(at)?, class)));
        let Some((id, class)) = found else {
            return false;
        };
        // SAFETY: the caller's promise; found in the pool of the cache.
        unsafe { class.cache.keep_index(id, AuditKind::CachedGlobally) };
        true
    }

    /// Returns all blocks to the depots, and reports everything.
    pub(super) fn flush(&mut self) {
        self.classes()
            .iter_mut()
            .for_each(|class| class.cache.retire());
    }
}

/// The address of a claimed entry's head.
pub(super) fn head_of<const N: usize>(entry: &'static Entry<Front<N>>) -> NonNull<Head> {
    // Of the whole entry, so that the way back is valid.
    NonNull::from(entry).cast()
}

const _: () = assert!(size_of::<Finder>() + 2 * size_of::<usize>() <= 64);
