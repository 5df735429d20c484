//! Reservations: no other user gets their blocks, and the blocks return to them.

use std::mem::{self, MaybeUninit};
use std::sync::OnceLock;

use framepool::{Cache, ConfigError, FreeErrorKind, Pool, PoolConfig, Reservation, ReserveError};
use proptest::prelude::*;

fn pool(blocks: usize) -> Pool<'static> {
    Pool::allocate(PoolConfig::new(64, blocks)).unwrap()
}

#[test]
fn who_receives_cannot_starve_who_sends() {
    let mut pool = pool(100);
    {
        let tx = pool.reserve(10).unwrap();
        let rx: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
        assert_eq!(rx.len(), 90);
        for _ in 0..3 {
            let sent: Vec<_> = std::iter::from_fn(|| tx.alloc().ok()).collect();
            assert_eq!(sent.len(), 10);
            assert!(pool.alloc().is_err());
            // Blocks return to their reservation, on whichever thread they are dropped.
            std::thread::scope(|s| {
                s.spawn(move || drop(sent));
            });
            assert!(pool.alloc().is_err());
        }
        let stats = tx.stats();
        assert_eq!(
            (stats.in_use, stats.free, stats.peak),
            (0, 10, 10),
            "{stats}"
        );
        assert_eq!((stats.allocations, stats.frees), (30, 30), "{stats}");
    }
    let stats = pool.stats();
    assert_eq!((stats.reserved, stats.in_use, stats.free), (0, 0, 100));
    assert_eq!((stats.allocations, stats.frees, stats.peak), (90, 90, 90));
    assert_eq!(pool.check().unwrap().free(), 100);
}

#[test]
fn a_reserved_block_is_the_parents_block_by_name_and_place() {
    let pool = pool(8);
    let reservation = pool.reserve(3).unwrap();
    let block = reservation.alloc().unwrap();
    assert!(block.id().index() < 3, "the lowest of a new pool");
    assert_eq!(block.offset(), block.id().index() * pool.stride());
    assert_eq!(
        block.addr(),
        pool.blocks_ptr().addr().get() + block.offset()
    );
    assert_eq!(reservation.parent().capacity(), 8);
    assert_eq!((reservation.quota(), reservation.capacity()), (3, 3));
}

#[test]
fn the_parent_refuses_what_is_reserved_and_the_other_way_round() {
    let pool = pool(8);
    let reservation = pool.reserve(4).unwrap();
    let mut cache: Cache<'_, 16> = Cache::new(&pool);
    let block = cache
        .free(reservation.alloc().unwrap())
        .unwrap_err()
        .into_inner();
    let block = pool.free(block).unwrap_err().into_inner();
    let raw = block.into_raw();
    // SAFETY: the pointer is used nowhere else; the refusal is tested.
    unsafe {
        let error = pool.free_raw(raw).unwrap_err();
        assert!(matches!(error.kind(), FreeErrorKind::DoubleFree { .. }));
        reservation.free_raw(raw).unwrap();
    }
    let raw = pool.alloc().unwrap().into_raw();
    // SAFETY: as above.
    unsafe {
        assert!(reservation.free_raw(raw).is_err());
        pool.free_raw(raw).unwrap();
    }
    assert_eq!((reservation.available(), pool.available()), (4, 4));
}

#[test]
fn caches_and_bursts_work_on_a_reservation() {
    let mut pool = pool(256);
    {
        let reservation = pool.reserve(64).unwrap();
        assert_eq!(reservation.magazine(), 8);
        let mut cache = reservation.cache();
        for _ in 0..10 {
            let burst = cache.alloc_burst::<32>(32).unwrap();
            assert!(burst.ids().all(|id| id.index() < 64));
            assert!(cache.free_burst(burst).is_ok());
            let all: Vec<_> = std::iter::from_fn(|| cache.alloc().ok()).collect();
            assert_eq!(all.len(), 64);
        }
    }
    assert_eq!(pool.check().unwrap().free(), 256);
}

#[test]
fn what_cannot_be_reserved_changes_nothing() {
    let mut pool = pool(100);
    let held = [pool.alloc().unwrap(), pool.alloc().unwrap()];
    match pool.reserve(99).unwrap_err() {
        ReserveError::Exhausted(e) => assert_eq!((e.requested(), e.available()), (99, 98)),
        other => panic!("{other}"),
    }
    let error = pool.reserve(0).unwrap_err();
    assert!(matches!(
        error,
        ReserveError::Config(ConfigError::ZeroBlocks)
    ));
    let mut books = [MaybeUninit::uninit(); 600];
    let error = pool.reserve_in(&mut books, 50).unwrap_err();
    let ReserveError::Config(ConfigError::RegionTooSmall {
        required,
        available,
    }) = error
    else {
        panic!("{error}");
    };
    assert!(required > 600 && required <= pool.reservation_size() && available == 600);
    let stats = pool.stats();
    assert_eq!(
        (stats.in_use, stats.reserved, stats.peak),
        (2, 0, 2),
        "{stats}"
    );
    assert_eq!(stats.allocations, 2, "{stats}");
    drop(held);
    assert_eq!(pool.check().unwrap().free(), 100);
}

#[test]
fn raw_blocks_of_a_reservation_that_ended_are_the_parents() {
    let mut pool = pool(16);
    let reservation = pool.reserve(4).unwrap();
    let raw = reservation.alloc().unwrap().into_raw();
    drop(reservation);
    assert_eq!((pool.raw_out(), pool.stats().in_use), (1, 1));
    // SAFETY: the pointer is used nowhere else.
    unsafe { pool.free_raw(raw) }.unwrap();
    assert_eq!(pool.check().unwrap().free(), 16);
}

#[test]
fn what_is_forgotten_is_counted_and_not_reclaimed() {
    let mut pool = pool(16);
    let reservation = pool.reserve(5).unwrap();
    mem::forget(reservation.alloc().unwrap());
    drop(reservation);
    assert_eq!(pool.check().unwrap().leaked, 1);
    let mut books = [MaybeUninit::uninit(); 1024];
    mem::forget(pool.reserve_in(&mut books, 4).unwrap());
    let census = pool.check().unwrap();
    assert_eq!((census.leaked, census.reserved, census.free()), (1, 4, 11));
    // The reservation does not know which of its blocks are out as raw blocks.
    assert_eq!(pool.reset().unwrap_err().outstanding, 4);
}

#[test]
fn a_block_that_is_out_through_nested_reservations_keeps_a_reset_away() {
    for quota in [1, 4] {
        let mut pool = pool(16);
        let mut books = [MaybeUninit::uninit(); 1024];
        let raw = {
            let mid = pool.reserve(8).unwrap();
            let nested = mid.reserve_in(&mut books, quota).unwrap();
            let raw = nested.alloc().unwrap().into_raw();
            mem::forget(nested);
            raw
        };
        assert_eq!(pool.stats().reserved as usize, quota);
        assert_eq!(pool.available(), 16 - quota);
        let census = pool.check().unwrap();
        assert_eq!((census.leaked, census.reserved), (0, quota));
        assert_eq!(census.free(), 16 - quota);
        assert_eq!(pool.reset().unwrap_err().outstanding, quota);
        assert!(pool.contains(raw.as_ptr()));
        let all: Vec<_> = std::iter::from_fn(|| pool.alloc().ok()).collect();
        assert!(all.iter().all(|block| block.addr() != raw.addr().get()));
    }
}

framepool::pool!(static FRAMES: [64; 32]);

#[test]
fn a_static_pool_reserves_in_statics() {
    static RESERVATION: OnceLock<Reservation<'static>> = OnceLock::new();
    assert!(FRAMES.reservation_size() <= 1024);
    let reservation = RESERVATION.get_or_init(|| {
        let books = Box::leak(Box::new([MaybeUninit::uninit(); 1024]));
        FRAMES.reserve_in(books, 8).unwrap()
    });
    std::thread::spawn(|| drop(reservation.alloc().unwrap()))
        .join()
        .unwrap();
    let held = reservation.alloc().unwrap();
    assert_eq!(reservation.reset_static().unwrap_err().outstanding, 1);
    drop(held);
    reservation.reset_static().unwrap();
    assert_eq!((reservation.available(), FRAMES.available()), (8, 24));
    let all: Vec<_> = std::iter::from_fn(|| reservation.alloc().ok()).collect();
    assert_eq!(all.len(), 8);
    drop(all);
    FRAMES.reset_static().unwrap();
    assert_eq!((reservation.available(), FRAMES.available()), (8, 24));
}

/// Reserves, allocates on both sides and frees in any order.
#[derive(Debug, Clone)]
enum Op {
    Reserve(usize),
    Alloc(usize),
    Drop(usize),
    End(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0usize..100;
    prop_oneof![
        1 => n.clone().prop_map(Op::Reserve),
        6 => n.clone().prop_map(Op::Alloc),
        4 => n.clone().prop_map(Op::Drop),
        1 => n.prop_map(Op::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn quotas_are_never_exceeded_nor_lost(
        ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 30 } else { 200 }),
    ) {
        let mut pool = Pool::allocate(PoolConfig::new(8, 70)).unwrap();
        {
            // Each reservation with its blocks that are out; `None` after its end.
            let mut reservations = Vec::new();
            for op in &ops {
                match *op {
                    Op::Reserve(n) => {
                        let free = pool.available();
                        match pool.reserve(n % 20) {
                            Ok(reservation) => {
                                assert_eq!(pool.available(), free - n % 20);
                                let reservation: *mut _ = Box::into_raw(Box::new(reservation));
                                reservations.push((reservation, Vec::new()));
                            }
                            Err(_) => assert!(n % 20 == 0 || free < n % 20),
                        }
                    }
                    Op::Alloc(i) if !reservations.is_empty() => {
                        let i = i % reservations.len();
                        let (reservation, out) = &mut reservations[i];
                        // SAFETY: alive until `End` takes it out of the list.
                        let reservation = unsafe { &**reservation };
                        match reservation.alloc() {
                            Ok(block) => out.push(block),
                            Err(_) => assert_eq!(out.len(), reservation.quota()),
                        }
                    }
                    Op::Drop(i) if !reservations.is_empty() => {
                        let i = i % reservations.len();
                        drop(reservations[i].1.pop());
                    }
                    Op::End(i) if !reservations.is_empty() => {
                        let (reservation, out) = reservations.swap_remove(i % reservations.len());
                        drop(out);
                        // SAFETY: from `into_raw` above, and nothing refers to it any more.
                        drop(unsafe { Box::from_raw(reservation) });
                    }
                    _ => {}
                }
                // SAFETY: as above.
                let quotas: usize = reservations.iter().map(|r| unsafe { &*r.0 }.quota()).sum();
                assert_eq!(pool.stats().reserved as usize, quotas);
                assert_eq!(pool.available() + quotas, 70);
            }
            for (reservation, out) in reservations {
                drop(out);
                // SAFETY: as above.
                drop(unsafe { Box::from_raw(reservation) });
            }
        }
        assert_eq!(pool.stats().peak, 0);
        assert_eq!(pool.check().unwrap().free(), 70);
    }
}

/// A step on a pool, a reservation of it, or a nested reservation.
#[derive(Debug, Clone, Copy)]
enum Event {
    Reserve(usize),
    Alloc,
    Burst(usize),
    Drop,
    IntoRaw,
    FreeRaw,
    FreeTwice,
    ForgetBlock,
    End,
    ForgetReservation,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0usize..12).prop_map(Event::Reserve),
        6 => Just(Event::Alloc),
        2 => (0usize..10).prop_map(Event::Burst),
        4 => Just(Event::Drop),
        3 => Just(Event::IntoRaw),
        2 => Just(Event::FreeRaw),
        1 => Just(Event::FreeTwice),
        1 => Just(Event::ForgetBlock),
        2 => Just(Event::End),
        1 => Just(Event::ForgetReservation),
    ]
}

/// A pool with its expected statistics. Its reservations come after it in the list of nodes.
struct Node {
    pool: &'static Pool<'static>,
    /// The reservation to drop at its end, and its quota; `None` for the first pool.
    reservation: Option<*mut Reservation<'static>>,
    parent: usize,
    own: usize,
    lent: usize,
    held: Vec<framepool::Block<'static>>,
    raw: Vec<framepool::BlockId>,
    forgotten: usize,
    allocations: u64,
    frees: u64,
    exhaustions: u64,
    refusals: u64,
    peak: usize,
}

impl Node {
    fn new(
        pool: &'static Pool<'static>,
        reservation: Option<*mut Reservation<'static>>,
        parent: usize,
        own: usize,
    ) -> Self {
        Self {
            pool,
            reservation,
            parent,
            own,
            lent: 0,
            held: Vec::new(),
            raw: Vec::new(),
            forgotten: 0,
            allocations: 0,
            frees: 0,
            exhaustions: 0,
            refusals: 0,
            peak: 0,
        }
    }

    fn in_use(&self) -> usize {
        self.held.len() + self.raw.len() + self.forgotten
    }

    fn audit(&mut self) {
        self.peak = self.peak.max(self.in_use());
        let stats = self.pool.stats();
        let free = self.own - self.lent - self.in_use();
        assert_eq!(stats.in_use, self.in_use() as u64, "{stats}");
        assert_eq!(stats.free, free as u64, "{stats}");
        assert_eq!(self.pool.available(), free, "{stats}");
        let elsewhere = self.pool.capacity() - self.own + self.lent;
        assert_eq!(stats.reserved, elsewhere as u64, "{stats}");
        assert_eq!(stats.allocations, self.allocations, "{stats}");
        assert_eq!(stats.frees, self.frees, "{stats}");
        assert_eq!(stats.exhaustions, self.exhaustions, "{stats}");
        assert_eq!(stats.refusals, self.refusals, "{stats}");
        assert_eq!(stats.peak, self.peak as u64, "{stats}");
        assert_eq!((stats.cached, stats.waiting), (0, 0), "{stats}");
        assert_eq!(self.pool.raw_out(), self.raw.len(), "{stats}");
    }
}

/// Forgets what a box has held, which stays reachable: AddressSanitizer reports no leak.
pub fn forget<T>(unboxed: *mut T) {
    static FORGOTTEN: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(Vec::new());
    FORGOTTEN.lock().unwrap().push(unboxed as usize);
}

/// Ends the node `at`, and before it the nodes that came from it.
fn end(nodes: &mut Vec<Node>, at: usize, forget: bool) {
    while let Some(child) = (at + 1..nodes.len()).find(|&i| nodes[i].parent == at) {
        end(nodes, child, forget);
    }
    let mut node = nodes.remove(at);
    for later in &mut nodes[at..] {
        if later.parent > at {
            later.parent -= 1;
        }
    }
    node.held.drain(..).for_each(drop);
    if forget {
        return self::forget(node.reservation.unwrap());
    }
    // SAFETY: made by `Box::into_raw`, and nothing refers to it any more.
    drop(unsafe { Box::from_raw(node.reservation.unwrap()) });
    let parent = &mut nodes[node.parent];
    parent.lent -= node.own - node.lent;
    parent.allocations += node.in_use() as u64;
    parent.raw.append(&mut node.raw);
    parent.forgotten += node.forgotten;
}

fn happens(nodes: &mut Vec<Node>, at: usize, event: Event) {
    let (pool, last) = (nodes[at].pool, nodes.len());
    let node = &mut nodes[at];
    match event {
        Event::Reserve(n) if last < 8 => {
            let free = pool.available();
            match pool.reserve(n) {
                Ok(reservation) => {
                    node.lent += n;
                    let reservation: *mut _ = Box::into_raw(Box::new(reservation));
                    // SAFETY: alive until `end` drops it, after everything that refers to it.
                    let pool: &'static Pool<'static> = unsafe { &*reservation };
                    nodes.push(Node::new(pool, Some(reservation), at, n));
                }
                Err(_) if n == 0 => {}
                Err(_) => {
                    assert!(free < n);
                    node.exhaustions += 1;
                }
            }
        }
        Event::Reserve(_) => {}
        Event::Alloc => match pool.alloc() {
            Ok(block) => {
                node.allocations += 1;
                node.held.push(block);
            }
            Err(_) => node.exhaustions += 1,
        },
        Event::Burst(n) => match pool.alloc_burst::<8>(n) {
            Ok(burst) => {
                node.allocations += n as u64;
                node.held.extend(burst);
            }
            Err(_) if n > 8 => node.refusals += 1,
            Err(_) => node.exhaustions += 1,
        },
        Event::Drop => node.frees += u64::from(node.held.pop().is_some()),
        Event::IntoRaw => {
            let block = node.held.pop();
            node.raw.extend(block.map(framepool::Block::into_id));
        }
        Event::FreeRaw | Event::FreeTwice => {
            if let Some(id) = node.raw.pop() {
                // SAFETY: the model has the only copy of the id; the refusal is tested.
                unsafe {
                    pool.free_id(id).unwrap();
                    node.frees += 1;
                    if matches!(event, Event::FreeTwice) {
                        assert!(pool.free_id(id).is_err());
                        node.refusals += 1;
                    }
                }
            }
        }
        Event::ForgetBlock => {
            if let Some(block) = node.held.pop() {
                mem::forget(block);
                node.forgotten += 1;
            }
        }
        Event::End | Event::ForgetReservation if at == 0 => {}
        // Held blocks are freed before the reservation ends, and count as frees.
        Event::End => end(nodes, at, false),
        Event::ForgetReservation => end(nodes, at, true),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    // Not under Miri, which reports forgotten reservations as leaks.
    #[cfg(not(miri))]
    #[test]
    fn all_counters_add_up_in_every_order_of_events(
        events in proptest::collection::vec((0usize..8, event()), 1..200),
    ) {
        let pool: *mut Pool<'static> = Box::into_raw(Box::new(pool(50)));
        {
            // SAFETY: alive until the end of the test, after all nodes.
            let mut nodes = vec![Node::new(unsafe { &*pool }, None, 0, 50)];
            for (at, event) in events {
                let at = at % nodes.len();
                happens(&mut nodes, at, event);
                nodes.iter_mut().for_each(Node::audit);
            }
            while nodes.len() > 1 {
                end(&mut nodes, 1, false);
                nodes.iter_mut().for_each(Node::audit);
            }
            let root = &mut nodes[0];
            root.held.clear();
            let (raw, reserved) = (root.raw.len(), root.lent);
            let leaked = root.forgotten;
            // SAFETY: no handle is left.
            let pool = unsafe { &mut *pool };
            let census = pool.check().unwrap();
            assert_eq!((census.raw, census.reserved, census.leaked), (raw, reserved, leaked));
            let outstanding = pool.reset().err().map_or(0, |e| e.outstanding);
            assert_eq!(outstanding, raw + reserved);
        }
        // SAFETY: from `into_raw` above.
        drop(unsafe { Box::from_raw(pool) });
    }
}
