//! Objects that threads hold, taken back when memory runs out.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

#[cfg(all(target_os = "linux", not(miri)))]
use core::alloc::Layout;
#[cfg(all(target_os = "linux", not(miri)))]
use std::sync::mpsc;

#[cfg(all(target_os = "linux", not(miri)))]
use framepool::heap::ThreadHeap;

use crate::layout;
#[cfg(all(target_os = "linux", not(miri)))]
use crate::threads::At;
use crate::threads::{give, take};

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn what_idle_threads_hold_is_taken_back_when_memory_runs_out() {
    framepool::thread_heap!(static HEAP: 16 << 20);

    /// Takes objects until there is no more, frees them, and returns how many there were.
    fn all_of(layout: Layout) -> usize {
        let objects: Vec<At> = std::iter::from_fn(|| take(&HEAP, layout, 2)).collect();
        let n = objects.len();
        objects
            .into_iter()
            .for_each(|at| give(&HEAP, at, layout, 2));
        n
    }

    /// Frees many at once, and keeps what a front holds of each class.
    fn hold() {
        for size in [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768] {
            let layout = layout(size, 8);
            let many: Vec<At> = (0..200).map_while(|_| take(&HEAP, layout, 1)).collect();
            many.into_iter().for_each(|at| give(&HEAP, at, layout, 1));
        }
    }

    beside(|worker| {
        let after = |task: fn(), layout| {
            worker(Box::new(task));
            all_of(layout)
        };
        // The worker has a front in both cases.
        after(hold, layout(64, 8));
        for layout in [layout(4096, 8), layout(100_000, 8)] {
            let all = after(|| HEAP.flush(), layout);
            let beside = after(hold, layout);
            // A few small ones take the place of larger ones, before anything is taken back.
            assert!(beside >= all - all / 32, "{beside} of {all}");
        }
    });
    HEAP.flush();
    HEAP.check().unwrap();
    assert_eq!(HEAP.stats().invalid_frees, 0);
}

/// A thread that runs one task after the other.
#[cfg(all(target_os = "linux", not(miri)))]
fn beside(main: impl FnOnce(&dyn Fn(Task))) {
    let (to_main, from_worker) = mpsc::channel();
    let (to_worker, from_main) = mpsc::channel::<Task>();
    let worker = std::thread::spawn(move || {
        for task in from_main {
            task();
            to_main.send(()).unwrap();
        }
    });
    main(&|task| {
        to_worker.send(task).unwrap();
        from_worker.recv().unwrap();
    });
    drop(to_worker);
    worker.join().unwrap();
}

#[cfg(all(target_os = "linux", not(miri)))]
type Task = Box<dyn FnOnce() + Send>;

/// Takes all that there is, the large first, and keeps it.
#[cfg(all(target_os = "linux", not(miri)))]
fn fill(heap: &'static ThreadHeap, sizes: &[usize]) {
    for &size in sizes {
        while take(heap, layout(size, 8), 3).is_some() {}
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn a_large_request_takes_what_its_own_thread_holds_first() {
    framepool::thread_heap!(static HEAP: 8 << 20);
    let object = layout(32_768, 8);
    let pair = move || [(); 2].map(|()| take(&HEAP, object, 1).unwrap());
    let give_both = move |pair: [At; 2]| pair.into_iter().for_each(|at| give(&HEAP, at, object, 1));
    beside(|worker| {
        let (to_main, pairs) = mpsc::channel();
        worker(Box::new(move || to_main.send(pair()).unwrap()));
        let theirs = pairs.recv().unwrap();
        let own = pair();
        fill(&HEAP, &[100_000, 40_000]);
        worker(Box::new(move || give_both(theirs)));
        give_both(own);
        let before = HEAP.stats();
        take(&HEAP, layout(40_000, 8), 1).unwrap();
        // The two objects of this thread lie next to each other. Those of the other one are not needed.
        let freed = before.used + 40_000 - HEAP.stats().used;
        assert!((60_000..70_000).contains(&freed), "{freed}");
    });
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn a_small_request_takes_what_lies_in_magazines_before_what_threads_hold() {
    framepool::thread_heap!(static HEAP: 8 << 20);
    // Such an object may serve a request of 80 bytes, too.
    let object = layout(96, 8);
    beside(|worker| {
        let (to_main, objects) = mpsc::channel();
        worker(Box::new(move || {
            let many: Vec<At> = (0..80).map(|_| take(&HEAP, object, 1).unwrap()).collect();
            to_main.send(many).unwrap();
        }));
        let theirs = objects.recv().unwrap();
        fill(&HEAP, &[100_000, 40_000, 8192, 1024, 96, 80]);
        let before = HEAP.stats();
        // 64 of them stay in the front of the thread, or less: 32 of them become a magazine.
        worker(Box::new(move || {
            theirs.into_iter().for_each(|at| give(&HEAP, at, object, 1));
        }));
        assert_eq!(HEAP.stats().used, before.used);
        take(&HEAP, layout(80, 8), 1).unwrap();
        let freed = before.used - HEAP.stats().used;
        assert_eq!(freed, 31 * 96);
    });
}

#[test]
fn objects_are_taken_back_beside_threads_that_use_their_fronts() {
    const SIZE: usize = if cfg!(miri) { 4 << 20 } else { 6 << 20 };
    framepool::thread_heap!(static HEAP: SIZE);
    let rounds = if cfg!(miri) { 20 } else { 2000 };
    let stop = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers = [1_u8, 2].map(|fill| {
            scope.spawn(move || {
                for round in 0..rounds {
                    let of = [layout(16, 8), layout(200, 8), layout(3000, 8)][round % 3];
                    let some = [(); 5].map(|()| take(&HEAP, of, fill));
                    some.into_iter()
                        .flatten()
                        .for_each(|at| give(&HEAP, at, of, fill));
                }
            })
        });
        scope.spawn(move || {
            // No request of this size is served, so each one takes back what there is.
            while !stop.load(Relaxed) {
                assert!(take(&HEAP, layout(2 * SIZE, 8), 3).is_none());
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        stop.store(true, Relaxed);
    });
    HEAP.flush();
    HEAP.check().unwrap();
    assert_eq!(HEAP.stats().invalid_frees, 0);
}
