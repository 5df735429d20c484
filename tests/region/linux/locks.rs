//! Locks: pages stay resident, or a limit forbids it.

use super::hugepages::HugePages;
use super::machine::*;
use super::refusing::*;
use super::*;
use framepool::region::{Lock, LockError};
use libc::{ENOSYS, EPERM};

const LEN: usize = 1 << 20;

#[test]
fn locked_pages_are_locked_whatever_they_are() {
    alone(
        test_name!(locked_pages_are_locked_whatever_they_are),
        || {
            let pages = HugePages::exactly(1);
            for page in ALL.into_iter().filter(|&p| p != Huge2M || pages.is_some()) {
                let mut region = match forced(LEN, page).lock().map() {
                    Err(MapError::Lock(LockError { limit, .. })) => {
                        println!("SKIPPED lock: the limit here is {limit:?} bytes");
                        return;
                    }
                    other => other.unwrap(),
                };
                assert_eq!(region.report().lock(), Lock::Locked);
                assert!(region.report().to_string().contains(", locked"));
                let entry = smaps(address(&region));
                // The kernel does not mark pages that it never swaps.
                assert_eq!(entry.contains_key("lo"), page != Huge2M, "{page}");
                if page != Huge2M {
                    assert_eq!(entry["Locked"], region.len());
                }
                region.unlock().unwrap();
                assert_eq!(region.report().lock(), Lock::Unlocked);
                assert!(!smaps(address(&region)).contains_key("lo"));
                region.lock().unwrap();
                assert_eq!(region.report().lock(), Lock::Locked);
                drop(region);
                assert_no_faults("locked", || forced(LEN, page).lock().map().unwrap());
            }
        },
    );
}

#[test]
fn a_lock_makes_no_page_resident_and_holds_those_that_come() {
    let test = test_name!(a_lock_makes_no_page_resident_and_holds_those_that_come);
    alone(test, || {
        let builder = forced(LEN, Base).prefault(false).lock_or_report();
        let mut region = builder.map().unwrap();
        if region.report().lock() != Lock::Locked {
            println!("SKIPPED lock: {}", region.report());
            return;
        }
        assert_eq!(smaps(address(&region))["Rss"], 0);
        assert!(faults_of_touching(&mut region) >= LEN / base_page());
        assert_eq!(smaps(address(&region))["Locked"], LEN);
    });
}

/// Lets this process lock `bytes`, as an ordinary user.
fn limit(bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes as libc::rlim_t,
        rlim_max: bytes as libc::rlim_t,
    };
    // SAFETY: reads the structure; the user is changed for the whole process, which is the test's own.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit), 0);
        if libc::geteuid() == 0 {
            assert_eq!(libc::setresuid(65534, 65534, 65534), 0);
        }
    }
}

fn fact(error: LockError) -> (usize, Option<u64>, i32) {
    (error.requested, error.limit, error.errno.raw_os_error())
}

#[test]
fn more_than_the_limit_is_an_error_with_the_limit() {
    alone(
        test_name!(more_than_the_limit_is_an_error_with_the_limit),
        || {
            limit(64 << 10);
            let expected = (LEN, Some(64 << 10), ENOMEM);
            let error = forced(LEN, Base).lock().map().unwrap_err();
            let text = error.to_string();
            let start = "could not lock 1048576 bytes (RLIMIT_MEMLOCK is 65536 bytes: ";
            assert!(text.starts_with(start), "{text}");
            let MapError::Lock(error) = error else {
                panic!("{error:?}");
            };
            assert_eq!(fact(error), expected);
            // Alternatively the region without the lock, with the same facts.
            let mut region = forced(LEN, Base).lock_or_report().map().unwrap();
            assert_eq!(region.report().lock(), Lock::Refused(error));
            assert!(region.report().to_string().contains(start));
            assert_eq!(region.lock(), Err(error));
            assert_no_faults("unlocked", || {
                forced(LEN, Base).lock_or_report().map().unwrap()
            });
            // Lengths within the limit are locked.
            let region = forced(16 << 10, Base).lock().map().unwrap();
            assert_eq!(region.report().lock(), Lock::Locked);
        },
    );
}

#[test]
fn a_lock_over_the_limit_on_large_pages_is_a_step_down_to_base_pages() {
    let test = test_name!(a_lock_over_the_limit_on_large_pages_is_a_step_down_to_base_pages);
    alone(test, || {
        limit(64 << 10);
        // 2 MiB on the rungs of large pages: over the limit. 32 KiB in base pages: below it.
        let small = MappedRegion::builder(32 << 10).lock();
        let region = small.map().unwrap();
        assert_eq!(region.report().page(), Base);
        assert_eq!(region.report().lock(), Lock::Locked);
        let steps = facts(region.report().steps());
        assert_eq!(steps.last(), Some(&(Transparent, Stage::Lock, ENOMEM)));
        let text = region.report().to_string();
        let step = "no transparent huge pages (lock: ";
        assert!(text.contains(", locked; ") && text.contains(step), "{text}");
        // The error has the facts of the last rung that was allowed.
        let refused = |builder: MapBuilder| match builder.lock().map().unwrap_err() {
            MapError::Lock(error) => fact(error),
            other => panic!("{other:?}"),
        };
        let bytes = |bytes| (bytes, Some(64 << 10), ENOMEM);
        assert_eq!(refused(builder(LEN, Huge2M)), bytes(LEN));
        assert_eq!(refused(forced(32 << 10, Transparent)), bytes(HUGE));
        // A lock that may be refused leaves the page size as it is.
        let report = builder(32 << 10, Transparent).lock_or_report().map();
        let report = report.unwrap().report().clone();
        assert_eq!(report.page(), Transparent);
        assert!(matches!(report.lock(), Lock::Refused(_)));
    });
}

#[test]
fn a_limit_of_zero_and_an_old_kernel_are_told_apart() {
    alone(
        test_name!(a_limit_of_zero_and_an_old_kernel_are_told_apart),
        || {
            let refused = || match forced(LEN, Base).lock().map().unwrap_err() {
                MapError::Lock(error) => fact(error),
                other => panic!("{other:?}"),
            };
            let old = [Refuse(libc::SYS_mlock2, &[], ENOSYS)];
            if let Some((_, _, errno)) = refusing(&old, refused) {
                assert_eq!(errno, ENOSYS);
            }
            limit(0);
            assert_eq!(refused(), (LEN, Some(0), EPERM));
        },
    );
}
