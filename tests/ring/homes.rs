//! The memory of a ring: a static, a borrowed value, the caller's region, an allocation.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use crate::counted::Counted;
use framepool::ring::{self, Ring, RingError, Spin, flags};

#[test]
fn a_static_ring_is_split_once() {
    static RING: Ring<u64, 8> = Ring::new();
    let (mut tx, mut rx) = RING.split().unwrap();
    assert_eq!(RING.split().unwrap_err(), RingError::AlreadySplit);
    let t = thread::spawn(move || {
        for i in 0..100 {
            tx.push_wait::<Spin>(i).unwrap();
        }
    });
    let mut next = 0;
    while let Some(i) = rx.pop_wait::<Spin>() {
        assert_eq!(i, next);
        next += 1;
    }
    assert_eq!(next, 100);
    t.join().unwrap();
    drop(rx);
    assert_eq!(RING.split().unwrap_err(), RingError::AlreadySplit);
}

/// A second split fails, and does not disturb the ends.
#[test]
fn a_split_that_is_refused_changes_nothing() {
    static RING: Ring<Arc<()>, 4> = Ring::new();
    static FLAGS: flags::Ring<Arc<()>, 4> = flags::Ring::new();
    let value = Arc::new(());
    let (mut tx, mut rx) = RING.split().unwrap();
    tx.push(value.clone()).unwrap();
    tx.push(value.clone()).unwrap();
    drop(tx);
    assert_eq!(RING.split().unwrap_err(), RingError::AlreadySplit);
    assert!(rx.is_abandoned() && rx.pop().is_some());
    drop(rx);
    let (mut tx, rx) = FLAGS.split().unwrap();
    tx.push(value.clone()).unwrap();
    drop(rx);
    assert_eq!(FLAGS.split().unwrap_err(), RingError::AlreadySplit);
    assert!(tx.is_abandoned());
    drop(tx);
    // The last end has dropped the values that nobody took.
    assert_eq!(Arc::strong_count(&value), 1);
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn a_static_ring_lies_in_bss() {
    static VALUES: Ring<String, 64> = Ring::new();
    static HANDLES: Ring<Option<framepool::Block<'static>>, 64> = Ring::new();
    unsafe extern "C" {
        static __bss_start: u8;
        static _end: u8;
    }
    let bss = (&raw const __bss_start).addr()..(&raw const _end).addr();
    assert!(bss.contains(&(&raw const VALUES).addr()));
    assert!(bss.contains(&(&raw const HANDLES).addr()));
    static DATA: [std::sync::atomic::AtomicU8; 2] =
        [const { std::sync::atomic::AtomicU8::new(1) }; 2];
    DATA[0].store(2, std::sync::atomic::Ordering::Relaxed);
    assert!(!bss.contains(&(&raw const DATA).addr()));
}

#[test]
fn a_borrowed_ring_is_split_again_and_empty() {
    let live = Rc::new(Cell::new(0));
    let mut ring: Ring<Counted, 4> = Ring::new();
    for i in 0..5 {
        let (mut tx, mut rx) = ring.split_mut();
        assert!(rx.is_empty() && !rx.is_abandoned() && !tx.is_abandoned());
        tx.push_iter((i..i + 3).map(|i| Counted::new(&live, i)));
        assert_eq!(rx.pop().unwrap().1, i);
        drop(tx);
        assert!(rx.is_abandoned());
    }
    assert_eq!(live.get(), 0);
    // If an end is forgotten, so are the values in the ring; the next split does not see them.
    let dropped = Cell::new(0);
    struct Seen<'a>(&'a Cell<u32>);
    impl Drop for Seen<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let mut ring: Ring<Seen<'_>, 4> = Ring::new();
    let (mut tx, rx) = ring.split_mut();
    assert!(tx.push(Seen(&dropped)).is_ok());
    std::mem::forget(tx);
    drop(rx);
    assert_eq!(dropped.get(), 0);
    let (tx, mut rx) = ring.split_mut();
    assert!(rx.pop().is_none() && tx.is_empty());
}

#[test]
fn a_ring_whose_ends_were_forgotten_is_not_split_for_ever() {
    let mut ring = Box::new(Ring::<Box<u32>, 8>::new());
    let (mut tx, mut rx) = ring.split_mut();
    tx.push(Box::new(1)).unwrap();
    assert_eq!(rx.pop().as_deref(), Some(&1));
    std::mem::forget((tx, rx));
    // The position is not that of a new ring: otherwise the ends would find the value that was taken.
    let ring = Box::into_raw(ring);
    // SAFETY: never freed before the last use, which is below.
    let split = unsafe { &*ring }.split().map(drop);
    assert_eq!(split, Err(RingError::AlreadySplit));
    // SAFETY: from `into_raw`, and no end of it is left.
    drop(unsafe { Box::from_raw(ring) });
}

#[test]
fn a_region_may_begin_anywhere_and_must_be_large_enough() {
    let mut memory = [MaybeUninit::uninit(); 8192];
    let needed = ring::region_size::<u64>(64).unwrap();
    let align = ring::region_align::<u64>();
    for skip in [0, 1, 7, align / 2, align - 1] {
        let from = memory.as_ptr().addr().wrapping_neg() % align + skip;
        let slack = skip.wrapping_neg() % align;
        let required = needed + slack;
        let available = required - 1;
        let short = &mut memory[from..from + available];
        let error = ring::in_memory::<u64>(short, 64).unwrap_err();
        assert_eq!(
            error,
            RingError::RegionTooSmall {
                required,
                available
            }
        );
        let exact = &mut memory[from..from + required];
        let (mut tx, mut rx) = ring::in_memory(exact, 64).unwrap();
        assert_eq!(tx.push_slice(&[5_u64; 100]), 64);
        assert_eq!(rx.drain().sum::<u64>(), 320);
    }
    let none: &mut [MaybeUninit<u8>] = &mut [];
    assert!(ring::in_memory::<u8>(none, 1).is_err());
}

#[test]
fn values_lie_where_their_alignment_wants_them() {
    #[repr(align(512))]
    struct Wide(u16);
    fn check((mut tx, mut rx): ring::Ends<'_, Wide>) {
        for lap in 0..3 {
            assert_eq!(tx.push_iter((lap..9).map(Wide)), 2);
            let waiting = rx.peek(2).unwrap();
            for (i, value) in (lap..).zip(waiting.iter()) {
                assert_eq!(std::ptr::from_ref(value).addr() % 512, 0);
                assert_eq!(value.0, i);
            }
            waiting.release(2);
        }
    }
    #[cfg(feature = "std")]
    check(ring::allocate(2).unwrap());
    check(Ring::<Wide, 2>::new().split_mut());
    assert_eq!(ring::region_align::<Wide>(), 512);
    let mut memory = vec![MaybeUninit::uninit(); ring::region_size::<Wide>(2).unwrap() + 511];
    check(ring::in_memory(&mut memory, 2).unwrap());
}

#[test]
fn capacities_that_cannot_be_are_errors() {
    fn all<T>(capacity: usize) -> RingError {
        let error = ring::region_size::<T>(capacity).unwrap_err();
        let mut memory = [MaybeUninit::uninit(); 64];
        assert_eq!(
            ring::in_memory::<T>(&mut memory, capacity).unwrap_err(),
            error
        );
        #[cfg(feature = "std")]
        assert_eq!(ring::allocate::<T>(capacity).unwrap_err(), error);
        error
    }
    assert_eq!(all::<u8>(0), RingError::ZeroCapacity);
    for asked in [3, 6, 1000, usize::MAX] {
        assert_eq!(all::<u8>(asked), RingError::NotPowerOfTwo { asked });
        assert!(all::<u8>(asked).to_string().contains(&asked.to_string()));
    }
    let half = 1 << (usize::BITS - 1);
    let too_large = |asked, element| RingError::CapacityTooLarge { asked, element };
    assert_eq!(all::<u64>(half), too_large(half, 8));
    assert_eq!(all::<u8>(half), too_large(half, 1));
    let some = half / 1024;
    assert_eq!(all::<[u64; 256]>(some), too_large(some, 2048));
    // An object may have that many bytes, but no machine has the memory.
    #[cfg(all(feature = "std", not(miri)))]
    {
        let error = ring::allocate::<[u8; 64]>(half / 128).unwrap_err();
        assert!(matches!(error, RingError::OutOfMemory { size } if size > half / 2));
    }
}

#[test]
fn both_ends_have_lines_of_their_own() {
    let mut ring: Ring<u64, 4> = Ring::new();
    let (tx, rx) = ring.split_mut();
    let line = if cfg!(target_pointer_width = "64") {
        128
    } else {
        32
    };
    assert_eq!(align_of_val(&tx) % line, 0);
    assert_eq!(align_of_val(&rx) % line, 0);
}
