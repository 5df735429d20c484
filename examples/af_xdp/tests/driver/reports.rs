//! What others reported of their drivers. The test plays the kernel.

use std::collections::BTreeSet;

use framepool::{Frame, Pool, PoolConfig};
use rustix::net::xdp::XdpDesc;

use crate::device::{Device, Received};
use crate::driver::Driver;
use crate::kernel::{self, AT, Kernel};
use crate::lent::Handles;
use crate::options::Work;
use crate::rings::map_len;

const CHUNK: u64 = 2048;

fn pool(blocks: usize) -> Pool<'static> {
    Pool::allocate(PoolConfig::umem(2048, blocks)).unwrap()
}

fn device<'p>(pool: &'p Pool<'p>, slots: u32) -> (Device<'p>, Kernel) {
    let (socket, kernel) = kernel::queue(slots);
    (Device::over(pool, socket, Handles::Posted).unwrap(), kernel)
}

/// CNDP#236.
#[test]
fn a_descriptor_of_no_bytes_is_counted_and_its_block_used_again() {
    for handles in [Handles::Posted, Handles::RawIds] {
        let pool = pool(2);
        let (socket, mut kernel) = kernel::queue(2);
        let device = Device::over(&pool, socket, handles).unwrap();
        let mut driver = Driver::new(device, &pool, Work::Sink);
        driver.refill();
        for round in 1..=50 {
            let chunks = [kernel.next_chunk().unwrap(), kernel.next_chunk().unwrap()];
            assert_eq!((kernel.next_chunk(), chunks[0] ^ chunks[1]), (None, CHUNK));
            assert!(kernel.receive(chunks[0], 0) && kernel.receive(chunks[1], 60));
            assert_eq!(driver.round().unwrap(), 2);
            let counts = &driver.counts;
            assert_eq!((counts.received, counts.malformed), (2 * round, round));
            assert_eq!((counts.ignored, counts.received_bytes), (round, 60 * round));
        }
        // Both blocks are with the kernel again.
        assert_eq!((pool.available(), pool.stats().in_use), (0, 2));
        drop(driver);
        // SAFETY: the test, which is the kernel, uses no block.
        assert_eq!(unsafe { pool.reclaim_raw() }, 2);
    }
}

/// A length beyond the chunk, and more chunks than one to a frame, are malformed as well.
#[test]
fn a_descriptor_that_leaves_its_block_is_no_frame() {
    let pool = pool(1);
    let (mut device, mut kernel) = device(&pool, 2);
    for (len, is_frame) in [(1792, true), (1793, false), (u32::MAX, false)] {
        device.post(std::iter::once(pool.alloc().unwrap()));
        let chunk = kernel.next_chunk().unwrap();
        assert!(kernel.receive(chunk, len));
        let received = device.receive().unwrap();
        assert_eq!(matches!(received, Received::Frame(_)), is_frame, "{len}");
        assert_eq!(
            matches!(received, Received::Malformed(_)),
            !is_frame,
            "{len}"
        );
        device.release_received();
        drop(received);
        assert_eq!(pool.available(), 1);
    }
}

/// firedancer#792, #272, quilkin#1114.
#[test]
fn a_full_ring_still_calls_the_kernel() {
    let pool = pool(4);
    let (mut device, mut kernel) = device(&pool, 2);
    let frame = || pool.alloc().unwrap().fill(b"frame").unwrap();
    assert!(!device.kick().unwrap(), "there is nothing to send");
    assert!(device.transmit(frame()).is_ok() && device.transmit(frame()).is_ok());
    assert!(device.transmit(frame()).is_err(), "the ring is full");
    device.flush();
    assert!(!device.kick().unwrap(), "the kernel is awake");
    kernel.sleep();
    // The file is no socket, which shows that there was a call.
    for _ in 0..2 {
        let called = device.kick().unwrap_err().to_string();
        assert!(called.starts_with("sending: "), "{called}");
    }
    while let Some(descriptor) = kernel.next_frame() {
        assert!(kernel.complete(descriptor.addr));
    }
    assert_eq!(device.completed(32, drop), 2);
    assert!(!device.kick().unwrap(), "all is sent");
    assert_eq!(pool.available(), 4);
}

/// ebpf-docs#292.
#[test]
fn mappings_have_8_bytes_a_chunk_and_16_a_descriptor() {
    for slots in [2, 512, 1 << 15] {
        assert_eq!(map_len::<u64>(&AT, slots), 192 + slots as usize * 8);
        assert_eq!(map_len::<XdpDesc>(&AT, slots), 192 + slots as usize * 16);
    }
}

/// xdp-tutorial#263, #154.
#[test]
fn completions_of_blocks_that_were_not_sent_are_refused() {
    let pool = pool(4);
    let (mut device, mut kernel) = device(&pool, 8);
    device.post(std::iter::once(pool.alloc().unwrap()));
    assert!(
        device
            .transmit(pool.alloc().unwrap().fill(b"frame").unwrap())
            .is_ok()
    );
    device.flush();
    let lent = kernel.next_chunk().unwrap();
    let sent = kernel.next_frame().unwrap().addr;
    // One to receive into, two at home, two outside; then the right one, twice.
    for addr in [lent, 2 * CHUNK, 3 * CHUNK, 4 * CHUNK, u64::MAX, sent, sent] {
        assert!(kernel.complete(addr));
    }
    let mut home = Vec::new();
    assert_eq!(
        device.completed(32, |block| home.push(block.offset() as u64)),
        7
    );
    assert_eq!((home, device.under_way()), (vec![sent], 0));
    // The one lent to receive is still lent, and one that was sent does not come from the RX ring.
    assert!(kernel.receive(sent, 60) && kernel.receive(lent, 60));
    assert!(matches!(device.receive(), Some(Received::Foreign)));
    assert!(matches!(device.receive(), Some(Received::Frame(_))));
    assert!(device.receive().is_none());
}

/// xdp-tutorial#263, #154: every block is in one place at a time, at any rates of both directions.
#[test]
fn no_block_is_in_two_rings_at_once() {
    let pool = pool(24);
    let (mut device, mut kernel) = device(&pool, 8);
    let mut frames: Vec<Frame<'_>> = Vec::new();
    // Blocks with the kernel: to receive into, and to send.
    let (mut filled, mut sending) = (BTreeSet::new(), BTreeSet::new());
    let mut random = 1_u64;
    let mut received = 0;
    for _ in 0..20_000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        match random >> 60 {
            0..=3 => device.post(std::iter::from_fn(|| pool.alloc().ok()).take(3)),
            4 | 5 => match device.receive() {
                Some(Received::Frame(frame)) => frames.push(frame),
                Some(_) => panic!("not a frame"),
                None => device.release_received(),
            },
            6 | 7 => {
                if let Some(Err(back)) = frames.pop().map(|frame| device.transmit(frame)) {
                    frames.push(back);
                }
                device.flush();
            }
            8 => drop(frames.pop()),
            9 | 10 => drop(device.completed(4, drop)),
            11 => filled.extend(kernel.next_chunk().inspect(|chunk| {
                assert!(!filled.contains(chunk) && !sending.contains(chunk));
            })),
            12 | 13 => {
                let chunk = filled.first().copied();
                if let Some(chunk) = chunk.filter(|chunk| kernel.receive(*chunk, 60)) {
                    filled.remove(&chunk);
                    received += 1;
                }
            }
            14 => sending.extend(kernel.next_frame().map(|sent| {
                let chunk = sent.addr / CHUNK * CHUNK;
                assert_eq!((sent.addr - chunk, sent.len), (256, 60));
                assert!(!filled.contains(&chunk) && !sending.contains(&chunk));
                chunk
            })),
            _ => {
                let chunk = sending.first().copied();
                if let Some(chunk) = chunk.filter(|chunk| kernel.complete(chunk + 256)) {
                    sending.remove(&chunk);
                }
            }
        }
        let here = frames.iter().map(|frame| frame.id().index() as u64 * CHUNK);
        for chunk in here {
            assert!(!filled.contains(&chunk) && !sending.contains(&chunk));
        }
    }
    assert!(received > 500, "{received}");
    drop((frames, device));
    // SAFETY: the test, which is the kernel, uses no block.
    unsafe { pool.reclaim_raw() };
    assert_eq!(pool.available(), 24);
}
