//! Frames, blocks lent to a device, and bursts as names.

use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use framepool::{
    Block, BlockId, Burst, FreeErrorKind, FromIdsError, NoTailroom, Pool, PoolConfig, Posted,
    Stride, TooManyDevices,
};
use proptest::prelude::*;

fn pool(block_size: usize, count: usize) -> Pool<'static> {
    Pool::allocate(PoolConfig::new(block_size, count).stride(Stride::Exact)).unwrap()
}

/// A table of blocks that no device knows of.
fn posted<'p>(pool: &'p Pool<'p>) -> Posted<'p> {
    // SAFETY: there is no device.
    unsafe { Posted::new(pool) }.unwrap()
}

fn written(mut block: Block<'_>) -> Block<'_> {
    block.zeroed();
    block
}

#[test]
fn a_frame_is_its_bytes_and_gives_its_block_back() {
    let pool = pool(64, 2);
    let mut frame = pool.alloc().unwrap().fill(b"abc").unwrap();
    assert_eq!((frame.bytes(), frame.range()), (&b"abc"[..], 0..3));
    frame.extend(b"def").unwrap();
    frame.extend_zeroed(2).unwrap();
    assert_eq!(frame.bytes(), b"abcdef\0\0");
    frame.trim_front(2);
    frame.truncate(3);
    frame.truncate(4);
    assert_eq!((frame.bytes(), frame.range()), (&b"cde"[..], 2..5));
    frame.bytes_mut()[1] = b'D';
    assert_eq!(frame.as_ref(), b"cDe");
    assert_eq!(frame.offset(), frame.id().index() * 64 + 2);
    frame.trim_front(9);
    assert!(frame.is_empty());
    let id = frame.id();
    assert_eq!(frame.into_block().id(), id);
    assert_eq!(pool.stats().in_use, 0);
}

#[test]
fn bytes_that_do_not_fit_a_block_or_its_rest_change_nothing() {
    let pool = pool(8, 1);
    let error = pool.alloc().unwrap().fill(&[1; 9]).unwrap_err();
    assert_eq!((error.range(), error.block_size()), (0..9, 8));
    assert_eq!(error.to_string(), "bytes 0 to 9 do not fit a block of 8");
    let mut frame = error.into_block().fill(&[1; 6]).unwrap();
    let full = NoTailroom {
        wanted: 3,
        tailroom: 2,
    };
    assert_eq!(frame.extend(&[2; 3]), Err(full));
    assert_eq!(frame.extend_zeroed(3), Err(full));
    assert_eq!(frame.bytes(), [1; 6]);
    frame.extend(&[2; 2]).unwrap();
    assert_eq!((frame.len(), frame.tailroom()), (8, 0));
    assert!(frame.extend(&[]).is_ok());
}

#[test]
fn a_range_outside_of_a_block_is_no_frame() {
    let pool = pool(8, 1);
    for (range, text) in [
        (4..9, "bytes 4 to 9 do not fit a block of 8"),
        (9..9, "bytes 9 to 9 do not fit a block of 8"),
        (
            Range { start: 3, end: 2 },
            "a range from 3 to 2 ends before it starts",
        ),
    ] {
        let block = written(pool.alloc().unwrap());
        // SAFETY: all bytes were written.
        let error = unsafe { block.assume_init_range(range.clone()) }.unwrap_err();
        assert_eq!((error.range(), error.to_string().as_str()), (range, text));
    }
    let block = written(pool.alloc().unwrap());
    // SAFETY: as above.
    let frame = unsafe { block.assume_init_range(8..8) }.unwrap();
    assert!(frame.is_empty() && frame.bytes().is_empty());
    assert_eq!(frame.tailroom(), 0);
}

#[test]
fn a_posted_block_comes_back_by_any_offset_in_it_once() {
    for stride in [Stride::Bytes(64), Stride::Bytes(192)] {
        let pool = Pool::allocate(PoolConfig::new(48, 8).stride(stride)).unwrap();
        let mut device = posted(&pool);
        let offsets: Vec<usize> = (0..8)
            .map(|_| device.post(pool.alloc().unwrap()).unwrap())
            .collect();
        assert_eq!((device.len(), pool.available()), (8, 0));
        for offset in offsets {
            // Padding, outside, and after the last block.
            assert!(device.take(offset + 48).is_none());
            let (block, at) = device.take(offset + 47).unwrap();
            assert_eq!((block.offset(), at), (offset, 47));
            assert!(device.take(offset).is_none());
        }
        assert!(device.take(usize::MAX).is_none());
        assert!(device.take(8 * pool.stride()).is_none());
        assert!(device.is_empty());
        drop(device);
        assert_eq!((pool.raw_out(), pool.stats().in_use), (0, 0));
    }
}

#[test]
fn tables_of_one_pool_know_their_own_blocks_only() {
    let pool = pool(64, 8);
    let (mut rx, mut tx) = (posted(&pool), posted(&pool));
    let at_rx = rx.post(pool.alloc().unwrap()).unwrap();
    let raw = pool.alloc().unwrap().into_id();
    assert!(tx.take(at_rx).is_none());
    assert!(rx.take(pool.offset_of(raw).unwrap()).is_none());
    // SAFETY: the block is posted, so this is refused.
    let error = unsafe { pool.free_id(BlockId((at_rx / 64) as u32)) }.unwrap_err();
    assert!(matches!(error.kind(), FreeErrorKind::DoubleFree { .. }));
    // SAFETY: nothing uses it.
    unsafe { pool.free_id(raw) }.unwrap();
    assert!(rx.take(at_rx).is_some());
}

#[test]
fn a_foreign_block_or_frame_is_not_posted() {
    let (pool, other) = (pool(64, 2), self::pool(64, 2));
    let mut device = posted(&pool);
    let back = device.post(other.alloc().unwrap()).unwrap_err();
    let frame = back.into_inner().fill(b"x").unwrap();
    let back = device.post_frame(frame).unwrap_err().into_inner();
    assert_eq!((back.bytes(), device.len()), (&b"x"[..], 0));
    assert_eq!(pool.stats().refusals, 2);
    let mut frame = pool.alloc().unwrap().fill(b"0123").unwrap();
    frame.trim_front(3);
    let expected = frame.offset();
    assert_eq!(device.post_frame(frame).unwrap(), expected);
    assert_eq!(device.take(expected).unwrap().1, 3);
}

#[test]
fn an_empty_frame_at_the_end_of_its_block_does_not_pass_for_the_next_block() {
    let pool = pool(64, 2);
    let mut device = posted(&pool);
    let mut frame = pool.alloc().unwrap().fill(&[1; 64]).unwrap();
    let (id, next) = (frame.id(), pool.alloc().unwrap());
    assert_eq!((id.index(), next.id().index()), (0, 1));
    frame.trim_front(64);
    device.post(next).unwrap();
    let offset = device.post_frame(frame).unwrap();
    let (block, at) = device.take(offset).unwrap();
    assert_eq!((block.id(), at), (id, 63));
}

#[test]
fn a_dropped_table_leaves_its_blocks_with_the_device_until_they_are_reclaimed() {
    let mut pool = pool(64, 100);
    {
        let mut device = posted(&pool);
        for _ in 0..40 {
            device.post(pool.alloc().unwrap()).unwrap();
        }
    }
    assert_eq!((pool.raw_out(), pool.available()), (40, 60));
    assert_eq!(pool.reset().unwrap_err().outstanding, 40);
    assert_eq!(pool.check().unwrap().raw, 40);
    let kept = pool.alloc().unwrap().into_id();
    assert_eq!(kept.index(), 40);
    // SAFETY: there is no device, and the name is not used any more.
    assert_eq!(unsafe { pool.reclaim_raw() }, 41);
    assert_eq!((pool.raw_out(), pool.available()), (0, 100));
    assert_eq!(pool.check().unwrap().free(), 100);
    pool.reset().unwrap();
}

#[test]
fn a_stopped_device_gives_all_its_blocks_back() {
    let mut pool = pool(64, 200);
    let mut rx = posted(&pool);
    let mut tx = posted(&pool);
    for i in 0..200 {
        let device = if i % 3 == 0 { &mut tx } else { &mut rx };
        device.post(pool.alloc().unwrap()).unwrap();
    }
    let (at_rx, at_tx) = (rx.len(), tx.len());
    // SAFETY: there is no device.
    assert_eq!(unsafe { rx.stopped() }, at_rx);
    assert_eq!((pool.available(), tx.len()), (at_rx, at_tx));
    // SAFETY: as above.
    assert_eq!(unsafe { tx.stopped() }, at_tx);
    assert_eq!((pool.raw_out(), pool.available()), (0, 200));
    assert_eq!(pool.check().unwrap().free(), 200);
    pool.reset().unwrap();
}

#[test]
fn a_forgotten_table_keeps_a_reset_away() {
    let mut pool = pool(64, 4);
    let mut device = posted(&pool);
    device.post(pool.alloc().unwrap()).unwrap();
    std::mem::forget(device);
    assert!(pool.reset().is_err());
    assert_eq!(pool.check().unwrap().raw, 1);
    // SAFETY: there is no device, and the table cannot be used any more.
    assert_eq!(unsafe { pool.reclaim_raw() }, 1);
    assert_eq!((pool.raw_out(), pool.check().unwrap().free()), (0, 4));
    pool.reset().unwrap();
}

/// A waker that panics when it is used.
struct Panics;

impl std::task::Wake for Panics {
    fn wake(self: std::sync::Arc<Self>) {
        panic!("a waker's own fault");
    }
}

#[test]
fn a_waker_that_panics_does_not_make_blocks_of_a_device_disappear() {
    for is_reclaimed in [false, true] {
        let mut pool = pool(64, 200);
        {
            let mut device = posted(&pool);
            for _ in 0..200 {
                device.post(pool.alloc().unwrap()).unwrap();
            }
            let mut wait = pin!(pool.alloc_async());
            let waker = std::task::Waker::from(std::sync::Arc::new(Panics));
            let mut context = std::task::Context::from_waker(&waker);
            assert!(wait.as_mut().poll(&mut context).is_pending());
            let result = catch_unwind(AssertUnwindSafe(|| {
                if is_reclaimed {
                    drop(device);
                    // SAFETY: there is no device.
                    unsafe { pool.reclaim_raw() }
                } else {
                    // SAFETY: as above.
                    unsafe { device.stopped() }
                }
            }));
            assert!(result.is_err());
        }
        assert_eq!((pool.raw_out(), pool.available()), (0, 200));
        assert_eq!(pool.check().unwrap().free(), 200);
        pool.reset().unwrap();
    }
}

#[test]
fn numbers_of_tables_are_used_again_once_they_are_empty() {
    let pool = pool(64, 4);
    let limit = usize::BITS;
    for _ in 0..200 {
        drop(posted(&pool));
    }
    let tables: Vec<_> = (0..limit).map(|_| posted(&pool)).collect();
    // SAFETY: there is no device.
    let error = unsafe { Posted::new(&pool) }.unwrap_err();
    assert_eq!(error, TooManyDevices { max: limit });
    drop(tables);
    let mut kept = posted(&pool);
    kept.post(pool.alloc().unwrap()).unwrap();
    drop(kept);
    let others: Vec<_> = (1..limit).map(|_| posted(&pool)).collect();
    // SAFETY: as above.
    assert!(unsafe { Posted::new(&pool) }.is_err());
    drop(others);
    // SAFETY: as above.
    assert_eq!(unsafe { pool.reclaim_raw() }, 1);
    let all: Vec<_> = (0..limit).map(|_| posted(&pool)).collect();
    assert_eq!(all.len(), limit as usize);
}

#[test]
fn a_reservation_that_ends_passes_its_posted_blocks_on() {
    let pool = pool(64, 8);
    let reservation = pool.reserve(4).unwrap();
    let mut device = posted(&reservation);
    device.post(reservation.alloc().unwrap()).unwrap();
    drop(device);
    drop(reservation);
    assert_eq!((pool.raw_out(), pool.available()), (1, 7));
    // SAFETY: there is no device.
    assert_eq!(unsafe { pool.reclaim_raw() }, 1);
    assert_eq!(pool.available(), 8);
}

#[test]
fn names_become_a_burst_all_or_none() {
    let pool = pool(64, 8);
    let burst: Burst<'_, 4> = pool.alloc_burst(4).unwrap();
    let order: Vec<_> = burst.ids().collect();
    let mut names = [BlockId(0); 4];
    let names = burst.into_ids(&mut names);
    assert_eq!((names, pool.raw_out()), (&order[..], 4));
    let foreign = [names[0], names[1], BlockId(99)];
    let live = pool.alloc().unwrap();
    let twice = [names[0], live.id()];
    // SAFETY: nothing uses these blocks; what is not raw is refused.
    unsafe {
        let error = Burst::<4>::from_ids(&pool, &foreign).unwrap_err();
        assert!(
            matches!(error, FromIdsError::Free(e) if matches!(e.kind(), FreeErrorKind::ForeignId { .. }))
        );
        let error = Burst::<4>::from_ids(&pool, &twice).unwrap_err();
        assert!(
            matches!(error, FromIdsError::Free(e) if matches!(e.kind(), FreeErrorKind::DoubleFree { .. }))
        );
        let error = Burst::<3>::from_ids(&pool, names).unwrap_err();
        assert_eq!(error.to_string(), "4 names do not fit a burst of 3 blocks");
        assert_eq!(pool.raw_out(), 4);
        let burst = Burst::<4>::from_ids(&pool, names).unwrap();
        assert_eq!(burst.ids().collect::<Vec<_>>(), order);
    }
    drop(live);
    assert_eq!((pool.raw_out(), pool.stats().in_use), (0, 0));
}

#[test]
fn a_burst_gives_its_blocks_out_from_both_ends_and_frees_the_rest() {
    let pool = pool(64, 8);
    let burst: Burst<'_, 8> = pool.alloc_burst(6).unwrap();
    let order: Vec<_> = burst.ids().collect();
    let mut blocks = burst.into_iter();
    let (first, last) = (blocks.next().unwrap(), blocks.next_back().unwrap());
    assert_eq!((first.id(), last.id()), (order[0], order[5]));
    assert_eq!(blocks.len(), 4);
    drop(blocks);
    assert_eq!(pool.stats().in_use, 2);
    let burst: Burst<'_, 8> = pool.alloc_burst(6).unwrap();
    let order: Vec<_> = burst.ids().collect();
    let ids: Vec<_> = burst.into_iter().map(|block| block.id()).collect();
    assert_eq!(ids, order);
    let mut blocks = pool.alloc_burst::<8>(1).unwrap().into_iter();
    assert!(
        blocks.next_back().is_some() && blocks.next_back().is_none() && blocks.next().is_none()
    );
}

#[test]
fn bytes_of_a_burst_that_a_device_wrote_are_read_in_place() {
    let pool = pool(64, 2);
    let mut burst: Burst<'_, 2> = pool.alloc_burst(2).unwrap();
    for (i, bytes) in burst.blocks_mut().enumerate() {
        bytes[16..20].fill(std::mem::MaybeUninit::new(i as u8));
    }
    // SAFETY: these bytes were just written.
    unsafe {
        assert_eq!(burst.assume_init_range(1, 16..20), Some(&[1; 4][..]));
        assert_eq!(burst.assume_init_range(2, 16..20), None);
        assert_eq!(burst.assume_init_range(0, 60..65), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Posted blocks are a set: of two tables, in any order of posts, returns and ends.
    #[test]
    fn posted_blocks_are_sets(steps in prop::collection::vec((0_u8..6, any::<usize>()), 1..200)) {
        let mut pool = pool(64, 70);
        let mut gone = 0;
        {
            let mut tables = [posted(&pool), posted(&pool)];
            let mut models: [Vec<usize>; 2] = Default::default();
            for (step, pick) in steps {
                let at = usize::from(step % 2);
                match step / 2 {
                    0 => if let Ok(block) = pool.alloc() {
                        models[at].push(tables[at].post(block).unwrap());
                    },
                    1 if !models[at].is_empty() => {
                        let offset = models[at].swap_remove(pick % models[at].len());
                        prop_assert!(tables[1 - at].take(offset).is_none());
                        let (block, inside) = tables[at].take(offset + pick % 64).unwrap();
                        prop_assert_eq!((block.offset(), inside), (offset, pick % 64));
                    }
                    _ if pick % 16 == 0 => {
                        let table = std::mem::replace(&mut tables[at], posted(&pool));
                        // SAFETY: there is no device.
                        prop_assert_eq!(unsafe { table.stopped() }, models[at].len());
                        models[at].clear();
                    }
                    _ => {}
                }
                let out = models[0].len() + models[1].len();
                prop_assert_eq!(tables[0].len() + tables[1].len(), out);
                prop_assert_eq!(pool.available(), 70 - out);
                prop_assert!((out..out + 128).contains(&pool.raw_out()));
                gone = out;
            }
        }
        prop_assert_eq!(pool.raw_out(), gone);
        prop_assert_eq!(pool.check().unwrap().raw, gone);
        // SAFETY: there is no device.
        prop_assert_eq!(unsafe { pool.reclaim_raw() }, gone);
        prop_assert_eq!(pool.check().unwrap().free(), 70);
    }
}
