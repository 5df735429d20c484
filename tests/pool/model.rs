//! Random streams of operations against a shadow model: the set of blocks that are out.

use std::collections::BTreeMap;

use framepool::{AllocManyError, Block, Burst, Cache, Exhausted, Pool, PoolConfig};
use proptest::prelude::*;

/// One step. Numbers select among the available items.
#[derive(Debug, Clone)]
enum Op {
    Alloc,
    CacheAlloc(usize),
    Drop(usize),
    CacheFree(usize, usize),
    DropElsewhere(usize),
    Burst(usize),
    CacheBurst(usize, usize),
    CacheUpTo(usize, usize),
    CacheArray(usize),
    CacheInto(usize, usize),
    DropBurst(usize),
    CacheFreeBurst(usize, usize),
    CacheDrainBurst(usize, usize),
    CacheFreeArray(usize),
    CacheFreeFrom(usize, usize),
    IntoRaw(usize),
    FreeRaw(usize),
    FreeRawTwice(usize),
    Flush(usize),
    Prefault,
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0usize..1000;
    prop_oneof![
        6 => Just(Op::Alloc),
        10 => n.clone().prop_map(Op::CacheAlloc),
        5 => n.clone().prop_map(Op::Drop),
        10 => (n.clone(), n.clone()).prop_map(|(c, i)| Op::CacheFree(c, i)),
        1 => n.clone().prop_map(Op::DropElsewhere),
        2 => n.clone().prop_map(Op::Burst),
        4 => (n.clone(), n.clone()).prop_map(|(c, k)| Op::CacheBurst(c, k)),
        2 => (n.clone(), n.clone()).prop_map(|(c, k)| Op::CacheUpTo(c, k)),
        2 => n.clone().prop_map(Op::CacheArray),
        2 => (n.clone(), n.clone()).prop_map(|(c, k)| Op::CacheInto(c, k)),
        3 => n.clone().prop_map(Op::DropBurst),
        4 => (n.clone(), n.clone()).prop_map(|(c, i)| Op::CacheFreeBurst(c, i)),
        2 => (n.clone(), n.clone()).prop_map(|(c, i)| Op::CacheDrainBurst(c, i)),
        2 => n.clone().prop_map(Op::CacheFreeArray),
        2 => (n.clone(), n.clone()).prop_map(|(c, k)| Op::CacheFreeFrom(c, k)),
        2 => n.clone().prop_map(Op::IntoRaw),
        2 => n.clone().prop_map(Op::FreeRaw),
        1 => n.clone().prop_map(Op::FreeRawTwice),
        1 => n.prop_map(Op::Flush),
        1 => Just(Op::Prefault),
    ]
}

fn exhausted(error: AllocManyError) -> Exhausted {
    match error {
        AllocManyError::Exhausted(e) => e,
        error => panic!("{error}"),
    }
}

const BURST: usize = 12;
const ARRAY: usize = 5;
/// Places in the caches: the small one is no larger than a burst.
const SMALL: usize = BURST;
const LARGE: usize = 32;

/// The pool, everything taken from it, and the bytes written into each block.
struct World<'p> {
    pool: &'p Pool<'p>,
    small: Cache<'p, SMALL>,
    large: Cache<'p, LARGE>,
    blocks: Vec<Block<'p>>,
    bursts: Vec<Burst<'p, BURST>>,
    raw: Vec<framepool::BlockId>,
    /// The stamp of each block that is out, by index.
    shadow: BTreeMap<u32, u32>,
    stamp: u32,
    allocations: u64,
    frees: u64,
}

impl<'p> World<'p> {
    fn new(pool: &'p Pool<'_>) -> Self {
        Self {
            pool,
            small: Cache::new(pool),
            large: Cache::new(pool),
            blocks: Vec::new(),
            bursts: Vec::new(),
            raw: Vec::new(),
            shadow: BTreeMap::new(),
            stamp: 0,
            allocations: 0,
            frees: 0,
        }
    }

    fn out(&self) -> usize {
        self.shadow.len()
    }

    /// Notes that a block was allocated. It must not have been out.
    fn came_out(&mut self, mut block: Block<'p>) -> Block<'p> {
        self.stamp += 1;
        block.write(&self.stamp.to_le_bytes()).unwrap();
        let before = self.shadow.insert(block.id().0, self.stamp);
        assert!(before.is_none(), "{} was handed out twice", block.id());
        self.allocations += 1;
        block
    }

    /// Notes that a block is freed. It must hold its stamp.
    fn goes_home(&mut self, block: &Block<'p>) {
        let stamp = self
            .shadow
            .remove(&block.id().0)
            .expect("the block was out");
        // SAFETY: stamped when it was allocated.
        assert_eq!(unsafe { block.assume_init(4) }, stamp.to_le_bytes());
        self.frees += 1;
    }

    fn burst_came_out(&mut self, burst: Burst<'p, BURST>) {
        let mut kept = Burst::new(self.pool);
        for block in burst {
            let block = self.came_out(block);
            kept.push(block).unwrap();
        }
        self.bursts.push(kept);
    }

    fn burst_goes_home(&mut self, burst: &Burst<'p, BURST>) {
        for (i, id) in burst.ids().enumerate() {
            let stamp = self.shadow.remove(&id.0).expect("the block was out");
            // SAFETY: stamped when it was allocated.
            let first = burst.block(i).unwrap()[..4]
                .iter()
                .map(|b| unsafe { b.assume_init() });
            assert!(first.eq(stamp.to_le_bytes()));
            self.frees += 1;
        }
    }

    fn pick<T>(from: &mut Vec<T>, i: usize) -> Option<T> {
        (!from.is_empty()).then(|| from.swap_remove(i % from.len()))
    }

    fn step(&mut self, op: &Op) {
        let capacity = self.pool.capacity();
        match *op {
            Op::Alloc => match self.pool.alloc() {
                Ok(block) => {
                    let block = self.came_out(block);
                    self.blocks.push(block);
                }
                Err(e) => {
                    assert_eq!((e.requested(), e.available()), (1, 0));
                    let cached = self.small.len() + self.large.len();
                    assert_eq!(self.out() + cached, capacity, "exhausted only if it is");
                }
            },
            Op::CacheAlloc(c) => {
                let (result, other) = if c % 2 == 0 {
                    (self.small.alloc(), self.large.len())
                } else {
                    (self.large.alloc(), self.small.len())
                };
                match result {
                    Ok(block) => {
                        let block = self.came_out(block);
                        self.blocks.push(block);
                    }
                    Err(_) => assert_eq!(self.out() + other, capacity, "exhausted only if it is"),
                }
            }
            Op::Drop(i) => {
                if let Some(block) = Self::pick(&mut self.blocks, i) {
                    self.goes_home(&block);
                }
            }
            Op::CacheFree(c, i) => {
                if let Some(block) = Self::pick(&mut self.blocks, i) {
                    self.goes_home(&block);
                    if c % 2 == 0 {
                        assert!(self.small.free(block).is_ok());
                    } else {
                        assert!(self.large.free(block).is_ok());
                    }
                }
            }
            Op::DropElsewhere(i) => {
                if let Some(block) = Self::pick(&mut self.blocks, i) {
                    self.goes_home(&block);
                    std::thread::scope(|scope| {
                        scope.spawn(move || drop(block));
                    });
                }
            }
            Op::Burst(k) => {
                let n = k % (BURST + 1);
                match self.pool.alloc_burst(n) {
                    Ok(burst) => {
                        assert_eq!(burst.len(), n);
                        self.burst_came_out(burst);
                    }
                    Err(e) => assert!(exhausted(e).available() < n),
                }
            }
            Op::CacheBurst(c, k) => {
                let n = k % (BURST + 1);
                let result = if c % 2 == 0 {
                    self.small.alloc_burst(n)
                } else {
                    self.large.alloc_burst(n)
                };
                match result {
                    Ok(burst) => {
                        assert_eq!(burst.len(), n);
                        self.burst_came_out(burst);
                    }
                    Err(e) => assert!(exhausted(e).available() < n),
                }
            }
            Op::CacheUpTo(c, k) => {
                let n = k % (BURST + 1);
                let burst = if c % 2 == 0 {
                    self.small.alloc_up_to(n)
                } else {
                    self.large.alloc_up_to(n)
                };
                if burst.len() < n {
                    let other = if c % 2 == 0 {
                        self.large.len()
                    } else {
                        self.small.len()
                    };
                    assert_eq!(
                        self.out() + burst.len() + other,
                        capacity,
                        "short only if exhausted"
                    );
                }
                self.burst_came_out(burst);
            }
            Op::CacheArray(c) => {
                let result = if c % 2 == 0 {
                    self.small.alloc_array::<ARRAY>()
                } else {
                    self.large.alloc_array()
                };
                for block in result.into_iter().flatten() {
                    let block = self.came_out(block);
                    self.blocks.push(block);
                }
            }
            Op::CacheInto(c, k) => {
                // More than the small cache can hold, at times.
                let n = k % (LARGE + 1);
                let mut vector = Vec::new();
                let (result, most, other) = if c % 2 == 0 {
                    let result = self.small.alloc_into(&mut vector, n);
                    (result, SMALL, self.large.len())
                } else {
                    let result = self.large.alloc_into(&mut vector, n);
                    (result, LARGE, self.small.len())
                };
                match result {
                    Ok(()) => assert_eq!(vector.len(), n),
                    Err(AllocManyError::TooMany { requested, limit }) => {
                        assert!(vector.is_empty() && n > most);
                        assert_eq!((requested, limit), (n, most));
                    }
                    Err(e) => {
                        let available = exhausted(e).available();
                        assert!(vector.is_empty() && n <= most && available < n);
                        let all = self.out() + other + available == capacity;
                        assert!(all, "short only if exhausted");
                    }
                }
                for block in vector {
                    let block = self.came_out(block);
                    self.blocks.push(block);
                }
            }
            Op::DropBurst(i) => {
                if let Some(burst) = Self::pick(&mut self.bursts, i) {
                    self.burst_goes_home(&burst);
                }
            }
            Op::CacheFreeBurst(c, i) => {
                if let Some(burst) = Self::pick(&mut self.bursts, i) {
                    self.burst_goes_home(&burst);
                    if c % 2 == 0 {
                        assert!(self.small.free_burst(burst).is_ok());
                    } else {
                        assert!(self.large.free_burst(burst).is_ok());
                    }
                }
            }
            Op::CacheDrainBurst(c, i) => {
                if let Some(mut burst) = Self::pick(&mut self.bursts, i) {
                    self.burst_goes_home(&burst);
                    if c % 2 == 0 {
                        assert!(self.small.drain_burst(&mut burst).is_ok());
                    } else {
                        assert!(self.large.drain_burst(&mut burst).is_ok());
                    }
                    assert!(burst.is_empty());
                }
            }
            Op::CacheFreeFrom(c, k) => {
                let keep = self.blocks.len().saturating_sub(k % (2 * LARGE));
                let mut vector = self.blocks.split_off(keep);
                for block in &vector {
                    self.goes_home(block);
                }
                if c % 2 == 0 {
                    assert!(self.small.free_from(&mut vector).is_ok());
                } else {
                    assert!(self.large.free_from(&mut vector).is_ok());
                }
                assert!(vector.is_empty());
            }
            Op::CacheFreeArray(c) => {
                if self.blocks.len() >= ARRAY {
                    let array: [Block<'p>; ARRAY] =
                        std::array::from_fn(|_| self.blocks.pop().unwrap());
                    for block in &array {
                        self.goes_home(block);
                    }
                    if c % 2 == 0 {
                        assert!(self.small.free_array(array).is_ok());
                    } else {
                        assert!(self.large.free_array(array).is_ok());
                    }
                }
            }
            Op::IntoRaw(i) => {
                if let Some(block) = Self::pick(&mut self.blocks, i) {
                    self.raw.push(block.into_id());
                }
            }
            Op::FreeRaw(i) => {
                if let Some(id) = Self::pick(&mut self.raw, i) {
                    // SAFETY: the model has the only copy of the id.
                    let block = unsafe { self.pool.block_from_id(id) }.unwrap();
                    self.goes_home(&block);
                }
            }
            Op::FreeRawTwice(i) => {
                if let Some(id) = Self::pick(&mut self.raw, i) {
                    self.shadow.remove(&id.0).unwrap();
                    self.frees += 1;
                    // SAFETY: the model has the only copy of the id.
                    unsafe {
                        self.pool.free_id(id).unwrap();
                        assert!(self.pool.free_id(id).is_err());
                    }
                }
            }
            Op::Flush(c) => {
                if c % 2 == 0 {
                    self.small.flush();
                    assert!(self.small.is_empty());
                } else {
                    self.large.flush();
                    assert!(self.large.is_empty());
                }
            }
            Op::Prefault => self.pool.prefault(),
        }
        self.audit();
    }

    /// Compares the statistics with the model, within their stated bound.
    fn audit(&self) {
        let stats = self.pool.stats();
        let cached = (self.small.len() + self.large.len()) as u64;
        let hidden = (SMALL + LARGE) as u64;
        assert!(
            stats.in_use.abs_diff(self.out() as u64) <= hidden,
            "{stats}"
        );
        assert!(stats.cached.abs_diff(cached) <= hidden, "{stats}");
        assert_eq!(
            self.pool.available() + self.out() + cached as usize,
            self.pool.capacity()
        );
        assert_eq!(self.pool.raw_out(), self.raw.len());
        for cache in [self.small.stats(), self.large.stats()] {
            assert!(cache.len <= cache.capacity);
            assert!(cache.frees <= cache.allocations + self.allocations);
        }
    }
}

fn run(config: PoolConfig, ops: &[Op]) {
    let mut pool = Pool::allocate(config).unwrap();
    let (allocations, frees) = {
        let mut world = World::new(&pool);
        for op in ops {
            world.step(op);
        }
        while let Some(id) = world.raw.pop() {
            // SAFETY: the model has the only copy of the id.
            let block = unsafe { world.pool.block_from_id(id) }.unwrap();
            world.goes_home(&block);
        }
        for block in std::mem::take(&mut world.blocks) {
            world.goes_home(&block);
        }
        for burst in std::mem::take(&mut world.bursts) {
            world.burst_goes_home(&burst);
        }
        assert_eq!(world.out(), 0);
        (world.allocations, world.frees)
    };
    // No cache is left, so everything is exact.
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.cached), (0, 0), "{stats}");
    assert_eq!(
        (stats.allocations, stats.frees),
        (allocations, frees),
        "{stats}"
    );
    assert_eq!(pool.check().unwrap().free(), pool.capacity());
    pool.reset().unwrap();
    assert_eq!(pool.check().unwrap().never_used, pool.capacity());
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Otherwise `PROPTEST_CASES`, or 256.
        cases: if cfg!(miri) { 4 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_block_is_in_one_place(
        ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 60 } else { 600 }),
        capacity in 1usize..120,
        magazine in 0usize..20,
    ) {
        let config = PoolConfig::new(8, capacity);
        let config = match magazine {
            0 => config.without_caches(),
            1 => config,
            n => config.magazine(n - 1),
        };
        run(config, &ops);
    }

    #[test]
    fn pools_whose_depth_is_counted_beside_the_word_behave_the_same(
        ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 1 } else { 300 }),
    ) {
        if !cfg!(miri) && cfg!(target_pointer_width = "64") {
            run(PoolConfig::new(4, 65_536), &ops);
        }
    }
}
