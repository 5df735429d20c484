//! Heaps with fronts for threads.

use core::alloc::{GlobalAlloc, Layout};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::mpsc;

use framepool::heap::ThreadHeap;
use proptest::prelude::*;

use crate::layout;

/// The address of an object, which may go to another thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct At(*mut u8);

// SAFETY: a heap's memory may be used from any thread.
unsafe impl Send for At {}

/// The size of most heaps here. Miri looks at each byte of a static before it starts, also of those that no test uses.
pub(crate) const MEGABYTES: usize = if cfg!(miri) { 4 << 20 } else { 8 << 20 };

/// Allocates, and fills with a byte.
pub(crate) fn take(heap: &ThreadHeap, layout: Layout, fill: u8) -> Option<At> {
    // SAFETY: no layout of these tests is empty.
    let at = unsafe { heap.alloc(layout) };
    if at.is_null() {
        return None;
    }
    assert_eq!(at.addr() % layout.align(), 0);
    // SAFETY: just allocated with this size.
    unsafe { at.write_bytes(fill, layout.size()) };
    Some(At(at))
}

/// How many of `bytes` bytes a test looks at: Miri takes long for each.
fn looked_at(bytes: usize) -> usize {
    if cfg!(miri) { bytes.min(32) } else { bytes }
}

/// Looks whether all bytes are still `fill`, and frees them.
pub(crate) fn give(heap: &ThreadHeap, At(at): At, layout: Layout, fill: u8) {
    // SAFETY: it was allocated with this layout, and written.
    unsafe {
        let bytes = core::slice::from_raw_parts(at, looked_at(layout.size()));
        assert!(bytes.iter().all(|&byte| byte == fill), "{layout:?}");
        heap.dealloc(at, layout);
    }
}

/// All is free again: as many bytes as at the start, in one block.
fn assert_empty(heap: &ThreadHeap, largest: usize) {
    heap.flush();
    heap.check().unwrap();
    let stats = heap.stats();
    assert!(
        stats.largest >= largest - 64 * 1024,
        "{stats:?}, at first {largest}"
    );
    assert_eq!(stats.invalid_frees, 0);
}

#[test]
#[cfg(not(miri))]
fn sizes_up_to_a_mebibyte_keep_their_bytes_and_alignment() {
    framepool::thread_heap!(static HEAP: 64 << 20);

    let largest = HEAP.stats().largest;
    let mut live = Vec::new();
    let sizes = (0..20).flat_map(|log| [1 << log, (1 << log) + 1, 3 << log >> 1]);
    for (n, size) in sizes.enumerate() {
        for align in [1, 8, 16, 64, 4096, 8192] {
            let layout = layout(size.max(1), align);
            let at = take(&HEAP, layout, n as u8).unwrap();
            live.push((at, layout, n as u8));
        }
    }
    HEAP.check().unwrap();
    let mut ranges: Vec<_> = live
        .iter()
        .map(|&(at, l, _)| (at.0.addr(), at.0.addr() + l.size()))
        .collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    for (at, layout, fill) in live {
        give(&HEAP, at, layout, fill);
    }
    assert_empty(&HEAP, largest);
}

#[derive(Debug, Clone)]
enum Step {
    Take {
        size: usize,
        align: usize,
    },
    Give {
        which: prop::sample::Index,
    },
    Resize {
        which: prop::sample::Index,
        size: usize,
    },
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![1..200_usize, 1..5000_usize, 1..100_000_usize];
    let step = prop_oneof![
        6 => (size.clone(), 0..13_u32).prop_map(|(size, log)| Step::Take { size, align: 1 << (log / 3) }),
        4 => any::<prop::sample::Index>().prop_map(|which| Step::Give { which }),
        2 => (any::<prop::sample::Index>(), size).prop_map(|(which, size)| Step::Resize { which, size }),
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "Miri takes minutes")]
    fn operations_agree_with_a_shadow(steps in steps()) {
        framepool::thread_heap!(static HEAP: 4 << 20);

        // The front is made first, so that it does not lie between blocks.
        let small = layout(16, 8);
        give(&HEAP, take(&HEAP, small, 0).unwrap(), small, 0);
        // Address, layout and fill of what is live.
        let mut live: BTreeMap<At, (Layout, u8)> = BTreeMap::new();
        for (n, step) in steps.into_iter().enumerate() {
            let fill = n as u8;
            let pick = |which: prop::sample::Index, live: &BTreeMap<At, (Layout, u8)>| {
                (!live.is_empty()).then(|| *live.iter().nth(which.index(live.len())).unwrap().0)
            };
            match step {
                Step::Take { size, align } => {
                    let layout = layout(size, align);
                    if let Some(at) = take(&HEAP, layout, fill) {
                        let below = live.range(..At(at.0.wrapping_add(size))).next_back();
                        let ends = |other: At, l: Layout| other.0.addr() + l.size();
                        prop_assert!(below.is_none_or(|(&o, (l, _))| ends(o, *l) <= at.0.addr()));
                        live.insert(at, (layout, fill));
                    }
                }
                Step::Give { which } => if let Some(at) = pick(which, &live) {
                    let (layout, fill) = live.remove(&at).unwrap();
                    give(&HEAP, at, layout, fill);
                },
                Step::Resize { which, size } => if let Some(at) = pick(which, &live) {
                    let (old, fill) = live[&at];
                    // SAFETY: live, with this layout.
                    let to = unsafe { HEAP.realloc(at.0, old, size) };
                    if !to.is_null() {
                        live.remove(&at);
                        let kept = old.size().min(size);
                        // SAFETY: it has `size` bytes, and the first are those of the old one.
                        unsafe {
                            prop_assert!(core::slice::from_raw_parts(to, looked_at(kept)).iter().all(|&b| b == fill));
                            to.write_bytes(fill, size);
                        }
                        live.insert(At(to), (layout(size, old.align()), fill));
                    }
                },
                Step::Flush => {
                    HEAP.flush();
                    HEAP.check().unwrap();
                }
            }
        }
        for (at, (layout, fill)) in live {
            give(&HEAP, at, layout, fill);
        }
        HEAP.flush();
        HEAP.check().unwrap();
        // The front stays; all else is one block.
        prop_assert!(HEAP.stats().largest > (4 << 20) - 64 * 1024);
    }
}

#[test]
fn what_one_thread_allocates_another_frees() {
    framepool::thread_heap!(static HEAP: MEGABYTES);

    let largest = HEAP.stats().largest;
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    let (send, receive) = mpsc::sync_channel::<(At, Layout, u8)>(64);
    let consumer = std::thread::spawn(move || {
        for (at, layout, fill) in receive {
            give(&HEAP, at, layout, fill);
        }
    });
    for n in 0..rounds {
        let layout = layout(1 + n * 37 % 3000, 8);
        let at = take(&HEAP, layout, n as u8).expect("what was freed comes back");
        send.send((at, layout, n as u8)).unwrap();
    }
    drop(send);
    consumer.join().unwrap();
    assert_empty(&HEAP, largest);
}

#[test]
fn threads_by_the_hundred_leave_nothing_behind() {
    framepool::thread_heap!(static HEAP: MEGABYTES);

    let largest = HEAP.stats().largest;
    let threads = if cfg!(miri) { 4 } else { 400 };
    for n in 0..threads {
        std::thread::spawn(move || {
            let sizes = [16, 100 + n, 3000, 20_000, 70_000];
            let live: Vec<_> = sizes
                .iter()
                .map(|&size| (take(&HEAP, layout(size, 8), n as u8).unwrap(), size))
                .collect();
            for (at, size) in live {
                give(&HEAP, at, layout(size, 8), n as u8);
            }
        })
        .join()
        .unwrap();
    }
    assert!(HEAP.stats().fronts <= 1);
    assert_empty(&HEAP, largest);
}

#[test]
fn destructors_of_thread_locals_may_allocate_and_free() {
    framepool::thread_heap!(static HEAP: 4 << 20);

    struct Late(RefCell<Vec<At>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let small = layout(48, 8);
            for at in self.0.borrow_mut().drain(..) {
                give(&HEAP, at, small, 7);
            }
            let at = take(&HEAP, small, 8).unwrap();
            give(&HEAP, at, small, 8);
        }
    }
    std::thread_local! {
        static BEFORE: Late = const { Late(RefCell::new(Vec::new())) };
        static AFTER: Late = const { Late(RefCell::new(Vec::new())) };
    }

    let largest = HEAP.stats().largest;
    std::thread::spawn(|| {
        // Registered before the heap's own variable and after it, so one of them is dropped later.
        let small = layout(48, 8);
        BEFORE.with(|_| ());
        let first = take(&HEAP, small, 7).unwrap();
        BEFORE.with(|late| late.0.borrow_mut().push(first));
        let second = take(&HEAP, small, 7).unwrap();
        AFTER.with(|late| late.0.borrow_mut().push(second));
    })
    .join()
    .unwrap();
    assert_eq!(HEAP.stats().fronts, 0);
    assert_empty(&HEAP, largest);
}

#[test]
#[cfg(not(miri))]
fn exhaustion_is_null_and_all_comes_back() {
    framepool::thread_heap!(static HEAP: 4 << 20);

    let largest = HEAP.stats().largest;
    for size in [32, 500, 5000, 20_000, 100_000] {
        let layout = layout(size, 8);
        let mut live = Vec::new();
        while let Some(at) = take(&HEAP, layout, 1) {
            live.push(at);
        }
        assert!(
            live.len() * size > (4 << 20) * 4 / 5,
            "{} of {size} bytes",
            live.len()
        );
        let stats = HEAP.stats();
        assert_eq!(
            stats.last_refusal.map(|r| (r.size, r.align)),
            Some((size, 8))
        );
        // A smaller one may still fit; a free makes room for one of its size.
        give(&HEAP, live.pop().unwrap(), layout, 1);
        live.push(take(&HEAP, layout, 1).unwrap());
        for at in live {
            give(&HEAP, at, layout, 1);
        }
        assert_empty(&HEAP, largest);
    }
}

#[test]
#[cfg(not(miri))]
fn what_a_thread_holds_of_one_class_serves_another() {
    framepool::thread_heap!(static HEAP: 4 << 20);

    let small = layout(64, 8);
    let mut all: Vec<_> = std::iter::from_fn(|| take(&HEAP, small, 1)).collect();
    all.sort_unstable();
    // Those in the middle last: the front holds some of them.
    let middle = all.len() / 2;
    let last = all.split_off(middle);
    for at in all.into_iter().chain(last.into_iter().rev()) {
        give(&HEAP, at, small, 1);
    }
    let large = layout(3_400_000, 8);
    let at = take(&HEAP, large, 2).expect("they are taken back");
    give(&HEAP, at, large, 2);
}

#[test]
#[cfg(not(miri))]
fn a_request_looks_at_magazines_before_it_is_refused() {
    framepool::thread_heap!(static HEAP: MEGABYTES);

    let layout = layout(1000, 8);
    let mut all: Vec<_> = std::iter::from_fn(|| take(&HEAP, layout, 1)).collect();
    // More than a front holds: the oldest go into a magazine, the others stay with this thread.
    for at in all.split_off(all.len() - 17) {
        give(&HEAP, at, layout, 1);
    }
    // No memory for a front either.
    std::thread::spawn(move || {
        let at = take(&HEAP, layout, 2).expect("an object of the magazine");
        give(&HEAP, at, layout, 2);
    })
    .join()
    .unwrap();
    for at in all {
        give(&HEAP, at, layout, 1);
    }
    HEAP.flush();
    HEAP.check().unwrap();
}

#[test]
#[cfg(not(miri))]
fn a_full_heap_shrinks_an_allocation_where_it_is() {
    framepool::thread_heap!(static HEAP: 4 << 20);

    let (large, small) = (layout(2000, 8), layout(100, 8));
    let mut all: Vec<_> = std::iter::from_fn(|| take(&HEAP, large, 3)).collect();
    let rest: Vec<_> = std::iter::from_fn(|| take(&HEAP, small, 4)).collect();
    let at = all.pop().unwrap();
    // SAFETY: live, with this layout.
    let shrunk = unsafe { HEAP.realloc(at.0, large, 100) };
    assert!(!shrunk.is_null());
    give(&HEAP, At(shrunk), small, 3);
    for at in rest {
        give(&HEAP, at, small, 4);
    }
    for at in all {
        give(&HEAP, at, large, 3);
    }
    HEAP.flush();
    HEAP.check().unwrap();
    assert_eq!(HEAP.stats().invalid_frees, 0);
}

#[test]
#[cfg(not(miri))]
fn an_object_does_not_shrink_into_a_class_of_another_alignment() {
    framepool::thread_heap!(static HEAP: 4 << 20);

    // An object of 144 bytes, a class that is aligned to 16; 128 bytes are aligned to 128.
    let (old, new) = (layout(144, 8), layout(128, 8));
    let all: Vec<_> = std::iter::from_fn(|| take(&HEAP, old, 5)).collect();
    let rest: Vec<_> = std::iter::from_fn(|| take(&HEAP, new, 6)).collect();
    let mut met = [0, 0];
    for &at in all.iter().take(1000) {
        // SAFETY: live, with this layout; if it moves or shrinks, it gets its size back below.
        let shrunk = unsafe { HEAP.realloc(at.0, old, 128) };
        let is_aligned = at.0.addr() % 128 == 0;
        assert_eq!(
            shrunk,
            if is_aligned {
                at.0
            } else {
                core::ptr::null_mut()
            }
        );
        met[usize::from(is_aligned)] += 1;
    }
    assert!(met[0] > 0 && met[1] > 0);
    for at in rest {
        give(&HEAP, at, new, 6);
    }
    for (n, at) in all.into_iter().enumerate() {
        let shrank = n < 1000 && at.0.addr() % 128 == 0;
        give(&HEAP, at, if shrank { new } else { old }, 5);
    }
    HEAP.flush();
    HEAP.check().unwrap();
    assert_eq!(HEAP.stats().invalid_frees, 0);
}

#[test]
fn a_small_heap_serves_from_its_core() {
    framepool::thread_heap!(static HEAP: 32 * 1024);

    let layout = layout(100, 8);
    let all: Vec<_> = std::iter::from_fn(|| take(&HEAP, layout, 1)).collect();
    assert!(all.len() > 150, "{}", all.len());
    assert_eq!(HEAP.stats().fronts, 0);
    for at in all {
        give(&HEAP, at, layout, 1);
    }
    assert!(HEAP.check().is_ok());
}

#[test]
fn growing_within_a_class_in_a_small_heap_moves_what_has_no_room() {
    framepool::thread_heap!(static HEAP: 32 * 1024);

    // 100 and 112 bytes have the same class, but this heap has no classes.
    for (old, new) in [(100, 112), (25, 32), (300, 320), (112, 100)] {
        let (old, new) = (layout(old, 8), layout(new, 8));
        let at = take(&HEAP, old, 1).unwrap();
        let next = take(&HEAP, old, 2).unwrap();
        // SAFETY: live, with this layout.
        let to = unsafe { HEAP.realloc(at.0, old, new.size()) };
        assert!(!to.is_null());
        // SAFETY: it has this size.
        unsafe { to.write_bytes(3, new.size()) };
        HEAP.check().unwrap();
        give(&HEAP, next, old, 2);
        give(&HEAP, At(to), new, 3);
        HEAP.check().unwrap();
    }
}

#[test]
#[cfg(not(miri))]
fn a_thread_that_frees_first_hides_no_magazine() {
    // Large enough for magazines.
    framepool::thread_heap!(static HEAP: 16 << 20);

    let small = layout(1024, 8);
    give(&HEAP, take(&HEAP, small, 1).unwrap(), small, 1);
    HEAP.flush();
    let free = HEAP.stats().free;
    let last = take(&HEAP, small, 1).unwrap();
    let all = [(); 64].map(|()| take(&HEAP, small, 1).unwrap());
    // The front keeps 32 of them; the others are in magazines.
    for at in all {
        give(&HEAP, at, small, 1);
    }
    std::thread::spawn(move || give(&HEAP, last, small, 1))
        .join()
        .unwrap();
    HEAP.flush();
    assert_eq!(HEAP.stats().free, free);
}

#[test]
fn a_thread_may_use_two_heaps_in_turns() {
    framepool::thread_heap!(static ONE: 4 << 20);
    framepool::thread_heap!(static OTHER: 4 << 20);

    let largest = [&ONE, &OTHER].map(|heap| heap.stats().largest);
    std::thread::spawn(|| {
        let small = layout(64, 8);
        for fill in 0..100 {
            let both = [&ONE, &OTHER].map(|heap| (heap, take(heap, small, fill).unwrap()));
            for (heap, at) in both {
                give(heap, at, small, fill);
            }
        }
        assert_eq!([&ONE, &OTHER].map(|heap| heap.stats().fronts), [1, 1]);
    })
    .join()
    .unwrap();
    for (heap, largest) in [&ONE, &OTHER].into_iter().zip(largest) {
        assert_eq!(heap.stats().fronts, 0);
        assert_empty(heap, largest);
    }
}

#[test]
#[cfg(not(miri))]
fn batches_go_back_and_forth_through_magazines() {
    framepool::thread_heap!(static HEAP: 64 << 20);

    let largest = HEAP.stats().largest;
    let pair = || mpsc::sync_channel::<(At, Layout, u8)>(1024);
    let ((to_a, from_b), (to_b, from_a)) = (pair(), pair());
    let work = |to: mpsc::SyncSender<_>, from: mpsc::Receiver<(At, Layout, u8)>| {
        move || {
            for n in 0..30_000 {
                let layout = layout(1 + n * 61 % 2000, 8);
                to.send((take(&HEAP, layout, n as u8).unwrap(), layout, n as u8))
                    .unwrap();
                for (at, layout, fill) in from.try_iter() {
                    give(&HEAP, at, layout, fill);
                }
            }
            drop(to);
            for (at, layout, fill) in from {
                give(&HEAP, at, layout, fill);
            }
        }
    };
    let threads = [work(to_b, from_b), work(to_a, from_a)].map(std::thread::spawn);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(HEAP.stats().fronts, 0);
    assert_empty(&HEAP, largest);
}

#[test]
fn zeroed_memory_is_zero_when_it_is_used_again() {
    framepool::thread_heap!(static HEAP: MEGABYTES);

    for size in [40, 4000, 40_000] {
        let layout = layout(size, 8);
        for _ in 0..3 {
            // SAFETY: the layout is not empty; the memory has its size.
            unsafe {
                let at = HEAP.alloc_zeroed(layout);
                assert!(
                    core::slice::from_raw_parts(at, looked_at(size))
                        .iter()
                        .all(|&b| b == 0)
                );
                at.write_bytes(0xFF, size);
                HEAP.dealloc(at, layout);
            }
        }
    }
}

#[test]
fn a_double_free_is_counted_and_changes_nothing() {
    framepool::thread_heap!(static HEAP: MEGABYTES);

    let layout = layout(1000, 8);
    let keep = take(&HEAP, layout, 1).unwrap();
    let at = take(&HEAP, layout, 2).unwrap();
    give(&HEAP, at, layout, 2);
    HEAP.flush();
    // SAFETY: none: the object is freed already. The test of a fault that the heap tolerates: nothing uses the object
    // afterwards.
    unsafe { HEAP.dealloc(at.0, layout) };
    HEAP.flush();
    assert_eq!(HEAP.stats().invalid_frees, 1);
    HEAP.check().unwrap();
    give(&HEAP, keep, layout, 1);
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn the_child_of_a_fork_allocates_while_a_thread_was_inside() {
    framepool::thread_heap!(static HEAP: MEGABYTES);
    use std::sync::atomic::{AtomicBool, Ordering};
    static OVER: AtomicBool = AtomicBool::new(false);

    // Large ones, which take the lock each time.
    let busy = std::thread::spawn(|| {
        while !OVER.load(Ordering::Relaxed) {
            let at = take(&HEAP, layout(40_000, 8), 1).unwrap();
            give(&HEAP, at, layout(40_000, 8), 1);
        }
    });
    for _ in 0..50 {
        // SAFETY: the child calls the heap, which is prepared for that, and functions that are safe after a fork.
        let child = unsafe { libc::fork() };
        if child == 0 {
            for size in [64, 50_000] {
                // SAFETY: the layout is not empty.
                let at = unsafe { HEAP.alloc(layout(size, 8)) };
                if at.is_null() {
                    // SAFETY: ends the child.
                    unsafe { libc::_exit(1) };
                }
            }
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) };
        }
        assert!(child > 0);
        let mut status = 0;
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
        // SAFETY: waits for the child made above.
        while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
            if std::time::Instant::now() > limit {
                // SAFETY: as above.
                unsafe { libc::kill(child, libc::SIGKILL) };
                panic!("the child hangs");
            }
            std::thread::yield_now();
        }
        assert_eq!(status, 0);
    }
    OVER.store(true, Ordering::Relaxed);
    busy.join().unwrap();
    HEAP.check().unwrap();
}

#[test]
fn a_large_object_becomes_a_small_one_when_memory_is_out() {
    framepool::thread_heap!(static HEAP: 4 << 20);
    let (large, small) = (layout(100_000, 4096), layout(1000, 4096));
    let at = take(&HEAP, large, 7).unwrap();
    for size in [100_000, 10_000, 4096, 64] {
        while take(&HEAP, layout(size, 8), 1).is_some() {}
    }
    let before = HEAP.stats();
    // SAFETY: allocated above. The size follows.
    unsafe {
        let shrunk = HEAP.realloc(at.0, large, 1000);
        assert_eq!(shrunk, at.0);
        assert!((0..1000).all(|i| shrunk.add(i).read() == 7));
        // What is not needed serves others, and so does the object itself later.
        assert!(before.used - HEAP.stats().used > 95_000);
        assert!(!HEAP.alloc(layout(90_000, 8)).is_null());
        HEAP.dealloc(shrunk, small);
        HEAP.flush();
        assert!((0..10).any(|_| HEAP.alloc(small) == shrunk));
    }
    HEAP.check().unwrap();
    assert_eq!(HEAP.stats().invalid_frees, 0);
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn what_threads_held_comes_back_in_the_child_of_a_fork() {
    // As many objects as a process can return.
    framepool::thread_heap!(static HEAP: 6 << 20);
    let layout = layout(32_768, 8);
    // Objects that fit, up to a refusal.
    let count = || {
        // SAFETY: the layout is not empty.
        let served = || unsafe { !HEAP.alloc(layout).is_null() };
        std::iter::repeat_with(served).take_while(|&it| it).count()
    };
    let (to_main, from_worker) = mpsc::channel();
    let (to_worker, from_main) = mpsc::channel::<()>();
    let worker = std::thread::spawn(move || {
        let some = [(); 4].map(|()| take(&HEAP, layout, 1).unwrap());
        some.into_iter().for_each(|at| give(&HEAP, at, layout, 1));
        to_main.send(()).unwrap();
        let _ = from_main.recv();
    });
    from_worker.recv().unwrap();
    let counted_in_child = || {
        // SAFETY: the child calls the heap, which is prepared for that, and ends.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(count() as i32);
            }
            assert!(child > 0);
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert!(libc::WIFEXITED(status), "{status}");
            libc::WEXITSTATUS(status)
        }
    };
    let with_worker = counted_in_child();
    drop(to_worker);
    worker.join().unwrap();
    let without = counted_in_child();
    // The worker's front itself takes 22 KiB.
    assert!(
        without < 250 && with_worker > 100 && with_worker + 1 >= without,
        "{with_worker} of {without}"
    );
}
