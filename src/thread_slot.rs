//! The fronts of the current thread, found through one thread-local word. A front is what one thread has of a global
//! allocator: [`CachedAllocs`](crate::CachedAllocs), [`ThreadHeap`](crate::heap::ThreadHeap).
//!
//! The allocator runs inside of everything, so the word has no destructor and no lazy initialiser: it can be read
//! before `main`, in destructors of other thread-locals, and after them.
//!
//! ```text
//!            first allocation     slow path              the guard's destructor
//!  NONE ───────► BUSY ───────► front ◄────► BUSY              front ───► DEAD
//! ```
//!
//! | the word | points at | a request |
//! |---|---|---|
//! | `NONE` | a sentinel | makes a front |
//! | a front | the front that this thread used last; it names the next | uses it |
//! | `BUSY` | a sentinel | comes from inside of a slow path: uses the depots |
//! | `DEAD` | a sentinel | comes after the guard's destructor: uses the depots |
//!
//! Each front starts with the stamp of its allocator, and each sentinel with a word that is no stamp: the fast path
//! compares one word, whatever the state.

// The fronts come with features.
#![cfg_attr(
    not(all(feature = "heap", feature = "spin")),
    allow(rustdoc::broken_intra_doc_links)
)]

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use std::thread_local;

use crate::sync::{self, AtomicWord, Ordering::Relaxed, Word};

/// The stamp of an allocator that may move: an odd number, made when it is needed. An allocator in a static has its
/// address, which is even.
pub(crate) struct Stamp(AtomicWord);

/// An allocator without a stamp: it has no fronts.
const NO_STAMP: Word = 0;

impl Stamp {
    /// No stamp yet.
    pub(crate) const fn new() -> Self {
        Self(AtomicWord::new(NO_STAMP))
    }

    /// The stamp, if there is one; else a number that no front has.
    #[inline(always)]
    pub(crate) fn known(&self) -> Word {
        // Relaxed: only this thread's front is compared with it, and the thread knew the stamp when it made that.
        self.0.load(Relaxed)
    }

    /// The stamp, made if there is none. `None` if all numbers are used up.
    pub(crate) fn get(&self) -> Option<Word> {
        // Odd, and no sentinel.
        static NEXT: AtomicWord = AtomicWord::new(5);
        let known = self.known();
        if known != NO_STAMP {
            return Some(known);
        }
        sync::section(|s| {
            let mut new = NEXT.load(Relaxed);
            // Relaxed, here and below: the numbers alone matter.
            while let Err(now) =
                NEXT.compare_exchange_weak(s, new, new.checked_add(2)?, Relaxed, Relaxed)
            {
                new = now;
            }
            let set = (self.0).compare_exchange(s, NO_STAMP, new, Relaxed, Relaxed);
            Some(set.map_or_else(|other| other, |_| new))
        })
    }
}

static NONE: Word = 1;
static BUSY: Word = 2;
static DEAD: Word = 3;

/// What every front starts with.
///
/// Invariant: `stamp` is that of the front's allocator, and `next` is null or the next front of the same thread.
#[repr(C)]
pub(crate) struct Head {
    stamp: Word,
    next: Cell<*const Head>,
    retire: unsafe fn(NonNull<Head>),
}

impl Head {
    /// `retire` ends the use of the front by its thread. It gets the front's address.
    pub(crate) const fn new(stamp: Word, retire: unsafe fn(NonNull<Head>)) -> Self {
        Self {
            stamp,
            next: Cell::new(ptr::null()),
            retire,
        }
    }
}

thread_local! {
    // Invariant: points at a sentinel, or at the head of a front that this thread has claimed.
    static SLOT: Cell<*const Word> = const { Cell::new(&raw const NONE) };
    // Touched when the thread makes its first front.
    static GUARD: Guard = const { Guard };
}

/// Its destructor ends the use of the thread's fronts.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(mut loan) = lend() else {
            return;
        };
        loan.back_as = &raw const DEAD;
        let mut next = loan.first.take();
        while let Some(front) = next {
            // SAFETY: by the invariant of `SLOT`, a front of this thread, which nothing uses: it was not lent.
            unsafe {
                next = NonNull::new(front.as_ref().next.replace(ptr::null()).cast_mut());
                (front.as_ref().retire)(front);
            }
        }
    }
}

/// The thread's front with this stamp, if it is the one that it used last.
#[inline(always)]
pub(crate) fn front(stamp: Word) -> Option<NonNull<Head>> {
    let slot = SLOT.try_with(Cell::get).ok()?;
    // SAFETY: by the invariant of `SLOT`, it points at a sentinel or at the first word of a front. No sentinel has
    // a stamp, so the cast is to a front.
    unsafe {
        if *slot == stamp {
            return Some(NonNull::new_unchecked(slot.cast_mut().cast()));
        }
    }
    None
}

/// Whether this thread is in a slow path of an allocator.
#[cfg(feature = "audit")]
pub(crate) fn is_busy() -> bool {
    SLOT.try_with(|slot| ptr::eq(slot.get(), &raw const BUSY)) != Ok(false)
}

/// The thread's fronts, out of the slot until this is dropped. Until then the thread's requests use the depots.
///
/// Invariant: the slot is `BUSY`; the fronts are this thread's, and used through this loan only.
pub(crate) struct Loan {
    first: Option<NonNull<Head>>,
    /// The slot's value if there is no front.
    back_as: *const Word,
    _of_this_thread: PhantomData<*const ()>,
}

/// Takes the fronts out of the slot. `None` if they are taken already, or the thread is ending.
pub(crate) fn lend() -> Option<Loan> {
    let slot = SLOT.try_with(|slot| slot.replace(&raw const BUSY)).ok()?;
    if ptr::eq(slot, &raw const BUSY) {
        return None;
    }
    if ptr::eq(slot, &raw const DEAD) {
        let _ = SLOT.try_with(|word| word.set(slot));
        return None;
    }
    let is_none = ptr::eq(slot, &raw const NONE);
    Some(Loan {
        first: NonNull::new(slot.cast_mut().cast()).filter(|_| !is_none),
        back_as: &raw const NONE,
        _of_this_thread: PhantomData,
    })
}

impl Loan {
    /// The thread's front with this stamp. It becomes the first.
    pub(crate) fn find(&mut self, stamp: Word) -> Option<NonNull<Head>> {
        let mut before: Option<NonNull<Head>> = None;
        let mut at = self.first;
        while let Some(front) = at {
            // SAFETY: by the invariant, the thread's own, and claimed: all are alive.
            let (head, before_it) = unsafe { (front.as_ref(), before.map(|b| b.as_ref())) };
            if head.stamp == stamp {
                if let Some(before) = before_it {
                    before.next.set(head.next.get());
                    self.put_first(front);
                }
                return Some(front);
            }
            before = at;
            at = NonNull::new(head.next.get().cast_mut());
        }
        None
    }

    /// Adds a front that this thread has claimed. False if the thread is ending, so that nothing would retire it.
    ///
    /// # Safety
    /// It starts with a [`Head`], no other thread uses it, and it is alive until it is retired.
    pub(crate) unsafe fn add(&mut self, front: NonNull<Head>) -> bool {
        // The slot is busy: what this allocates comes from a depot.
        if GUARD.try_with(|_| ()).is_err() {
            return false;
        }
        self.put_first(front);
        true
    }

    fn put_first(&mut self, front: NonNull<Head>) {
        let next = self
            .first
            .map_or(ptr::null(), |first| first.as_ptr().cast_const());
        // SAFETY: by the invariant, and by the promise to `add`.
        unsafe { front.as_ref() }.next.set(next);
        self.first = Some(front);
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let back = match self.first {
            Some(front) => front.as_ptr().cast_const().cast(),
            None => self.back_as,
        };
        let _ = SLOT.try_with(|slot| slot.set(back));
    }
}
