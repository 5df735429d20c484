//! Physical addresses: right if the kernel discloses them, else refused with the reason.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::ptr::{self, NonNull};

use framepool::region::{Iova, IovaError, IovaRange, PageRuns, PageWord, PhysAddr, RunRequest};
use framepool::{MappedRegion, PageSize, Pool, PoolConfig, SharedRegion, Stride};

use super::HUGE;
use super::hugepages::HugePages;
use super::machine::base_page;
use super::process::{alone, another, assert_passed, role, test_name};

/// Whether this process has `CAP_SYS_ADMIN` (bit 21). If not, prints which test is skipped.
fn permitted(test: &str) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = u64::from_str_radix(line.unwrap().trim(), 16).unwrap();
    let has = set >> 21 & 1 == 1;
    if !has {
        println!("SKIPPED {test}: no CAP_SYS_ADMIN");
    }
    has
}

/// The kernel's answer, read without the crate.
fn frame(addr: usize) -> u64 {
    let mut entry = [0; 8];
    let map = File::open("/proc/self/pagemap").unwrap();
    map.read_exact_at(&mut entry, (addr / base_page() * 8) as u64)
        .unwrap();
    u64::from_ne_bytes(entry) & ((1 << 55) - 1)
}

fn expected(addr: usize) -> PhysAddr {
    PhysAddr(frame(addr) * base_page() as u64 + (addr % base_page()) as u64)
}

fn base_region(len: usize, prefault: bool) -> MappedRegion {
    let builder = MappedRegion::builder(len).page(PageSize::Base).force();
    builder.prefault(prefault).map().unwrap()
}

#[test]
fn single_addresses_are_what_the_kernel_says() {
    if !permitted("single_addresses_are_what_the_kernel_says") {
        return;
    }
    let region = base_region(8 * base_page(), true);
    for offset in [0, 1, base_page() - 1, base_page(), 8 * base_page() - 1] {
        let ptr = region.as_ptr().as_ptr().wrapping_add(offset);
        assert_eq!(PhysAddr::of(ptr), Ok(expected(ptr.addr())));
    }
}

#[test]
fn a_table_covers_the_region_and_agrees_page_by_page() {
    if !permitted("a_table_covers_the_region_and_agrees_page_by_page") {
        return;
    }
    // More pages than one read returns.
    let region = base_region(1500 * base_page(), true);
    let start = region.as_ptr();
    for (from, to) in [(0, region.len()), (100, 101), (4000, 3 * base_page() + 5)] {
        let first = NonNull::new(start.as_ptr().wrapping_add(from)).unwrap();
        let table = Iova::of(first, to - from).unwrap();
        let mut next = 0;
        for range in table.ranges() {
            assert_eq!(range.offset, next, "no gap");
            assert_eq!(table.at(next), Ok(range.phys));
            assert_eq!(table.contiguous(next, range.len), Ok(range.phys));
            next += range.len;
        }
        assert_eq!(next, to - from);
        for addr in (first.addr().get()..start.addr().get() + to).step_by(base_page()) {
            let found = table.translate(ptr::without_provenance(addr));
            assert_eq!(found, Ok(expected(addr)));
        }
        let pieces: Vec<_> = table.ranges().collect();
        let apart = |w: &[IovaRange]| w[0].phys.0 + w[0].len as u64 != w[1].phys.0;
        assert!(pieces.windows(2).all(apart), "merged where possible");
        table.recheck().unwrap();
    }
}

#[test]
fn a_2_mib_page_is_one_piece() {
    let test = "a_2_mib_page_is_one_piece";
    if !permitted(test) {
        return;
    }
    let Some(_pages) = HugePages::exactly(3) else {
        return;
    };
    let region = MappedRegion::builder(3 * HUGE).force().map().unwrap();
    let table = region.iova().unwrap();
    for page in [0, HUGE, 2 * HUGE] {
        let phys = table.contiguous(page, HUGE).unwrap();
        assert_eq!(phys.0 % HUGE as u64, 0);
        assert_eq!(phys, expected(region.as_ptr().addr().get() + page));
    }
    assert!(table.ranges().len() <= 3);
    table.recheck().unwrap();
}

#[test]
fn runs_within_2_mib_pages_are_contiguous_for_the_device() {
    let test = "runs_within_2_mib_pages_are_contiguous_for_the_device";
    if !permitted(test) {
        return;
    }
    let Some(_pages) = HugePages::exactly(4) else {
        return;
    };
    let mut region = MappedRegion::builder(4 * HUGE).force().map().unwrap();
    let table = region.iova().unwrap();
    let mut map = [const { PageWord::new() }; PageRuns::words(4 * HUGE / 4096)];
    let runs = PageRuns::with_map(region.as_uninit_mut(), 4096, &mut map).unwrap();
    let request = RunRequest::new(200).within(HUGE);
    let held: Vec<_> = std::iter::from_fn(|| runs.alloc_with(request).ok()).collect();
    assert_eq!(held.len(), 8);
    for run in &held {
        table.contiguous(run.offset(), run.len()).unwrap();
    }
}

#[cfg(target_has_atomic = "64")]
#[test]
fn shared_pages_are_at_one_address_for_all_who_have_them() {
    use std::os::fd::AsFd;
    if !permitted("shared_pages_are_at_one_address_for_all_who_have_them") {
        return;
    }
    let ours = SharedRegion::builder(64 << 10).create().unwrap();
    let fd = ours.as_fd().try_clone_to_owned().unwrap();
    let theirs = SharedRegion::attach(fd).unwrap();
    assert_ne!(ours.as_ptr(), theirs.as_ptr());
    let (ours, theirs) = (ours.iova().unwrap(), theirs.iova().unwrap());
    assert!(ours.ranges().eq(theirs.ranges()));
}

#[test]
fn pages_that_are_not_there_are_refused() {
    if !permitted("pages_that_are_not_there_are_refused") {
        return;
    }
    let mut region = base_region(4 * base_page(), false);
    let addr = region.as_ptr().addr().get();
    assert_eq!(
        PhysAddr::of(region.as_ptr().as_ptr()),
        Err(IovaError::NotPresent { addr })
    );
    assert_eq!(region.iova().unwrap_err(), IovaError::NotPresent { addr });
    // The first page is present, the second is not.
    region.as_uninit_mut()[0].write(1);
    let addr = addr + base_page();
    assert_eq!(region.iova().unwrap_err(), IovaError::NotPresent { addr });
    let text = IovaError::NotPresent { addr }.to_string();
    assert!(text.contains(&format!("{addr:#x}")), "{text}");
}

#[test]
fn a_page_of_zeros_that_was_only_read_is_refused() {
    if !permitted("a_page_of_zeros_that_was_only_read_is_refused") {
        return;
    }
    let mut region = base_region(base_page(), false);
    let start = region.as_ptr();
    let addr = start.addr().get();
    // SAFETY: the first byte of a zeroed mapping.
    assert_eq!(unsafe { start.read_volatile() }, 0);
    assert_ne!(frame(addr), 0, "the kernel does name a frame");
    let refused = Err(IovaError::CopyOnWrite { addr });
    assert_eq!(PhysAddr::of(start.as_ptr()), refused);
    region.as_uninit_mut()[0].write(1);
    assert_eq!(PhysAddr::of(start.as_ptr()), Ok(expected(addr)));
}

#[test]
fn a_page_that_a_child_shares_is_refused_and_found_to_have_moved() {
    let test = "a_page_that_a_child_shares_is_refused_and_found_to_have_moved";
    if !permitted(test) {
        return;
    }
    // The child would also share the pages of other tests.
    let test = test_name!(a_page_that_a_child_shares_is_refused_and_found_to_have_moved);
    alone(test, a_child_shares_a_page);
}

fn a_child_shares_a_page() {
    let mut region = base_region(base_page(), true);
    let addr = region.as_ptr().addr().get();
    let table = region.iova().unwrap();
    let was = table.at(0).unwrap();
    // SAFETY: the child makes system calls and nothing else.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: plain calls. The child does not outlive the test.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        loop {
            // SAFETY: takes no argument.
            unsafe { libc::pause() };
        }
    }
    let shared = region.iova().map(drop);
    region.as_uninit_mut()[0].write(1);
    let moved = table.recheck();
    let now = expected(addr);
    // SAFETY: the test's own child.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, ptr::null_mut(), 0);
    }
    assert_eq!(shared, Err(IovaError::CopyOnWrite { addr }));
    let offset = 0;
    assert_eq!(moved, Err(IovaError::Moved { offset, was, now }));
}

#[test]
fn addresses_of_nobody_are_refused() {
    if !permitted("addresses_of_nobody_are_refused") {
        return;
    }
    let null = PhysAddr::of(ptr::null());
    assert_eq!(null, Err(IovaError::NotPresent { addr: 0 }));
    for addr in [usize::MAX, usize::MAX - base_page()] {
        let found = PhysAddr::of(ptr::without_provenance(addr));
        assert_eq!(found, Err(IovaError::Outside { addr }));
    }
    let start = NonNull::<u8>::dangling();
    let addr = start.addr().get();
    let found = Iova::of(start, usize::MAX).map(drop);
    assert_eq!(found, Err(IovaError::Outside { addr }));
    assert_eq!(Iova::of(start, 0).unwrap().ranges().len(), 0);
}

#[test]
fn swapped_pages_are_refused() {
    let test = "swapped_pages_are_refused";
    if !permitted(test) {
        return;
    }
    let mut region = base_region(base_page(), true);
    region.as_uninit_mut()[0].write(1);
    let addr = region.as_ptr().addr().get();
    let page = region.as_ptr().as_ptr().cast();
    // SAFETY: the test's own page, which does not change.
    let paged_out = unsafe { libc::madvise(page, base_page(), libc::MADV_PAGEOUT) };
    match region.iova() {
        Err(error) => assert_eq!(error, IovaError::Swapped { addr }),
        Ok(_) => println!("SKIPPED {test}: nothing is swapped out here ({paged_out})"),
    }
}

#[test]
fn without_the_privilege_the_refusal_says_so() {
    let test = test_name!(without_the_privilege_the_refusal_says_so);
    // If the page map cannot be opened, and if it can but shows frame 0.
    let Some(role) = role() else {
        for role in ["refused", "told nothing"] {
            assert_passed(&another(test, role).output().unwrap());
        }
        return;
    };
    // SAFETY: a system call without pointers. This process is the test's own.
    let user = unsafe { libc::setresuid(65534, 65534, 65534) };
    // Without root, this process is already an ordinary user.
    assert!(user == 0 || !permitted("root"));
    if role == "told nothing" {
        // SAFETY: a setting of this process, so that it may read its own files again.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) }, 0);
        assert_eq!(frame(ptr::from_ref(&role).addr()), 0);
    }
    let region = base_region(4 * base_page(), true);
    assert_eq!(
        PhysAddr::of(region.as_ptr().as_ptr()),
        Err(IovaError::NotPermitted)
    );
    let error = region.iova().unwrap_err();
    assert_eq!(error, IovaError::NotPermitted);
    assert_eq!(
        error.to_string(),
        "physical addresses require CAP_SYS_ADMIN"
    );
    // Absent memory is not described in any other way either.
    assert_eq!(PhysAddr::of(ptr::null()), Err(IovaError::NotPermitted));
}

/// A pool of blocks without gaps, in base pages.
fn pool(block_size: usize, blocks: usize) -> Pool<'static> {
    let config = PoolConfig::new(block_size, blocks).align(8);
    let config = config.stride(Stride::Exact);
    let region = base_region(config.layout().unwrap().size(), true);
    Pool::over_mapping(region, config).unwrap()
}

#[test]
fn blocks_and_frames_are_found_in_their_pools_table() {
    if !permitted("blocks_and_frames_are_found_in_their_pools_table") {
        return;
    }
    let pool = pool(base_page() / 2, 16);
    let table = pool.iova().unwrap();
    let blocks: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    for block in &blocks {
        assert_eq!(block.iova(&table), Ok(expected(block.addr())));
        assert_eq!(table.at(block.offset()), block.iova(&table));
    }
    for (block, len) in blocks.into_iter().zip([10, 0, base_page() / 2]) {
        let mut frame = block.fill(&vec![1; len]).unwrap();
        frame.trim_front(4);
        let at = frame.bytes().as_ptr().addr();
        let last_block = frame.id().index() + 1 == pool.capacity();
        assert!(!last_block);
        assert_eq!(frame.iova(&table), Ok(expected(at)));
    }
    let other = self::pool(base_page(), 1);
    let foreign = other.alloc().unwrap();
    let outside = foreign.iova(&table).unwrap_err();
    assert!(matches!(outside, IovaError::Outside { .. }), "{outside}");
}

#[test]
fn a_block_in_two_pieces_has_no_address() {
    if !permitted("a_block_in_two_pieces_has_no_address") {
        return;
    }
    // Blocks of one and a half pages: each second one crosses a page as its first bytes do.
    let pool = pool(base_page() * 3 / 2, 64);
    let table = pool.iova().unwrap();
    let blocks: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
    for block in &blocks {
        let (first, last) = (
            expected(block.addr()),
            expected(block.addr() + block.len() - 1),
        );
        let is_whole = last.0.wrapping_sub(first.0) == block.len() as u64 - 1;
        match block.iova(&table) {
            Ok(address) => assert!(is_whole && address == first),
            Err(IovaError::Split { len, contiguous }) => {
                assert!(!is_whole && len == block.len() && contiguous < len);
            }
            Err(other) => panic!("{other}"),
        }
    }
}
