//! The page faults of a thread.

use framepool::MappedRegion;
use framepool::region::{FaultCounter, PageFaults, PageSize};

use super::machine::base_page;

/// Touches each page of a new mapping.
fn touch(pages: usize, prefault: bool) {
    let builder = MappedRegion::builder(pages * base_page()).page(PageSize::Base);
    let mut region = builder.force().prefault(prefault).map().unwrap();
    for byte in region.as_uninit_mut().iter_mut().step_by(base_page()) {
        byte.write(1);
        std::hint::black_box(byte);
    }
}

#[test]
fn each_first_touch_of_a_page_is_a_minor_fault() {
    let counter = FaultCounter::start();
    touch(64, false);
    let faults = counter.so_far();
    assert!(faults.minor >= 64, "{faults}");
    // It goes on.
    touch(64, false);
    let more = counter.stop();
    assert!(more.minor >= faults.minor + 64, "{more}");
    assert_eq!(more.total(), more.minor + more.major);
}

#[test]
fn another_threads_faults_are_not_counted() {
    touch(1, false);
    // The start of a thread may fault here, but does not touch as many pages.
    let counter = FaultCounter::start();
    std::thread::scope(|scope| {
        scope.spawn(|| touch(4096, false));
    });
    let faults = counter.stop();
    assert!(faults.minor < 4096, "{faults}");
}

#[test]
fn they_read_as_numbers_of_both_kinds() {
    let (minor, major) = (3, 1);
    let faults = PageFaults { minor, major };
    assert_eq!(faults.to_string(), "3 minor and 1 major page faults");
    assert_eq!(faults.total(), 4);
}
