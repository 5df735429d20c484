//! Heaps over a mapping that is made at their first use.

use core::alloc::{GlobalAlloc, Layout};

use framepool::heap::{ThreadHeap, ThreadHeapMapping};
use framepool::region::Fork;
use framepool::{MapError, MappedRegion, PageSize, Residency};

use crate::layout;
#[cfg(not(miri))]
use crate::refusing::{Refuse, refusing};

const SIZE: usize = 32 << 20;

#[test]
fn a_heap_maps_at_its_first_use_and_says_what_it_got() {
    framepool::thread_heap!(static HEAP: mapped MappedRegion::builder(SIZE).page(PageSize::Base));
    let layout = layout(100, 8);
    // SAFETY: the layout is not empty; the object is freed with it.
    unsafe {
        let at = HEAP.alloc(layout);
        assert!(!at.is_null());
        HEAP.dealloc(at, layout);
    }
    let report = HEAP.mapping().unwrap().unwrap();
    assert_eq!((report.mapped(), report.page()), (SIZE, PageSize::Base));
    assert_ne!(report.residency(), Residency::OnDemand);
    let stats = HEAP.stats();
    assert!(stats.total > SIZE - 4096, "{stats}");
    HEAP.flush();
    HEAP.check().unwrap();
}

#[test]
fn a_heap_that_a_child_of_a_fork_would_miss_is_refused() {
    for fork in [Fork::Absent, Fork::Wiped] {
        let made = std::panic::catch_unwind(|| {
            ThreadHeapMapping::new(MappedRegion::builder(SIZE).fork(fork))
        });
        let message = made.map(drop).unwrap_err().downcast::<&str>().unwrap();
        assert_eq!(*message, "the child of a fork needs the heap");
    }
    let _ = ThreadHeapMapping::new(MappedRegion::builder(SIZE).fork(Fork::Copied));
}

#[test]
fn a_heap_in_a_static_has_no_mapping() {
    framepool::thread_heap!(static HEAP: 1 << 20);
    assert!(HEAP.mapping().is_none());
}

#[test]
fn a_small_mapping_serves_without_classes() {
    framepool::thread_heap!(static HEAP: mapped MappedRegion::builder(1).page(PageSize::Base));
    let layout = layout(1000, 16);
    // SAFETY: as above.
    unsafe {
        let at = HEAP.alloc(layout);
        assert!(!at.is_null());
        HEAP.dealloc(at, layout);
    }
    assert_eq!(HEAP.stats().fronts, 0);
}

#[test]
fn a_refused_mapping_is_told_and_every_request_is_refused() {
    // More pages of 1 GiB than a machine has set aside.
    framepool::thread_heap!(static HEAP: mapped MappedRegion::builder(64 << 30).page(PageSize::Huge1G).force());
    match HEAP.mapping().unwrap() {
        Ok(report) => println!("SKIPPED: {report}"),
        Err(MapError::Unavailable { requested, refused }) => {
            assert_eq!(*requested, 64 << 30);
            assert_eq!(refused.iter().count(), 1);
            for size in [1, 100, 1 << 20] {
                // SAFETY: the layout is not empty.
                assert!(unsafe { HEAP.alloc(layout(size, 1)) }.is_null());
            }
            assert_eq!(HEAP.stats().total, 0);
        }
        Err(other) => panic!("{other}"),
    }
}

/// What an allocation gave, and how it is freed.
struct Object(*mut u8, Layout);

// SAFETY: memory of a heap that every thread may use.
unsafe impl Send for Object {}

/// Allocates and frees objects of all kinds until a request is refused, and some after that.
fn exhaust(heap: &ThreadHeap, live: &mut Vec<Object>) -> usize {
    let mut served = 0;
    for round in 0.. {
        let layout = layout(16 << (round % 17), 16);
        // SAFETY: the layout is not empty.
        let at = unsafe { heap.alloc_zeroed(layout) };
        if at.is_null() || live.len() == live.capacity() {
            break;
        }
        served += layout.size();
        live.push(Object(at, layout));
    }
    for Object(at, layout) in live.drain(..) {
        let bigger = layout.size() + 1;
        // SAFETY: allocated above; freed once, with the layout it has by then.
        unsafe {
            let moved = heap.realloc(at, layout, bigger);
            let (at, size) = match moved.is_null() {
                true => (at, layout.size()),
                false => (moved, bigger),
            };
            heap.dealloc(at, Layout::from_size_align_unchecked(size, layout.align()));
        }
    }
    served
}

#[cfg(not(miri))]
#[test]
fn nothing_is_mapped_after_the_start() {
    framepool::thread_heap!(static HEAP: mapped MappedRegion::builder(SIZE));
    assert!(HEAP.mapping().unwrap().is_ok());
    // Made before: the list is in the system's memory.
    let mut live = Vec::with_capacity(4096);
    let no_memory = [libc::SYS_mmap, libc::SYS_mremap, libc::SYS_brk]
        .map(|call| Refuse(call, &[], libc::EPERM));
    let served = refusing(&no_memory, || {
        // SAFETY: an anonymous mapping, which fails.
        let refused = unsafe {
            let (access, kind) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            libc::mmap(core::ptr::null_mut(), 4096, access, kind, -1, 0)
        };
        assert_eq!(refused, libc::MAP_FAILED, "the filter does nothing");
        let served = exhaust(&HEAP, &mut live);
        HEAP.flush();
        served
    });
    assert!(served.is_none_or(|bytes| bytes > SIZE / 2), "{served:?}");
    HEAP.check().unwrap();
}
