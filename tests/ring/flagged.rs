//! What a ring with flags promises in addition to `promises.rs`: its homes, its bulk operations, its count.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::counted::Counted;
use framepool::ring::{self, RingError, flags};

/// A ring with flags is a bounded queue under any operations, wherever its memory is.
#[test]
fn a_ring_with_flags_takes_and_gives_as_many_as_a_queue_would() {
    for capacity in [1_usize, 2, 4, 16] {
        let mut memory = Box::new_uninit_slice(4096);
        let size = flags::region_size::<u32>(capacity).unwrap();
        assert!(size < memory.len() && flags::region_align::<u32>() <= 128);
        let (mut tx, mut rx) = flags::in_memory::<u32>(&mut memory[3..], capacity).unwrap();
        let mut model = VecDeque::new();
        let (mut next, mut seed) = (0_u32, 1_u32);
        for _ in 0..if cfg!(miri) { 40 } else { 300 } {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let n = (seed >> 24) as usize % (capacity + 2);
            let room = capacity - model.len();
            let new: Vec<u32> = (next..).take(n).collect();
            match seed >> 22 & 3 {
                0 => {
                    assert_eq!(tx.push_slice(&new), n.min(room));
                    model.extend(&new[..n.min(room)]);
                }
                1 => {
                    assert_eq!(tx.push_iter(new.iter().copied()), n.min(room));
                    model.extend(&new[..n.min(room)]);
                }
                2 => {
                    let mut out = vec![0; n];
                    let taken = n.min(model.len());
                    assert_eq!(rx.pop_slice(&mut out), taken);
                    assert!(out[..taken].iter().copied().eq(model.drain(..taken)));
                }
                _ => {
                    let taken = n.min(model.len());
                    assert!(rx.drain().take(n).eq(model.drain(..taken)));
                }
            }
            next += n as u32;
            assert_eq!((tx.len(), rx.len()), (model.len(), model.len()));
            let (empty, full) = (model.is_empty(), model.len() == capacity);
            assert_eq!((tx.is_empty(), rx.is_empty()), (empty, empty));
            assert_eq!((tx.is_full(), rx.is_full()), (full, full));
        }
    }
}

#[test]
fn a_region_for_a_ring_with_flags_is_long_enough_or_refused() {
    let size = flags::region_size::<u64>(8).unwrap();
    let align = flags::region_align::<u64>();
    let mut memory = Box::new_uninit_slice(size + align);
    let skip = memory.as_ptr().addr().wrapping_neg() % align;
    let error = flags::in_memory::<u64>(&mut memory[skip..skip + size - 1], 8).unwrap_err();
    let (required, available) = (size, size - 1);
    assert_eq!(
        error,
        RingError::RegionTooSmall {
            required,
            available
        }
    );
    let error = flags::in_memory::<u64>(&mut memory, 6).unwrap_err();
    assert_eq!(error, RingError::NotPowerOfTwo { asked: 6 });
    let (mut tx, mut rx) = flags::in_memory::<u64>(&mut memory[skip..skip + size], 8).unwrap();
    assert_eq!(tx.push_iter(0..9), 8);
    assert!(rx.drain().eq(0..8));
    // Wherever the region starts, the required size is necessary and sufficient.
    for start in (skip..=skip + align).step_by(if cfg!(miri) { 16 } else { 1 }) {
        let lost = (skip + align - start) % align;
        let mut memory = Box::new_uninit_slice(size + 2 * align);
        let start = memory.as_ptr().addr().wrapping_neg() % align + align - lost;
        let required = lost + size;
        let error =
            flags::in_memory::<u64>(&mut memory[start..start + required - 1], 8).unwrap_err();
        let available = required - 1;
        assert_eq!(
            error,
            RingError::RegionTooSmall {
                required,
                available
            }
        );
        let memory = &mut memory[start..start + required];
        let (mut tx, mut rx) = flags::in_memory::<u64>(memory, 8).unwrap();
        assert_eq!(tx.push_iter(start as u64..), 8);
        assert!(rx.drain().eq(start as u64..start as u64 + 8));
    }
}

/// Slots are aligned for values that need more than a pair of lines, in every kind of memory. A build with debug
/// assertions, and Miri, reject reads of misaligned values.
#[test]
fn slots_with_flags_lie_where_the_alignment_of_values_wants_them() {
    #[repr(align(512))]
    struct Page(u8);

    assert_eq!(flags::region_align::<Page>(), 512);
    let size = flags::region_size::<Page>(2).unwrap();
    let mut memory = Box::new_uninit_slice(size + 1024);
    let skip = memory.as_ptr().addr().wrapping_neg() % 512 + 1;
    let mut borrowed = flags::Ring::<Page, 2>::new();
    for (mut tx, mut rx) in [
        flags::in_memory(&mut memory[skip..], 2).unwrap(),
        flags::allocate(2).unwrap(),
        borrowed.split_mut(),
    ] {
        for i in 0..5 {
            tx.push(Page(i)).ok().unwrap();
            assert_eq!(rx.pop().map(|page| page.0), Some(i));
        }
    }
}

#[test]
fn ends_with_flags_count_what_did_not_fit_and_nothing_else() {
    let (mut tx, mut rx) = flags::allocate(4).unwrap();
    assert_eq!((tx.push_iter(0..4), tx.push_iter(0..4)), (4, 0));
    assert_eq!(tx.stats().refused, 0);
    assert_eq!((tx.push_slice(&[]), tx.push_slice(&[1, 2])), (0, 0));
    assert_eq!((tx.stats().enqueued, tx.stats().refused), (4, 1));
    let mut out = [0; 6];
    assert_eq!((rx.pop_slice(&mut []), rx.stats().starved), (0, 0));
    assert_eq!(rx.pop_slice(&mut out), 4);
    let stats = rx.stats();
    assert_eq!((stats.dequeued, stats.starved), (4, 1));
    assert!(!tx.is_abandoned() && !rx.is_abandoned());
    drop(tx);
    assert!(rx.is_abandoned());
}

#[test]
fn a_borrowed_ring_with_flags_starts_empty_each_time() {
    let live = Rc::new(Cell::new(0));
    let mut ring: flags::Ring<Counted, 4> = flags::Ring::new();
    let (mut tx, mut rx) = ring.split_mut();
    tx.push_iter((0..3).map(|i| Counted::new(&live, i)));
    assert_eq!(rx.pop().unwrap().1, 0);
    drop((tx, rx));
    assert_eq!(live.get(), 0);
    // The ends are forgotten: their value is forgotten too, and no later end finds it.
    let mut ring: flags::Ring<u32, 4> = flags::Ring::new();
    let (mut tx, rx) = ring.split_mut();
    tx.push(7).unwrap();
    core::mem::forget((tx, rx));
    let (tx, mut rx) = ring.split_mut();
    assert!(rx.pop().is_none() && tx.is_empty() && !tx.is_abandoned());
}

#[test]
fn a_static_ring_with_flags_whose_borrowed_ends_were_forgotten_cannot_be_split() {
    let mut ring = Box::new(flags::Ring::<u8, 4>::new());
    let (mut tx, rx) = ring.split_mut();
    tx.push(1).unwrap();
    core::mem::forget((tx, rx));
    let ring = Box::into_raw(ring);
    // SAFETY: never freed before the last use, which is below.
    let split = unsafe { &*ring }.split().map(drop);
    assert_eq!(split, Err(RingError::AlreadySplit));
    // SAFETY: from `into_raw`, and none of its ends is left.
    drop(unsafe { Box::from_raw(ring) });
}

/// Bytes that differ from each other and from those of the next value.
fn pattern<const SIZE: usize>(i: usize) -> [u8; SIZE] {
    core::array::from_fn(|byte| (i * 31 + byte * 7) as u8)
}

#[test]
fn values_of_every_size_go_through_in_bursts_and_one_by_one() {
    fn through<const SIZE: usize>() {
        let capacities: &[usize] = if cfg!(miri) { &[8] } else { &[2, 8, 64] };
        for &capacity in capacities {
            let (mut tx, mut rx) = ring::allocate(capacity).unwrap();
            let (mut flag_tx, mut flag_rx) = flags::allocate(capacity).unwrap();
            let mut next = 0;
            for n in (1..=capacity)
                .cycle()
                .take(if cfg!(miri) { 20 } else { 200 })
            {
                let values: Vec<[u8; SIZE]> = (next..next + n).map(pattern).collect();
                next += n;
                assert_eq!((tx.push_slice(&values), tx.len()), (n, n));
                let mut out = vec![[0; SIZE]; n];
                assert_eq!((rx.pop_slice(&mut out), &out), (n, &values));
                assert_eq!(flag_tx.push_slice(&values), n);
                assert!(flag_rx.drain().eq(values));
            }
        }
    }
    through::<0>();
    through::<1>();
    through::<3>();
    through::<8>();
    through::<24>();
    through::<64>();
    through::<72>();
    if !cfg!(miri) {
        through::<200>();
        through::<2048>();
    }
}

/// Values are copied line by line, wherever a line ends: pointers stay valid, and padding may hold anything.
#[test]
fn bursts_of_pointers_with_padding_go_through() {
    #[repr(C, packed(2))]
    #[derive(Clone, Copy)]
    struct Cut<'a>(u8, &'a u32, u8);
    #[repr(C, align(128))]
    #[derive(Clone, Copy)]
    struct Wide<'a>(u8, &'a u32);

    let targets: Vec<u32> = (0..64).collect();
    let (mut tx, mut rx) = ring::allocate::<Cut<'_>>(32).unwrap();
    let (mut wide_tx, mut wide_rx) = ring::allocate::<Wide<'_>>(32).unwrap();
    let (mut flag_tx, mut flag_rx) = flags::allocate::<Wide<'_>>(32).unwrap();
    for n in [32, 7, 13, 32, 20] {
        let cut: Vec<Cut<'_>> = targets[..n].iter().map(|t| Cut(1, t, 2)).collect();
        assert_eq!(tx.push_slice(&cut), n);
        assert!(
            rx.drain()
                .zip(&targets)
                .all(|(got, t)| core::ptr::eq(got.1, t))
        );
        let wide: Vec<Wide<'_>> = targets[..n].iter().map(|t| Wide(1, t)).collect();
        assert_eq!(
            (wide_tx.push_slice(&wide), flag_tx.push_slice(&wide)),
            (n, n)
        );
        let (mut out, mut flag_out) = (wide.clone(), wide.clone());
        out.reverse();
        flag_out.reverse();
        assert_eq!(
            (
                wide_rx.pop_slice(&mut out),
                flag_rx.pop_slice(&mut flag_out)
            ),
            (n, n)
        );
        assert!(
            out.iter()
                .chain(&flag_out)
                .map(|wide| *wide.1)
                .eq((0..n as u32).chain(0..n as u32))
        );
    }
    // Moved, not copied: values of several lines that own memory.
    let (mut tx, mut rx) = ring::allocate::<String>(32).unwrap();
    for round in 0..5 {
        let strings: [String; 13] = core::array::from_fn(|i| format!("{round} {i}"));
        tx.push_array(strings.clone()).unwrap();
        assert_eq!(rx.pop_array(), Some(strings));
    }
}

/// Records its drop, and may panic.
struct Dropped<'a>(&'a Cell<Vec<u32>>, u32, bool);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        let mut all = self.0.take();
        all.push(self.1);
        self.0.set(all);
        assert!(!self.2, "a destructor that panics");
    }
}

/// Whichever end goes last, at any positions, and also if a destructor panics.
#[test]
fn what_is_left_is_dropped_once_and_in_order() {
    for (panics, producer_last) in [(false, false), (false, true), (true, false), (true, true)] {
        for before in 0..5 {
            let all = Cell::default();
            let (mut tx, mut rx) = flags::allocate(4).unwrap();
            for i in 0..before {
                tx.push(Dropped(&all, i, false)).ok().unwrap();
                drop(rx.pop());
            }
            all.take();
            for i in 0..4 {
                tx.push(Dropped(&all, i, panics && i == 1)).ok().unwrap();
            }
            let last: Box<dyn FnOnce()> = if producer_last {
                drop(rx);
                Box::new(|| drop(tx))
            } else {
                drop(tx);
                Box::new(|| drop(rx))
            };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(last));
            assert_eq!(result.is_err(), panics);
            assert_eq!(all.take(), [0, 1, 2, 3]);
        }
    }
}

/// The iterator may use the other end meanwhile, or panic: the values that it has given are in the ring.
#[test]
fn an_iterator_that_takes_or_panics_meanwhile_does_no_harm() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = flags::allocate(2).unwrap();
    let mut taken = 0;
    let values = (0..7).map(|i| {
        if i % 2 == 1 {
            taken += usize::from(rx.pop().is_some());
        }
        Counted::new(&live, i)
    });
    let pushed = tx.push_iter(values);
    assert_eq!((live.get(), tx.len()), (pushed - taken, pushed - taken));
    while rx.pop().is_some() {}
    let values = (0..2).map(|i| match i {
        0 => Counted::new(&live, i),
        _ => panic!("an iterator that panics"),
    });
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tx.push_iter(values)));
    assert!(result.is_err());
    assert_eq!((rx.len(), rx.pop().map(|value| value.1)), (1, Some(0)));
    assert_eq!(live.get(), 0);
}
