//! Runs of pages: no page is handed out twice, all are returned, refusals have the facts; and a shadow
//! model over random streams.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use framepool::region::{
    PageRun, PageRuns, PageWord, RunCheckError, RunError, RunFreeError, RunRequest, RunsError,
};
use proptest::prelude::*;

const PAGE: usize = 64;

fn memory(bytes: usize) -> Vec<MaybeUninit<u8>> {
    Box::new_uninit_slice(bytes).into_vec()
}

/// Memory with a part that starts at an offset of the test's choice.
#[repr(align(4096))]
struct Aligned([MaybeUninit<u8>; 4096]);

fn aligned() -> Box<Aligned> {
    Box::new(Aligned([MaybeUninit::uninit(); 4096]))
}

// ---- construction

#[test]
fn page_sizes_that_are_none_are_refused() {
    let mut memory = memory(4096);
    for asked in [0, 1, 32, 63, 65, 3000, usize::MAX] {
        let error = PageRuns::new(&mut memory, asked).unwrap_err();
        assert_eq!(error, RunsError::BadPage { asked, min: 64 });
        assert!(error.to_string().contains(&asked.to_string()));
    }
}

#[test]
fn a_region_too_small_for_one_page_is_refused_with_what_it_takes() {
    let mut memory = aligned();
    let one = PAGE + size_of::<PageWord>();
    for available in [0, 1, PAGE, one - 1] {
        let error = PageRuns::new(&mut memory.0[..available], PAGE).unwrap_err();
        let required = one;
        assert_eq!(
            error,
            RunsError::RegionTooSmall {
                required,
                available
            }
        );
    }
    assert_eq!(
        PageRuns::new(&mut memory.0[..one], PAGE).unwrap().pages(),
        1
    );
    let error = PageRuns::new(&mut memory.0[1..one], PAGE).unwrap_err();
    let (required, available) = (PAGE - 1 + one, one - 1);
    assert_eq!(
        error,
        RunsError::RegionTooSmall {
            required,
            available
        }
    );
    let huge = 1 << (usize::BITS - 1);
    let error = PageRuns::new(&mut memory.0, huge).unwrap_err();
    assert!(matches!(error, RunsError::RegionTooSmall { required, .. } if required >= huge));
}

#[test]
fn a_map_too_small_is_refused_with_what_it_takes() {
    let mut memory = aligned();
    let mut map = [const { PageWord::new() }; 4];
    let pages = 4096 / PAGE;
    let required = PageRuns::words(pages);
    let error = PageRuns::with_map(&mut memory.0, PAGE, &mut map[..required - 1]).unwrap_err();
    let available = required - 1;
    assert_eq!(
        error,
        RunsError::MapTooSmall {
            required,
            available
        }
    );
    let runs = PageRuns::with_map(&mut memory.0, PAGE, &mut map).unwrap();
    assert_eq!((runs.pages(), runs.slack()), (pages, 0));
    let error = PageRuns::with_map(&mut [], PAGE, &mut []).unwrap_err();
    assert!(matches!(
        error,
        RunsError::RegionTooSmall { available: 0, .. }
    ));
}

#[test]
fn every_byte_of_the_region_is_a_page_the_map_or_slack() {
    for page in [64, 128, 1024] {
        for (from, to) in [(0, 4096), (1, 4096), (63, 4000), (64, 3999), (100, 2111)] {
            let mut memory = aligned();
            let runs = PageRuns::new(&mut memory.0[from..to], page).unwrap();
            let map = PageRuns::words(runs.pages()) * size_of::<PageWord>();
            assert_eq!(runs.pages() * page + map + runs.slack(), to - from);
            assert_eq!(runs.as_ptr().addr().get() % page, 0);
            assert!(runs.slack() < 2 * page + size_of::<PageWord>(), "{runs:?}");
        }
    }
}

#[test]
fn a_used_map_is_taken_over_as_empty() {
    let (mut first, mut second) = (aligned(), aligned());
    let mut map = [const { PageWord::new() }; 2];
    let runs = PageRuns::with_map(&mut first.0, PAGE, &mut map).unwrap();
    std::mem::forget(runs.alloc(5).unwrap());
    let _ = runs.alloc(2).unwrap().into_raw();
    let runs = PageRuns::with_map(&mut second.0, PAGE, &mut map).unwrap();
    assert_eq!(runs.largest_free(), runs.pages());
    runs.check().unwrap();
}

// ---- requests

#[test]
fn requests_that_can_never_be_met_are_refused_as_such() {
    let mut memory = memory(4096);
    let runs = PageRuns::new(&mut memory, PAGE).unwrap();
    assert_eq!(runs.alloc(0).unwrap_err(), RunError::ZeroPages);
    for asked in [0, 3, 100] {
        let error = runs
            .alloc_with(RunRequest::new(1).align(asked))
            .unwrap_err();
        assert_eq!(error, RunError::BadAlign { asked });
    }
    for asked in [0, 100, PAGE + 1] {
        let request = RunRequest::new(2).within(asked);
        let error = runs.alloc_with(request).unwrap_err();
        assert_eq!(error, RunError::BadBoundary { asked });
        let text = format!("boundary {asked} is not a power of two");
        assert_eq!(error.to_string(), text);
    }
    let max = usize::MAX;
    let long = [
        (2, PAGE, 2 * PAGE),
        (3, 2 * PAGE, 3 * PAGE),
        (max, 4096, max),
    ];
    for (pages, boundary, run) in long {
        let request = RunRequest::new(pages).within(boundary);
        let error = runs.alloc_with(request).unwrap_err();
        assert_eq!(error, RunError::BoundaryTooSmall { boundary, run });
        let text = format!("a run of {run} bytes must cross a boundary of {boundary}");
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(runs.stats().exhaustions, 0);
    let free = runs.pages();
    for requested in [free + 1, usize::MAX / PAGE + 1, usize::MAX] {
        let error = runs.alloc(requested).unwrap_err();
        let exhausted = RunError::Exhausted {
            requested,
            largest: free,
            free,
        };
        assert_eq!(error, exhausted);
    }
    for bits in [1, 2] {
        let request = RunRequest::new(1).align(1 << (usize::BITS - bits));
        assert_eq!(
            runs.alloc_with(request).unwrap_err(),
            exhausted(1, free, free)
        );
    }
    assert_eq!(runs.largest_free(), free);
    runs.check().unwrap();
}

#[test]
fn runs_start_at_their_alignment_and_stay_within_their_boundary() {
    let mut memory = aligned();
    let mut map = [const { PageWord::new() }; 2];
    let runs = PageRuns::with_map(&mut memory.0, PAGE, &mut map).unwrap();
    let _shift = runs.alloc(1).unwrap();
    let wide = runs.alloc_with(RunRequest::new(1).align(1024)).unwrap();
    assert_eq!((wide.addr() % 1024, wide.first_page()), (0, 16));
    // Three pages do not fit between page 1 and the boundary at page 4, so from 4 on.
    let inside = runs
        .alloc_with(RunRequest::new(4).within(4 * PAGE))
        .unwrap();
    assert_eq!(inside.first_page(), 4);
    // Three do.
    let below = runs
        .alloc_with(RunRequest::new(3).within(4 * PAGE))
        .unwrap();
    assert_eq!(below.first_page(), 1);
    // An alignment above the boundary.
    let both = RunRequest::new(2).align(512).within(256);
    assert_eq!(runs.alloc_with(both).unwrap().first_page(), 8);
    // There are 4 places for 14 pages after a multiple of 1024 bytes, each of them taken or not.
    let held: Vec<_> =
        std::iter::from_fn(|| runs.alloc_with(RunRequest::new(14).align(1024)).ok()).collect();
    assert_eq!(held.len(), 2);
    let error = runs.alloc_with(RunRequest::new(1).align(4096)).unwrap_err();
    assert!(matches!(error, RunError::Exhausted { requested: 1, largest, .. } if largest >= 1));
    drop(inside);
    runs.check().unwrap();
}

#[test]
fn the_lowest_place_is_taken_and_neighbours_become_one() {
    let mut memory = aligned();
    let mut map = [const { PageWord::new() }; 2];
    let runs = PageRuns::with_map(&mut memory.0, PAGE, &mut map).unwrap();
    let mut held: Vec<_> = (0..8).map(|_| Some(runs.alloc(8).unwrap())).collect();
    assert_eq!(runs.alloc(1).unwrap_err(), exhausted(1, 0, 0));
    for i in [6, 1, 3] {
        held[i] = None;
    }
    assert_eq!(runs.alloc(9).unwrap_err(), exhausted(9, 8, 24));
    held[2] = None;
    assert_eq!(runs.largest_free(), 24);
    let joined = runs.alloc(20).unwrap();
    assert_eq!(joined.first_page(), 8);
    assert_eq!(runs.alloc(4).unwrap().first_page(), 28);
    assert_eq!(runs.alloc(5).unwrap().first_page(), 48);
    runs.check().unwrap();
}

fn exhausted(requested: usize, largest: usize, free: usize) -> RunError {
    RunError::Exhausted {
        requested,
        largest,
        free,
    }
}

#[test]
fn a_run_is_its_bytes_and_says_where_they_are() {
    let mut memory = memory(4096);
    let runs = PageRuns::new(&mut memory, PAGE).unwrap();
    let _first = runs.alloc(1).unwrap();
    let mut run = runs.alloc(3).unwrap();
    assert_eq!((run.first_page(), run.pages()), (1, 3));
    assert_eq!((run.offset(), run.len()), (PAGE, 3 * PAGE));
    assert_eq!(run.addr(), runs.as_ptr().addr().get() + PAGE);
    assert!(std::ptr::eq(run.allocator(), &runs));
    run.as_uninit_mut().fill(MaybeUninit::new(7));
    // SAFETY: written just now.
    let is_seven = |b: &MaybeUninit<u8>| unsafe { b.assume_init() } == 7;
    assert!(run.as_uninit().iter().all(is_seven));
    assert_eq!(run.zeroed(), [0; 3 * PAGE]);
    // SAFETY: the first byte of the run.
    assert_eq!(unsafe { run.as_mut_ptr().read() }, 0);
    let text = format!("{run:?} {runs:?} {}", runs.stats());
    for fact in ["first_page: 1", "pages: 3", "2 runs (0 raw)"] {
        assert!(text.contains(fact), "{text}");
    }
}

// ---- raw runs

#[test]
fn raw_runs_come_back_once_and_whole() {
    let mut memory = memory(4096);
    let runs = PageRuns::new(&mut memory, PAGE).unwrap();
    let raw = runs.alloc(3).unwrap().into_raw();
    let mut mine = runs.alloc(1).unwrap();
    let at = |bytes: usize| NonNull::new(raw.as_ptr().wrapping_add(bytes)).unwrap();
    assert_eq!(runs.stats().raw, 1);
    let addr = raw.addr().get();
    let refused = [
        (raw, 0, wrong_length(0)),
        (raw, 2, wrong_length(2)),
        (raw, 4, wrong_length(4)),
        (raw, usize::MAX, wrong_length(usize::MAX)),
        (at(1), 3, interior(0, 1)),
        (at(PAGE), 2, interior(1, 0)),
        (at(PAGE + 8), 2, interior(1, 8)),
        (at(3 * PAGE), 1, RunFreeError::Owned { page: 3 }),
        (at(4 * PAGE), 1, RunFreeError::DoubleFree { page: 4 }),
        (
            at(runs.pages() * PAGE),
            1,
            foreign(addr + runs.pages() * PAGE),
        ),
        (at(PAGE.wrapping_neg()), 1, foreign(addr - PAGE)),
        (NonNull::dangling(), 1, foreign(1)),
    ];
    for (i, (ptr, pages, error)) in refused.into_iter().enumerate() {
        // SAFETY: the address is refused, so it need not be a run's.
        unsafe {
            assert_eq!(runs.free_raw(ptr, pages).unwrap_err(), error);
            assert_eq!(runs.run_from_raw(ptr, pages).unwrap_err(), error);
        }
        assert!(!error.to_string().is_empty());
        assert_eq!(runs.stats().refusals, 2 * (i as u64 + 1));
        runs.check().unwrap();
    }
    mine.zeroed();
    // SAFETY: the test has the run, and frees it once.
    unsafe {
        let again = runs.run_from_raw(raw, 3).unwrap().into_raw();
        assert_eq!(again, raw);
        runs.free_raw(raw, 3).unwrap();
        let error = runs.free_raw(raw, 3).unwrap_err();
        assert_eq!(error, RunFreeError::DoubleFree { page: 0 });
    }
    assert_eq!(runs.stats().free, runs.pages() - 1);
    runs.check().unwrap();
}

fn wrong_length(given: usize) -> RunFreeError {
    let (page, actual) = (0, 3);
    RunFreeError::WrongLength {
        page,
        given,
        actual,
    }
}

fn interior(page: usize, offset: usize) -> RunFreeError {
    RunFreeError::Interior { page, offset }
}

fn foreign(addr: usize) -> RunFreeError {
    RunFreeError::ForeignAddress { addr }
}

#[test]
fn a_run_of_another_allocator_is_refused() {
    let (mut first, mut second) = (memory(4096), memory(4096));
    let first = PageRuns::new(&mut first, PAGE).unwrap();
    let second = PageRuns::new(&mut second, PAGE).unwrap();
    let raw = first.alloc(1).unwrap().into_raw();
    // SAFETY: the first call is refused, the second is the run's own.
    unsafe {
        let error = second.free_raw(raw, 1).unwrap_err();
        assert_eq!(error, foreign(raw.addr().get()));
        first.free_raw(raw, 1).unwrap();
    }
}

#[test]
fn an_allocator_moves_to_another_thread_with_its_raw_runs() {
    struct Sent(NonNull<u8>);
    // SAFETY: a raw run belongs to the thread that has its address.
    unsafe impl Send for Sent {}
    let mut memory = memory(8192);
    let runs = PageRuns::new(&mut memory, PAGE).unwrap();
    let raw = Sent(runs.alloc(2).unwrap().into_raw());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let raw = raw;
            // SAFETY: the test has the run, and frees it once.
            unsafe { runs.free_raw(raw.0, 2) }.unwrap();
            assert_eq!(runs.largest_free(), runs.pages());
        });
    });
}

// ---- books

#[test]
fn forgotten_runs_stay_out_and_are_counted() {
    let mut memory = memory(4096);
    let runs = PageRuns::new(&mut memory, PAGE).unwrap();
    std::mem::forget(runs.alloc(2).unwrap());
    drop(runs.alloc(5).unwrap());
    let stats = runs.stats();
    assert_eq!((stats.runs, stats.peak, stats.allocations), (1, 7, 2));
    assert_eq!(stats.free, runs.pages() - 2);
    runs.check().unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "a stray write is what Miri is there to refuse")]
fn a_map_that_was_overwritten_is_found_out_and_harms_nobody() {
    for pattern in [0xff, 0x55, 0x01, 0x80] {
        let (mut memory, mut map) = (aligned(), [PageWord::new()]);
        let words = map.as_mut_ptr().cast::<u8>();
        let runs = PageRuns::with_map(&mut memory.0, 4096 / 32, &mut map).unwrap();
        let keep = runs.alloc(3).unwrap();
        // SAFETY: the words of the map, which do not change because no thread calls the allocator.
        unsafe { words.write_bytes(pattern, size_of::<PageWord>()) };
        let error: RunCheckError = runs.check().unwrap_err();
        assert!(!error.to_string().is_empty());
        let _ = runs.alloc(1).map(std::mem::forget);
        let _ = runs.largest_free();
        std::mem::forget(keep);
    }
}

// ---- random streams

#[derive(Debug, Clone)]
enum Op {
    Alloc(usize, u32, Option<u32>),
    Drop(usize),
    IntoRaw(usize),
    FreeRaw(usize),
    FreeRawWrong(usize, usize),
    FromRaw(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0usize..1000;
    let small = prop_oneof![4 => 1usize..6, 2 => 1usize..20, 1 => 1usize..150];
    prop_oneof![
        8 => (small, 0u32..10, proptest::option::of(6u32..12)).prop_map(|(p, a, b)| Op::Alloc(p, a, b)),
        5 => n.clone().prop_map(Op::Drop),
        3 => n.clone().prop_map(Op::IntoRaw),
        2 => n.clone().prop_map(Op::FreeRaw),
        1 => (n.clone(), 0usize..200).prop_map(|(i, w)| Op::FreeRawWrong(i, w)),
        1 => n.prop_map(Op::FromRaw),
    ]
}

/// The allocator, the runs that are out, and the owner of each page by stamp.
struct World<'a> {
    runs: &'a PageRuns<'a>,
    owned: Vec<(PageRun<'a>, u8)>,
    raw: Vec<(NonNull<u8>, usize, u8)>,
    shadow: Vec<u8>,
    stamp: u8,
}

impl<'a> World<'a> {
    fn base(&self) -> usize {
        self.runs.as_ptr().addr().get()
    }

    /// The lowest place in the shadow that fits a request, found page by page.
    fn expected(&self, pages: usize, align: usize, boundary: Option<usize>) -> Option<usize> {
        (0..self.shadow.len()).find(|&first| {
            let start = self.base() + first * PAGE;
            let last = start + pages * PAGE - 1;
            let end = first + pages;
            start % align == 0
                && boundary.is_none_or(|b| start / b == last / b)
                && self
                    .shadow
                    .get(first..end)
                    .is_some_and(|s| s.iter().all(|&s| s == 0))
        })
    }

    fn largest(&self) -> usize {
        let runs = self.shadow.split(|&s| s != 0);
        runs.map(<[u8]>::len).max().unwrap_or(0)
    }

    fn alloc(&mut self, pages: usize, align: usize, boundary: Option<usize>) {
        let boundary = boundary.map(|b| b.max((pages * PAGE).next_power_of_two()));
        let mut request = RunRequest::new(pages).align(align);
        if let Some(boundary) = boundary {
            request = request.within(boundary);
        }
        let expected = self.expected(pages, align, boundary);
        match self.runs.alloc_with(request) {
            Ok(mut run) => {
                assert_eq!(Some(run.first_page()), expected);
                self.stamp = self.stamp % 250 + 1;
                run.as_uninit_mut().fill(MaybeUninit::new(self.stamp));
                self.mark(run.first_page(), pages, self.stamp);
                self.owned.push((run, self.stamp));
            }
            Err(error) => {
                assert_eq!(expected, None);
                let free = self.shadow.iter().filter(|&&s| s == 0).count();
                assert_eq!(error, exhausted(pages, self.largest(), free));
            }
        }
    }

    fn mark(&mut self, first: usize, pages: usize, stamp: u8) {
        self.shadow[first..first + pages].fill(stamp);
    }

    /// Notes that a run is freed: every byte holds its stamp.
    fn goes_home(&mut self, start: *const u8, pages: usize, stamp: u8) {
        // SAFETY: the test has the run, and every byte was written when it was allocated.
        let bytes = unsafe { std::slice::from_raw_parts(start, pages * PAGE) };
        assert!(bytes.iter().all(|&b| b == stamp));
        self.mark((start.addr() - self.base()) / PAGE, pages, 0);
    }

    fn raw_at(&mut self, i: usize) -> Option<(NonNull<u8>, usize, u8)> {
        let n = self.raw.len();
        (n > 0).then(|| self.raw.swap_remove(i % n))
    }

    fn owned_at(&mut self, i: usize) -> Option<(PageRun<'a>, u8)> {
        let n = self.owned.len();
        (n > 0).then(|| self.owned.swap_remove(i % n))
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Alloc(pages, align, boundary) => {
                self.alloc(pages, 1 << align, boundary.map(|b| 1 << b));
            }
            Op::Drop(i) => {
                if let Some((run, stamp)) = self.owned_at(i) {
                    self.goes_home(run.as_ptr(), run.pages(), stamp);
                }
            }
            Op::IntoRaw(i) => {
                if let Some((run, stamp)) = self.owned_at(i) {
                    let pages = run.pages();
                    self.raw.push((run.into_raw(), pages, stamp));
                }
            }
            Op::FreeRaw(i) => {
                if let Some((ptr, pages, stamp)) = self.raw_at(i) {
                    self.goes_home(ptr.as_ptr(), pages, stamp);
                    // SAFETY: a raw run of the test; the second call finds it freed.
                    unsafe {
                        self.runs.free_raw(ptr, pages).unwrap();
                        self.runs.free_raw(ptr, pages).unwrap_err();
                    }
                }
            }
            Op::FreeRawWrong(i, wrong) => {
                if let Some((ptr, pages, stamp)) = self.raw_at(i) {
                    if wrong != pages {
                        // SAFETY: refused.
                        let error = unsafe { self.runs.free_raw(ptr, wrong) }.unwrap_err();
                        assert!(matches!(error, RunFreeError::WrongLength { .. }));
                    }
                    self.raw.push((ptr, pages, stamp));
                }
            }
            Op::FromRaw(i) => {
                if let Some((ptr, pages, stamp)) = self.raw_at(i) {
                    // SAFETY: a raw run of the test.
                    let run = unsafe { self.runs.run_from_raw(ptr, pages) }.unwrap();
                    self.owned.push((run, stamp));
                }
            }
        }
    }

    fn audit(&self) {
        self.runs.check().unwrap();
        let stats = self.runs.stats();
        assert_eq!(stats.free, self.shadow.iter().filter(|&&s| s == 0).count());
        assert_eq!(stats.runs, self.owned.len() + self.raw.len());
        assert_eq!(stats.raw, self.raw.len());
        assert_eq!(self.runs.largest_free(), self.largest());
    }
}

/// Fewer cases where each takes long.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if cfg!(miri) {
        config.cases = 2;
        config.failure_persistence = None;
    }
    config
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn random_streams_agree_with_the_shadow(
        pages in 1usize..200,
        from in 0usize..200,
        ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 40 } else { 150 }),
    ) {
        let mut memory = memory(from + (pages + 8) * PAGE);
        let runs = PageRuns::new(&mut memory[from..], PAGE).unwrap();
        let mut world = World {
            runs: &runs,
            owned: Vec::new(),
            raw: Vec::new(),
            shadow: vec![0; runs.pages()],
            stamp: 0,
        };
        for op in ops {
            world.step(op);
            world.audit();
        }
        for (run, stamp) in std::mem::take(&mut world.owned) {
            world.goes_home(run.as_ptr(), run.pages(), stamp);
        }
        for _ in 0..world.raw.len() {
            world.step(Op::FreeRaw(0));
        }
        world.audit();
        prop_assert_eq!(runs.largest_free(), runs.pages());
    }
}
