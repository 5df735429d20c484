//! Contents and ownership: zeroed, exclusive, unmapped at the end.

use super::hugepages::HugePages;
use super::machine::*;
use super::refusing::*;
use super::*;
use libc::MADV_POPULATE_WRITE;
use std::mem::MaybeUninit;
use std::thread;

#[test]
fn memory_is_zeroed_and_keeps_what_is_written() {
    let _held = HugePages::exactly(2);
    for (page, prefault) in ALL.map(|page| [(page, true), (page, false)]).concat() {
        let builder = builder(3_000_000, page).prefault(prefault);
        let mut region = builder.map().unwrap();
        assert!(is_all(&region, 0));
        let (front, back) = region.as_uninit_mut().split_at_mut(2_000_000);
        front.fill(MaybeUninit::new(1));
        back.fill(MaybeUninit::new(2));
        // SAFETY: written just now.
        let at = |i: usize| unsafe { region.as_uninit()[i].assume_init() };
        assert_eq!([at(0), at(1_999_999)], [1, 1]);
        assert_eq!([at(2_000_000), at(region.len() - 1)], [2, 2]);
    }
}

#[test]
fn regions_move_between_threads_and_are_shared_by_them() {
    let mut region = builder(1 << 20, Base).map().unwrap();
    let start = address(&region);
    let writer = thread::spawn(move || {
        region.as_uninit_mut().fill(MaybeUninit::new(9));
        region
    });
    let region = writer.join().unwrap();
    assert_eq!(address(&region), start);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(is_all(&region, 9)));
        }
    });
    thread::spawn(move || drop(region)).join().unwrap();
}

#[test]
fn dropping_unmaps_all_of_it() {
    alone(test_name!(dropping_unmaps_all_of_it), || {
        let (n, len) = (8, 4 * HUGE);
        // Less than the slack of `n` alignments, but more than the memory of the tests.
        let noise = n * HUGE / 2;
        let _held = HugePages::exactly(n * len / HUGE);
        for page in ALL {
            let before = virtual_size();
            let map = |_| builder(len, page).map().unwrap();
            let regions: Vec<_> = (0..n).map(map).collect();
            let grown = virtual_size().saturating_sub(before);
            assert!((n * len..n * len + noise).contains(&grown), "{page}");
            let ends = |r: &MappedRegion| [address(r), address(r) + len - 1];
            let ends: Vec<_> = regions.iter().flat_map(ends).collect();
            assert!(ends.iter().all(|&at| is_mapped(at)));
            let most = virtual_size();
            drop(regions);
            assert!(!ends.iter().any(|&at| is_mapped(at)), "{page}");
            assert!(most - virtual_size() > n * len - noise, "{page}");
        }
    });
}

#[test]
fn failing_leaves_nothing_mapped() {
    alone(test_name!(failing_leaves_nothing_mapped), || {
        let len = 64 << 20;
        let _held = HugePages::exactly(len / HUGE);
        let populate = &[(2, MADV_POPULATE_WRITE..=MADV_POPULATE_WRITE)];
        let grown = refusing(&[Refuse(libc::SYS_madvise, populate, ENOMEM)], || {
            let before = virtual_size();
            for _ in 0..8 {
                let error = MappedRegion::builder(len).map().unwrap_err();
                assert_eq!(refusals(&error).len(), 3, "{error}");
            }
            virtual_size().saturating_sub(before)
        });
        assert!(grown.unwrap_or(0) < len, "{grown:?} bytes stay mapped");
    });
}
