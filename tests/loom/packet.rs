//! Handles of one packet on several threads.

use framepool::PoolConfig;
use framepool::packet::{Chain, PacketBuf, PacketConfig, PacketPool, Shared};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::model;

/// A pool of one block, and a cell that loom watches in place of its bytes. The pool lives until the end of the model, so
/// that threads may have handles of it.
struct World {
    packets: PacketPool<'static>,
    payload: UnsafeCell<u8>,
}

impl World {
    fn new() -> Arc<Self> {
        let blocks = PoolConfig::new(64, 1).without_caches();
        let config = PacketConfig::of(blocks).headroom(8).side(2);
        Arc::new(Self {
            packets: PacketPool::allocate(config).unwrap(),
            payload: UnsafeCell::new(0),
        })
    }

    fn packets(&self) -> &'static PacketPool<'static> {
        // SAFETY: the model joins its threads, and drops its handles, before the pool.
        unsafe { &*std::ptr::from_ref(&self.packets) }
    }

    fn alloc(&self) -> PacketBuf<'static> {
        self.packets().alloc_from(b"data").unwrap()
    }

    fn read(&self) -> u8 {
        // SAFETY: the caller has a handle, and loom checks that no thread writes.
        self.payload.with(|cell| unsafe { *cell })
    }

    fn write(&self) {
        // SAFETY: the caller has the only handle, and loom checks it.
        self.payload.with_mut(|cell| unsafe { *cell += 1 });
    }

    /// Reads through a handle, and writes if it is the only one.
    fn use_up(&self, shared: Shared<'static>) {
        self.read();
        let _ = shared.meta().user;
        if let Ok(mut packet) = shared.into_unique() {
            self.write();
            packet.meta_mut().user = 1;
        }
    }

    /// Takes the block, if it is free.
    fn take(&self) {
        if let Ok(mut packet) = self.packets().alloc() {
            self.write();
            packet.meta_mut().user = 2;
        }
    }

    fn settle(&self) {
        let stats = self.packets.stats();
        assert_eq!((stats.blocks.in_use, stats.side.unwrap().in_use), (0, 0));
        self.take();
    }
}

#[test]
fn the_last_of_two_handles_frees_the_packet() {
    model(3, || {
        let world = World::new();
        let one = world.alloc().share();
        let two = one.try_clone().unwrap();
        let other = world.clone();
        let t = thread::spawn(move || {
            other.read();
            let _ = two.meta().user;
            drop(two);
            other.take();
        });
        world.read();
        drop(one);
        world.take();
        t.join().unwrap();
        world.settle();
    });
}

#[test]
fn of_two_handles_at_most_one_becomes_exclusive() {
    model(3, || {
        let world = World::new();
        let one = world.alloc().share();
        let two = one.try_clone().unwrap();
        let other = world.clone();
        let t = thread::spawn(move || other.use_up(two));
        world.use_up(one);
        t.join().unwrap();
        world.settle();
    });
}

#[test]
fn handles_are_made_and_dropped_at_once() {
    model(2, || {
        let world = World::new();
        let one = world.alloc().share();
        let two = one.try_clone().unwrap();
        let other = world.clone();
        let t = thread::spawn(move || {
            let three = two.try_clone().unwrap();
            other.use_up(two);
            other.use_up(three);
        });
        let four = one.try_clone().unwrap();
        drop(one);
        world.use_up(four);
        t.join().unwrap();
        world.settle();
    });
}

#[test]
fn the_last_part_of_a_split_packet_frees_the_block() {
    model(3, || {
        let world = World::new();
        let mut head = world.alloc();
        let mut tail = head.split_off(2).unwrap();
        let other = world.clone();
        let t = thread::spawn(move || {
            tail.meta_mut().user = 3;
            drop(tail);
            other.take();
        });
        head.meta_mut().user = 4;
        // Whether it finds the block its own again or not, it is freed once.
        drop(head);
        world.take();
        t.join().unwrap();
        world.settle();
    });
}

#[test]
fn a_packet_that_finds_itself_alone_comes_after_the_other_part() {
    model(3, || {
        let world = World::new();
        let mut head = world.alloc();
        let tail = head.split_off(2).unwrap();
        let other = world.clone();
        let t = thread::spawn(move || {
            other.write();
            drop(tail);
        });
        if head.is_whole() {
            world.write();
        }
        drop(head);
        t.join().unwrap();
        world.settle();
    });
}

#[test]
fn a_slice_is_not_exclusive_beside_the_whole() {
    model(2, || {
        let world = World::new();
        let whole = world.alloc().share();
        let clone = whole.try_clone().unwrap();
        let other = world.clone();
        let t = thread::spawn(move || {
            let slice = clone.slice(1..3).unwrap();
            drop(clone);
            other.use_up(slice);
        });
        world.use_up(whole);
        t.join().unwrap();
        world.settle();
    });
}

#[test]
fn the_last_handle_of_a_chain_frees_all_its_segments() {
    model(2, || {
        let blocks = PoolConfig::new(64, 2).without_caches();
        let config = PacketConfig::of(blocks).headroom(0).side(1);
        let packets = Arc::new(PacketPool::allocate(config).unwrap());
        let there: &'static PacketPool<'static> =
            // SAFETY: the model joins its threads, and drops its handles, before the pool.
            unsafe { &*std::ptr::from_ref(&*packets) };
        let one = Chain::copy_from(&mut &*there, &[1; 100]).unwrap().share();
        let two = one.try_clone().unwrap();
        let t = thread::spawn(move || {
            assert_eq!((two.segments(), two.iter().count()), (2, 2));
            if let Ok(mut chain) = two.into_unique() {
                chain.meta_mut().unwrap().user = 1;
                chain.trim_front(70).unwrap();
            }
        });
        assert_eq!(one.meta().unwrap().user, 0);
        drop(one);
        // Takes what is free already, and writes its line.
        drop(there.alloc());
        t.join().unwrap();
        assert_eq!(packets.stats().blocks.in_use, 0);
    });
}
