//! Handles into a `heapless::Vec`, all or none, and back.

use framepool::{AllocManyError, Block, Cache};
use heapless::{Vec, VecView};

fn too_many(requested: usize, limit: usize) -> AllocManyError {
    AllocManyError::TooMany { requested, limit }
}

#[test]
fn a_vector_is_filled_and_emptied() {
    framepool::pool!(static POOL: [64; 64]);
    let mut cache = POOL.cache();
    let mut blocks: Vec<Block<'_>, 16> = Vec::new();
    cache.alloc_into_heapless(&mut blocks, 5).unwrap();
    cache.alloc_into_heapless(&mut blocks, 11).unwrap();
    let mut ids: Vec<_, 16> = blocks.iter().map(Block::id).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
    cache.free_from_heapless(&mut blocks).unwrap();
    assert!(blocks.is_empty());
    assert_eq!(cache.stats().allocations, 16);
    drop(cache);
    assert!(POOL.reset_static().is_ok());
}

#[test]
fn views_and_narrow_lengths_are_vectors_too() {
    framepool::pool!(static POOL: [64; 64]);
    let mut cache = POOL.cache();
    let mut narrow: Vec<Block<'_>, 8, u8> = Vec::new();
    let view: &mut VecView<Block<'_>, u8> = &mut narrow;
    cache.alloc_into_heapless(view, 8).unwrap();
    assert_eq!(view.len(), 8);
    cache.free_from_heapless(view).unwrap();
    assert_eq!(narrow.len(), 0);
}

#[test]
fn without_room_or_blocks_nothing_happens_and_the_error_says_what_there_was() {
    framepool::pool!(static POOL: [64; 8]);
    let mut cache: Cache<'_, 16> = Cache::new(&POOL);
    let mut blocks: Vec<Block<'_>, 12> = Vec::new();
    let error = cache.alloc_into_heapless(&mut blocks, 13).unwrap_err();
    assert_eq!(error, too_many(13, 12));
    let error = cache.alloc_into_heapless(&mut blocks, 9).unwrap_err();
    let AllocManyError::Exhausted(error) = error else {
        panic!("{error}");
    };
    assert_eq!((error.requested(), error.available()), (9, 8));
    cache.alloc_into_heapless(&mut blocks, 6).unwrap();
    let error = cache.alloc_into_heapless(&mut blocks, 7).unwrap_err();
    assert_eq!(error, too_many(7, 6));
    assert_eq!(blocks.len(), 6);
    let stats = POOL.stats();
    assert_eq!((stats.exhaustions, stats.refusals), (1, 2));
}

#[test]
fn blocks_of_another_pool_stay_in_the_vector() {
    framepool::pool!(static POOL: [64; 64]);
    framepool::pool!(static OTHER: [64; 64]);
    let mut cache = POOL.cache();
    let mut blocks: Vec<Block<'_>, 8> = Vec::new();
    cache.alloc_into_heapless(&mut blocks, 3).unwrap();
    blocks.push(OTHER.alloc().unwrap()).unwrap();
    let refused = cache.free_from_heapless(&mut blocks).unwrap_err();
    assert_eq!((refused.into_inner(), blocks.len()), (1, 4));
    drop(blocks.pop());
    assert!(cache.free_from_heapless(&mut blocks).is_ok());
}
