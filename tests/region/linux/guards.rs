//! Guards: an access past either end is caught, on every rung.

use super::hugepages::HugePages;
use super::machine::*;
use super::refusing::*;
use super::*;
use framepool::region::Stage;
use framepool::{ConfigError, Pool, PoolConfig};
use libc::EEXIST;

#[test]
fn the_bytes_before_and_behind_admit_no_access() {
    let pages = HugePages::exactly(2);
    for page in ALL.into_iter().filter(|&p| p != Huge2M || pages.is_some()) {
        for len in [1, HUGE + 1] {
            let region = forced(len, page).guards(true).map().unwrap();
            let (start, end) = (address(&region), address(&region) + region.len());
            assert_eq!(start % unit(page), 0);
            assert_eq!(region.len(), len.next_multiple_of(unit(page)));
            assert_eq!(region.report().guard_bytes(), base_page());
            assert!(region.report().to_string().contains(", guarded"));
            for inside in [start, end - 1] {
                assert!(is_writable(inside), "{page}");
            }
            let guards = [start - base_page(), start - 1, end, end + base_page() - 1];
            for guard in guards {
                assert!(is_mapped(guard), "{page}: absent, or of another mapping");
                assert!(!is_writable(guard), "{page}");
            }
        }
    }
}

#[test]
fn guards_go_with_their_region() {
    alone(test_name!(guards_go_with_their_region), || {
        let _held = HugePages::exactly(1);
        for page in ALL {
            let map = |_| builder(HUGE, page).guards(true).map().unwrap();
            let ends: Vec<_> = (0..8)
                .map(map)
                .flat_map(|r| [address(&r) - 1, address(&r), address(&r) + r.len()])
                .collect();
            assert!(!ends.iter().any(|&at| is_mapped(at)), "{page}");
        }
    });
}

#[test]
fn without_guards_there_are_none() {
    let region = forced(HUGE, Base).map().unwrap();
    assert_eq!(region.report().guard_bytes(), 0);
    assert!(!region.report().to_string().contains("guarded"));
}

#[test]
fn hugetlb_pages_that_are_not_there_leave_no_guard_behind() {
    alone(
        test_name!(hugetlb_pages_that_are_not_there_leave_no_guard_behind),
        || {
            let Some(_pages) = HugePages::exactly(0) else {
                return;
            };
            let before = virtual_size();
            for _ in 0..64 {
                let error = forced(64 << 20, Huge2M).guards(true).map().unwrap_err();
                assert_eq!(refusals(&error), [no_memory(Huge2M)]);
            }
            let grown = virtual_size().saturating_sub(before);
            assert!(grown < 64 << 20, "{grown} bytes stay mapped");
        },
    );
}

#[test]
fn a_gap_that_others_always_take_is_a_step_down() {
    let Some(_pages) = HugePages::exactly(1) else {
        return;
    };
    // The pages' own mapping, by its flags.
    const AT: i32 = libc::MAP_FIXED_NOREPLACE | libc::MAP_HUGETLB;
    let flags = &[(3, AT..=i32::MAX)];
    let rule = [Refuse(libc::SYS_mmap, flags, EEXIST)];
    let Some(region) = refusing(&rule, || builder(1, Huge2M).guards(true).map()) else {
        return;
    };
    let region = region.unwrap();
    let steps = facts(region.report().steps());
    assert_eq!(steps, [(Huge2M, Stage::Map, EEXIST)]);
    assert_eq!(region.report().guard_bytes(), base_page());
}

#[test]
fn a_mapping_that_a_pool_does_not_fit_comes_back() {
    let region = forced(HUGE, Transparent).guards(true).map().unwrap();
    let (start, end) = (address(&region), address(&region) + region.len());
    let config = PoolConfig::new(2048, HUGE);
    let error = Pool::over_mapping(region, config).unwrap_err();
    let available = HUGE;
    let reason = error.reason();
    assert!(
        matches!(reason, ConfigError::RegionTooSmall { available: a, .. } if a == available),
        "{reason:?}"
    );
    assert_eq!(error.to_string(), reason.to_string());
    let as_any: Result<Pool<'static>, Box<dyn std::error::Error + Send + Sync>> =
        Pool::over_mapping(error.into_inner(), config).map_err(Into::into);
    assert!(as_any.is_err() && is_mapped(start));
    drop(as_any);
    assert!(!is_mapped(start) && !is_mapped(end - 1));
}

#[test]
fn a_pool_lives_between_guards() {
    let region = forced(HUGE, Transparent).guards(true).map().unwrap();
    let end = address(&region) + region.len();
    let pool = Pool::over_mapping(region, PoolConfig::fill(2048)).unwrap();
    let blocks: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    assert_eq!(blocks.len(), pool.capacity());
    assert!(!is_writable(end));
}
