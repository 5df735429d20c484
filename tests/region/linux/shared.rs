//! Memory of two processes: one reads what the other writes, whatever either does to the file or to itself. A
//! file that could fault is refused.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};
use std::{ptr, thread};

use framepool::region::{AccessError, Seal, SharedError, SharedStage};
use framepool::{PageSize, Pool, PoolConfig, Residency, SharedRegion};

use super::HUGE;
use super::hugepages::HugePages;
use super::machine::base_page;
use super::process::{alone, another, assert_passed, role, test_name};
use super::refusing::{NO_SUCH_CALL, Refuse, no_populate, refusing};

const LEN: usize = 64 << 10;

fn shared(len: usize) -> SharedRegion {
    SharedRegion::builder(len).create().unwrap()
}

fn again(region: &SharedRegion) -> SharedRegion {
    SharedRegion::attach(region.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

fn word(region: &SharedRegion, offset: usize) -> &AtomicU64 {
    &region.atomics(offset, 1).unwrap()[0]
}

// ---- files, created without the crate

fn checked(result: libc::c_int) -> libc::c_int {
    assert!(result >= 0, "{}", io::Error::last_os_error());
    result
}

fn memfd(flags: libc::c_uint, len: usize) -> OwnedFd {
    let name = CString::new("test").unwrap();
    // SAFETY: a C string; the descriptor is new and belongs to this test.
    let fd = unsafe { OwnedFd::from_raw_fd(checked(libc::memfd_create(name.as_ptr(), flags))) };
    resize(fd.as_fd(), len).unwrap();
    fd
}

fn sealable(len: usize) -> OwnedFd {
    memfd(libc::MFD_ALLOW_SEALING, len)
}

fn resize(fd: BorrowedFd<'_>, len: usize) -> io::Result<()> {
    // SAFETY: an open file.
    match unsafe { libc::ftruncate(fd.as_raw_fd(), len as libc::off_t) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn seal(fd: &OwnedFd, seals: libc::c_int) {
    // SAFETY: an open file.
    checked(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) });
}

fn seals(fd: BorrowedFd<'_>) -> libc::c_int {
    // SAFETY: an open file.
    checked(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) })
}

/// Returns why a file is not attached. The descriptor is returned unchanged.
fn refusal(fd: impl Into<OwnedFd>) -> SharedError {
    let fd = fd.into();
    let raw = fd.as_raw_fd();
    let error = SharedRegion::attach(fd).unwrap_err();
    let reason = error.reason();
    assert_eq!(error.to_string(), reason.to_string());
    assert_eq!(error.into_fd().as_raw_fd(), raw);
    reason
}

// ---- making

#[test]
fn a_region_is_zeroed_sealed_resident_and_rounded_to_whole_pages() {
    for requested in [1, 100, base_page(), base_page() + 1, LEN] {
        let region = shared(requested);
        let len = requested.next_multiple_of(base_page());
        assert_eq!((region.len(), region.page_bytes()), (len, base_page()));
        assert!(!region.is_hugetlb());
        assert_eq!(region.residency(), Residency::Verified);
        assert_eq!(region.as_ptr().addr().get() % base_page(), 0);
        let words = region.atomics(0, len / 8).unwrap();
        assert!(words.iter().all(|word| word.load(Relaxed) == 0));
        let wanted = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        assert_eq!(seals(region.as_fd()) & wanted, wanted);
        // SAFETY: an open file.
        let flags = checked(unsafe { libc::fcntl(region.as_fd().as_raw_fd(), libc::F_GETFD) });
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        for length in [0, len - 1, len + 1, len + base_page()] {
            let error = resize(region.as_fd(), length).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        }
        assert_eq!(
            File::from(region.as_fd().try_clone_to_owned().unwrap())
                .metadata()
                .unwrap()
                .len(),
            len as u64
        );
    }
}

#[test]
fn lengths_that_cannot_be_are_errors() {
    let create = |len| SharedRegion::builder(len).create().unwrap_err();
    assert_eq!(create(0), SharedError::ZeroLength);
    for len in [usize::MAX, usize::MAX / 2 + 1] {
        let requested = len as u64;
        assert_eq!(create(len), SharedError::TooLong { requested });
        assert!(create(len).to_string().contains(&len.to_string()));
    }
    let page = PageSize::Transparent;
    let error = SharedRegion::builder(1).page(page).create().unwrap_err();
    assert_eq!(error, SharedError::UnsupportedPage { page });
    if cfg!(target_pointer_width = "64") {
        let error = create(1 << 50);
        assert!(
            matches!(error, SharedError::Kernel { stage: SharedStage::Map, len, .. } if len == 1 << 50),
            "{error}"
        );
    }
}

#[test]
fn mapping_and_descriptor_go_with_the_region() {
    alone(
        test_name!(mapping_and_descriptor_go_with_the_region),
        make_and_drop,
    );
}

fn make_and_drop() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    let region = shared(LEN);
    let start = region.as_ptr().as_ptr();
    assert_eq!(open(), before + 1);
    // SAFETY: a query about a page.
    let is_mapped = || unsafe { libc::msync(start.cast(), 1, libc::MS_ASYNC) == 0 };
    assert!(is_mapped());
    drop(region);
    assert!(!is_mapped());
    assert_eq!(open(), before);
}

#[test]
fn regions_are_sent_and_shared_between_threads() {
    fn both<T: Send + Sync>() {}
    both::<SharedRegion>();
}

// ---- access

#[test]
fn copies_are_bounded_and_exact() {
    let region = shared(base_page());
    let other = again(&region);
    let end = region.len();
    for (offset, len) in [
        (0, 1),
        (1, 1),
        (3, 30),
        (8, 16),
        (end - 5, 5),
        (end, 0),
        (0, end),
    ] {
        let bytes: Vec<u8> = (0..len).map(|i| (i * 7 + offset) as u8).collect();
        region.write(offset, &bytes).unwrap();
        let mut out = vec![0xaa; len];
        other.read(offset, &mut out).unwrap();
        assert_eq!(out, bytes);
    }
    for (offset, len) in [
        (end, 1),
        (end - 1, 2),
        (usize::MAX, 1),
        (usize::MAX - 3, 8),
        (0, end + 1),
    ] {
        let available = end;
        let error = AccessError::OutOfBounds {
            offset,
            len,
            available,
        };
        let mut out = vec![0xaa; len];
        assert_eq!(region.read(offset, &mut out), Err(error));
        assert!(out.iter().all(|&b| b == 0xaa));
        assert_eq!(region.write(offset, &out), Err(error));
        assert!(error.to_string().contains(&offset.to_string()));
    }
}

#[test]
fn words_are_bounded_and_aligned() {
    let region = shared(base_page());
    let end = region.len();
    assert_eq!(region.atomics(0, end / 8).unwrap().len(), end / 8);
    assert_eq!(region.atomics(end, 0).unwrap().len(), 0);
    for offset in [1, 4, 7, end + 1, usize::MAX] {
        let align = 8;
        let error = AccessError::Misaligned { offset, align };
        assert_eq!(region.atomics(offset, 1).unwrap_err(), error);
    }
    for (offset, count) in [
        (0, end / 8 + 1),
        (end, 1),
        (8, usize::MAX),
        (usize::MAX - 7, 1),
    ] {
        let error = region.atomics(offset, count).unwrap_err();
        assert!(matches!(error, AccessError::OutOfBounds { .. }), "{error}");
    }
    word(&region, 64).store(0x0102_0304_0506_0708, Relaxed);
    let mut bytes = [0; 8];
    region.read(64, &mut bytes).unwrap();
    assert_eq!(u64::from_ne_bytes(bytes), 0x0102_0304_0506_0708);
    region.write(67, &[0xff]).unwrap();
    bytes[3] = 0xff;
    assert_eq!(word(&region, 64).load(Relaxed), u64::from_ne_bytes(bytes));
}

#[test]
fn threads_may_copy_to_the_same_bytes() {
    let region = shared(base_page());
    let ours = again(&region);
    thread::scope(|scope| {
        for value in 1..=4_u8 {
            let (region, ours) = (&region, &ours);
            scope.spawn(move || {
                let region = if value % 2 == 0 { region } else { ours };
                for _ in 0..1000 {
                    region.write(3, &[value; 50]).unwrap();
                    let mut out = [0; 50];
                    region.read(3, &mut out).unwrap();
                    assert!(out.iter().all(|b| (1..=4).contains(b)));
                    region.write(60 + usize::from(value), &[value]).unwrap();
                }
            });
        }
    });
    let mut last = [0; 6];
    region.read(60, &mut last).unwrap();
    assert_eq!(last, [0, 1, 2, 3, 4, 0]);
}

#[test]
fn a_pool_over_shared_memory_hands_out_offsets_that_a_peer_reads() {
    let region = shared(1 << 20);
    let peer = again(&region);
    // SAFETY: the region outlives the pool. Its peer only reads, and only bytes that are no longer written.
    let pool = unsafe { Pool::from_raw(region.as_ptr(), region.len(), PoolConfig::fill(2048)) };
    let pool = pool.unwrap();
    let mut blocks: Vec<_> = (0..100).map(|_| pool.alloc().unwrap()).collect();
    for (i, block) in blocks.iter_mut().enumerate() {
        block.write(&[i as u8; 2048]).unwrap();
        let mut seen = [0; 2048];
        peer.read(block.offset(), &mut seen).unwrap();
        assert_eq!(seen, [i as u8; 2048]);
    }
}

// ---- refusals

#[test]
fn a_file_that_is_not_sealed_against_shrinking_is_refused() {
    let missing = SharedError::MissingSeal { seal: Seal::Shrink };
    assert_eq!(refusal(sealable(LEN)), missing);
    assert!(missing.to_string().contains("F_SEAL_SHRINK is missing"));
    // A file that can no longer be sealed.
    assert_eq!(refusal(memfd(0, LEN)), missing);
    let fd = sealable(LEN);
    seal(&fd, libc::F_SEAL_GROW | libc::F_SEAL_SEAL);
    assert_eq!(refusal(fd), missing);
    // The file was shrunk: unsealed, it is refused with any length.
    let fd = sealable(LEN);
    resize(fd.as_fd(), base_page()).unwrap();
    assert_eq!(refusal(fd), missing);
}

#[test]
fn a_file_that_was_shrunk_before_it_was_sealed_is_refused_or_as_long_as_it_is() {
    let shrunk = |len| {
        let fd = sealable(LEN);
        resize(fd.as_fd(), len).unwrap();
        seal(&fd, libc::F_SEAL_SHRINK);
        fd
    };
    assert_eq!(refusal(shrunk(0)), SharedError::ZeroLength);
    for len in [1, base_page() - 1, LEN - 1] {
        let page_bytes = base_page();
        let (len, fd) = (len as u64, shrunk(len));
        assert_eq!(refusal(fd), SharedError::NotWholePages { len, page_bytes });
    }
    let region = SharedRegion::attach(shrunk(LEN / 2)).unwrap();
    assert_eq!(region.len(), LEN / 2);
    assert!(region.atomics(LEN / 2, 1).is_err());
}

#[test]
fn a_file_that_may_still_grow_is_mapped_as_it_was() {
    let fd = sealable(LEN);
    seal(&fd, libc::F_SEAL_SHRINK);
    let copy = fd.try_clone().unwrap();
    let region = SharedRegion::attach(fd).unwrap();
    resize(copy.as_fd(), 2 * LEN).unwrap();
    assert_eq!(region.len(), LEN);
    assert!(region.read(LEN, &mut [0]).is_err());
}

#[test]
fn a_file_that_cannot_be_written_is_refused() {
    for (flag, sealed) in [
        (libc::F_SEAL_WRITE, Seal::Write),
        (libc::F_SEAL_FUTURE_WRITE, Seal::FutureWrite),
    ] {
        let fd = sealable(LEN);
        seal(&fd, libc::F_SEAL_SHRINK | flag);
        let error = refusal(fd);
        assert_eq!(error, SharedError::WriteSealed { seal: sealed });
        assert!(error.to_string().contains(&sealed.to_string()));
    }
    let region = shared(LEN);
    let path = format!("/proc/self/fd/{}", region.as_fd().as_raw_fd());
    let read_only = File::open(path).unwrap();
    assert_eq!(refusal(read_only), SharedError::NotWritable);
}

#[test]
fn what_is_no_memfd_is_refused() {
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let (socket, _other) = UnixStream::pair().unwrap();
    let (pipe, _end) = io::pipe().unwrap();
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .unwrap();
    for fd in [file.into(), socket.into(), pipe.into(), OwnedFd::from(null)] {
        assert_eq!(refusal(fd), SharedError::NotMemfd);
    }
    // A file in memory has seals, but not this one.
    match File::create_new(format!("/dev/shm/framepool-{}", std::process::id())) {
        Ok(file) => {
            file.set_len(LEN as u64).unwrap();
            std::fs::remove_file(format!("/dev/shm/framepool-{}", std::process::id())).unwrap();
            let missing = SharedError::MissingSeal { seal: Seal::Shrink };
            assert_eq!(refusal(file), missing);
        }
        Err(e) => println!("SKIPPED what_is_no_memfd_is_refused: no /dev/shm ({e})"),
    }
}

#[test]
fn a_file_of_another_length_than_expected_is_refused_before_it_costs_memory() {
    let long = 1 << 30;
    let fd = sealable(long);
    seal(&fd, libc::F_SEAL_SHRINK);
    let file = File::from(fd.try_clone().unwrap());
    let error = SharedRegion::attach_within(fd, LEN..=2 * LEN).unwrap_err();
    let expected = SharedError::UnexpectedLength {
        len: long,
        least: LEN,
        most: 2 * LEN,
    };
    assert_eq!(error.reason(), expected);
    assert!(error.to_string().contains("1073741824 bytes"));
    let blocks = std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap());
    assert_eq!(blocks, 0);
    for (len, fits) in [(LEN - base_page(), false), (LEN, true), (3 * LEN, false)] {
        let fd = shared(len).as_fd().try_clone_to_owned().unwrap();
        assert_eq!(SharedRegion::attach_within(fd, LEN..=2 * LEN).is_ok(), fits);
    }
}

#[test]
fn a_file_that_exceeds_the_address_space_is_refused() {
    let fd = sealable(0);
    if resize(fd.as_fd(), isize::MAX as usize & !(base_page() - 1)).is_err() {
        println!("SKIPPED a_file_that_exceeds_the_address_space_is_refused: no such file");
        return;
    }
    seal(&fd, libc::F_SEAL_SHRINK);
    let error = refusal(fd);
    let stage = SharedStage::Map;
    assert!(
        matches!(error, SharedError::Kernel { stage: s, .. } if s == stage),
        "{error}"
    );
}

// ---- pages of 2 MiB

#[test]
fn regions_in_2_mib_pages_are_had_and_attached() {
    let Some(pages) = HugePages::exactly(2) else {
        return;
    };
    let builder = SharedRegion::builder(HUGE + 1).page(PageSize::Huge2M);
    let region = builder.create().unwrap();
    assert_eq!((region.len(), region.page_bytes()), (2 * HUGE, HUGE));
    assert!(region.is_hugetlb());
    assert_eq!(region.residency(), Residency::Verified);
    assert_eq!(pages.available(), 0);
    let other = again(&region);
    assert_eq!((other.len(), other.page_bytes()), (2 * HUGE, HUGE));
    assert!(other.is_hugetlb());
    region.write(2 * HUGE - 3, b"end").unwrap();
    let mut end = [0; 3];
    other.read(2 * HUGE - 3, &mut end).unwrap();
    assert_eq!(&end, b"end");
    drop(region);
    assert_eq!(pages.available(), 0, "the other region has them");
    drop(other);
    // A child that another test starts has a copy of the descriptor until its exec.
    wait_until("the pages stayed", || pages.available() == 2);
}

#[test]
fn pages_of_2_mib_that_are_not_there_are_an_error_when_made_and_when_attached() {
    let Some(pages) = HugePages::exactly(1) else {
        return;
    };
    let builder = SharedRegion::builder(2 * HUGE).page(PageSize::Huge2M);
    let error = builder.create().unwrap_err();
    let len = 2 * HUGE;
    let text = error.to_string();
    assert!(
        matches!(error, SharedError::Kernel { stage: SharedStage::Map, len: l, .. } if l == len),
        "{text}"
    );
    assert!(
        text.starts_with("no shared region of 4194304 bytes (map: "),
        "{text}"
    );
    // A peer's file that is longer than the available pages.
    let fd = memfd(
        libc::MFD_ALLOW_SEALING | libc::MFD_HUGETLB | libc::MFD_HUGE_2MB,
        len,
    );
    seal(&fd, libc::F_SEAL_SHRINK);
    let refused = refusal(fd);
    assert!(
        matches!(
            refused,
            SharedError::Kernel {
                stage: SharedStage::Map | SharedStage::Populate,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(pages.available(), 1);
}

// ---- kernels that refuse

const POPULATE: &[(u32, std::ops::RangeInclusive<i32>)] =
    &[(2, libc::MADV_POPULATE_WRITE..=libc::MADV_POPULATE_WRITE)];

#[test]
fn a_kernel_that_cannot_verify_gives_the_file_its_pages_and_no_byte_changes() {
    assert_given_its_pages(libc::EINVAL);
}

#[test]
fn a_sandbox_that_refuses_populating_has_the_file_given_its_pages() {
    NO_SUCH_CALL.into_iter().for_each(assert_given_its_pages);
}

#[track_caller]
fn assert_given_its_pages(errno: i32) {
    let old = [no_populate(errno)];
    let both = || {
        let region = shared(LEN);
        region.write(0, &[7; LEN]).unwrap();
        let other = again(&region);
        (region, other)
    };
    let Some((region, other)) = refusing(&old, both) else {
        return;
    };
    assert_eq!(region.residency(), Residency::Unverified);
    assert_eq!(other.residency(), Residency::Unverified);
    let file = File::from(region.as_fd().try_clone_to_owned().unwrap());
    let blocks = std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap());
    assert_eq!(blocks * 512, LEN as u64, "every page is there");
    let mut all = [0; LEN];
    other.read(0, &mut all).unwrap();
    assert_eq!(all, [7; LEN]);
}

#[test]
fn a_kernel_that_has_no_memory_left_is_an_error_with_the_stage() {
    const ADD_SEALS: &[(u32, std::ops::RangeInclusive<i32>)] =
        &[(1, libc::F_ADD_SEALS..=libc::F_ADD_SEALS)];
    let rules: [(_, _, &'static [_]); 4] = [
        (SharedStage::Create, libc::SYS_memfd_create, &[]),
        (SharedStage::Resize, libc::SYS_ftruncate, &[]),
        (SharedStage::Seal, libc::SYS_fcntl, ADD_SEALS),
        (SharedStage::Populate, libc::SYS_madvise, POPULATE),
    ];
    for (at, call, when) in rules {
        let rule = [Refuse(call, when, libc::ENOMEM)];
        let create = || SharedRegion::builder(LEN).create().unwrap_err();
        let Some(error) = refusing(&rule, create) else {
            return;
        };
        let SharedError::Kernel { stage, errno, len } = error else {
            panic!("{error:?}");
        };
        assert_eq!((stage, errno.raw_os_error(), len), (at, libc::ENOMEM, LEN));
    }
    let region = shared(LEN);
    let fd = region.as_fd().try_clone_to_owned().unwrap();
    let rule = [Refuse(libc::SYS_madvise, POPULATE, libc::EFAULT)];
    if let Some(error) = refusing(&rule, || refusal(fd)) {
        let stage = SharedStage::Populate;
        assert!(matches!(error, SharedError::Kernel { stage: s, .. } if s == stage));
    }
}

#[test]
fn a_kernel_that_has_no_seal_against_execution_makes_one_without() {
    const FLAGS: i32 = (libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | 8) as i32;
    let old = [Refuse(
        libc::SYS_memfd_create,
        &[(1, FLAGS..=FLAGS)],
        libc::EINVAL,
    )];
    if let Some(region) = refusing(&old, || shared(LEN)) {
        assert_eq!(seals(region.as_fd()) & libc::F_SEAL_EXEC, 0);
    }
}

// ---- two processes

/// The number of the inherited descriptor in a child. No file of this process has this number, because exec
/// also closes a descriptor that was duplicated onto itself.
const INHERITED: RawFd = 900;

/// A child that runs this file's [`peer`] in a role, with a descriptor.
fn spawn(role: &str, fd: BorrowedFd<'_>) -> std::process::Child {
    let from = fd.as_raw_fd();
    let mut command: Command = another(test_name!(peer), role);
    let inherit = move || {
        // SAFETY: system calls between fork and exec. A duplicated descriptor stays open.
        match unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) | libc::dup2(from, INHERITED)
        } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: `inherit` makes system calls and nothing else.
    unsafe { command.pre_exec(inherit) };
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn inherited() -> OwnedFd {
    // SAFETY: `spawn` has duplicated it to this number, and a role takes it once.
    unsafe { OwnedFd::from_raw_fd(INHERITED) }
}

/// Waits for a peer, but not for ever.
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        thread::yield_now();
    }
}

/// The other process: started by the tests below, does nothing in an ordinary run.
#[test]
fn peer() {
    match role().as_deref() {
        Some("answer") => answer(),
        Some("hammer") => hammer(),
        Some("look") => look(),
        Some("spoil") => spoil(),
        _ => {}
    }
}

const TO_PEER: usize = 0;
const FROM_PEER: usize = 64;
const RECORD: usize = 4099;

/// Gets the region over a socket, and answers records with their bytes in reverse.
fn answer() {
    let socket = UnixStream::from(inherited());
    let region = SharedRegion::attach(receive_fd(&socket)).unwrap();
    for turn in 1..=100 {
        wait_until("no record", || word(&region, TO_PEER).load(Acquire) == turn);
        let mut record = [0; 37];
        region.read(RECORD, &mut record).unwrap();
        record.reverse();
        region.write(2 * RECORD, &record).unwrap();
        word(&region, FROM_PEER).store(turn, Release);
    }
}

#[test]
fn records_go_to_another_process_and_back() {
    alone(test_name!(records_go_to_another_process_and_back), || {
        let region = shared(LEN);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = spawn("answer", theirs.as_fd());
        send_fd(&ours, region.as_fd());
        for turn in 1..=100_u64 {
            let mut record = [0; 37];
            record
                .iter_mut()
                .zip(turn as u8..)
                .for_each(|(to, from)| *to = from);
            region.write(RECORD, &record).unwrap();
            word(&region, TO_PEER).store(turn, Release);
            wait_until("no answer", || {
                word(&region, FROM_PEER).load(Acquire) == turn
            });
            let mut back = [0; 37];
            region.read(2 * RECORD, &mut back).unwrap();
            back.reverse();
            assert_eq!(back, record);
        }
        assert_passed(&child.wait_with_output().unwrap());
    });
}

/// Writes everywhere until it is killed.
fn hammer() {
    let region = SharedRegion::attach(inherited()).unwrap();
    for turn in 1.. {
        let bytes = [turn as u8; 1000];
        for offset in (RECORD..LEN - 1000).step_by(999) {
            region.write(offset, &bytes).unwrap();
        }
        word(&region, FROM_PEER).store(turn, Release);
    }
}

/// Reports that it can attach, and what it reads.
fn look() {
    let region = SharedRegion::attach(inherited()).unwrap();
    let seen = word(&region, FROM_PEER).load(Acquire);
    word(&region, TO_PEER).store(seen, Release);
}

#[test]
fn a_peer_killed_in_the_middle_leaves_memory_that_goes_on() {
    alone(
        test_name!(a_peer_killed_in_the_middle_leaves_memory_that_goes_on),
        || {
            let region = shared(LEN);
            for _ in 0..5 {
                word(&region, FROM_PEER).store(0, Release);
                let mut child = spawn("hammer", region.as_fd());
                wait_until("no sign of life", || {
                    word(&region, FROM_PEER).load(Acquire) > 10
                });
                child.kill().unwrap();
                child.wait().unwrap();
                let stopped_at = word(&region, FROM_PEER).load(Acquire);
                let mut all = vec![0; LEN];
                region.read(0, &mut all).unwrap();
                region.write(RECORD, &[0xee; 5000]).unwrap();
                let mut back = [0; 5000];
                region.read(RECORD, &mut back).unwrap();
                assert_eq!(back, [0xee; 5000]);
                // The next peer finds it as it is.
                let next = spawn("look", region.as_fd());
                assert_passed(&next.wait_with_output().unwrap());
                assert_eq!(word(&region, TO_PEER).load(Acquire), stopped_at);
            }
        },
    );
}

#[test]
fn memory_outlives_the_process_that_made_it_and_the_descriptor() {
    let region = shared(LEN);
    region.write(RECORD, b"kept").unwrap();
    let attached = again(&region);
    drop(region);
    let mut kept = [0; 4];
    attached.read(RECORD, &mut kept).unwrap();
    assert_eq!(&kept, b"kept");
}

/// Does what a hostile peer can do: truncates, seals, punches holes, unmaps.
fn spoil() {
    let fd = inherited();
    for len in [0, base_page(), LEN / 2] {
        assert!(resize(fd.as_fd(), len).is_err());
    }
    // SAFETY: an open file.
    let sealed = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_WRITE) };
    assert_eq!(sealed, -1);
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: an open file.
    checked(unsafe { libc::fallocate(fd.as_raw_fd(), mode, 0, LEN as libc::off_t) });
    let region = SharedRegion::attach(fd).unwrap();
    // SAFETY: as a broken program does. The process ends here.
    unsafe { libc::munmap(region.as_ptr().as_ptr().cast(), region.len()) };
    std::mem::forget(region);
}

#[test]
fn a_hostile_peer_changes_bytes_and_nothing_else() {
    alone(
        test_name!(a_hostile_peer_changes_bytes_and_nothing_else),
        || {
            let region = shared(LEN);
            region.write(0, &[0xff; LEN]).unwrap();
            let child = spawn("spoil", region.as_fd());
            assert_passed(&child.wait_with_output().unwrap());
            assert_eq!(region.len(), LEN);
            let mut all = vec![1; LEN];
            region.read(0, &mut all).unwrap();
            assert!(
                all.iter().all(|&b| b == 0),
                "punched out: zeros, and no fault"
            );
            region.write(0, &all).unwrap();
        },
    );
}

// ---- descriptors over a socket: unix(7), SCM_RIGHTS

/// Room for one descriptor's control message, aligned for its header.
#[repr(align(8))]
struct Control([u8; 64]);

fn with_message<T>(control: &mut Control, f: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let mut byte = [0_u8];
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: a plain structure, for which all zeros is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: a computation without side effects.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as _;
    f(&mut message)
}

fn send_fd(socket: &UnixStream, fd: BorrowedFd<'_>) {
    with_message(&mut Control([0; 64]), |message| {
        // SAFETY: the message has room for one header and a descriptor after it.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            libc::CMSG_DATA(header)
                .cast::<RawFd>()
                .write_unaligned(fd.as_raw_fd());
            assert_eq!(libc::sendmsg(socket.as_raw_fd(), message, 0), 1);
        }
    });
}

fn receive_fd(socket: &UnixStream) -> OwnedFd {
    with_message(&mut Control([0; 64]), |message| {
        // SAFETY: the message has room for the received bytes. The descriptor in it is new and belongs to
        // this process.
        unsafe {
            assert_eq!(libc::recvmsg(socket.as_raw_fd(), message, 0), 1);
            let header = libc::CMSG_FIRSTHDR(message);
            assert!(!ptr::eq(header, ptr::null()));
            assert_eq!((*header).cmsg_type, libc::SCM_RIGHTS);
            OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned())
        }
    })
}
