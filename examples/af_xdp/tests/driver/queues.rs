//! One queue of a device: opened, closed, and driven step by step.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use framepool::wire::EthernetHeader;
use framepool::{Frame, Pool, PoolConfig, Stride};

use crate::bpf::Redirect;
use crate::device::{Device, Received};
use crate::error::Failure;
use crate::lent::Handles;
use crate::network::{self, Network};
use crate::run::{alone, not_run};
use crate::socket::Socket;

/// In the driver's namespace of a new network, unless it cannot be made here.
fn in_a_network(test: impl FnOnce(&Network) -> Result<(), Failure> + Send) {
    let _alone = alone();
    match Network::new().and_then(|network| network.driver.run(|| test(&network))) {
        Ok(()) => {}
        Err(Failure::CannotRun(reason)) => not_run(&reason),
        Err(failure) => panic!("{failure}"),
    }
}

fn open<'p>(
    pool: &'p Pool<'_>,
    ifindex: u32,
    queue: u32,
    slots: u32,
) -> Result<Device<'p>, Failure> {
    let socket = Socket::open(pool, ifindex, queue, slots)?;
    Device::over(pool, socket, Handles::Posted)
}

fn umem() -> Pool<'static> {
    Pool::map(PoolConfig::umem(2048, 64)).unwrap()
}

#[test]
fn a_closed_queue_is_free_for_the_next_socket_and_all_blocks_are_home() {
    in_a_network(|_| {
        let mut pool = umem();
        let ifindex = network::driver_ifindex()?;
        let redirect = Redirect::attach(ifindex)?;
        assert!(["native", "generic"].contains(&redirect.mode));
        for _ in 0..20 {
            let mut device = open(&pool, ifindex, 0, 16)?;
            device.post(std::iter::repeat_with(|| pool.alloc().unwrap()).take(16));
            redirect.to(0, &device)?;
            let closed = device.close()?;
            assert_eq!((closed.receiving, closed.transmitting), (16, 0));
            assert_eq!((closed.astray, closed.refused), (0, 0));
            assert_eq!(pool.check().unwrap().free(), 64);
        }
        Ok(())
    });
}

#[test]
fn a_dropped_device_frees_the_queue_as_well() {
    in_a_network(|_| {
        let ifindex = network::driver_ifindex()?;
        for _ in 0..5 {
            let pool = umem();
            let mut device = open(&pool, ifindex, 0, 16)?;
            device.post(std::iter::repeat_with(|| pool.alloc().unwrap()).take(16));
        }
        Ok(())
    });
}

#[test]
fn a_queue_that_is_busy_or_does_not_exist_is_refused() {
    in_a_network(|_| {
        let pools = [umem(), umem()];
        let ifindex = network::driver_ifindex()?;
        let _first = open(&pools[0], ifindex, 0, 16)?;
        for queue in [0, 7] {
            let refused = open(&pools[1], ifindex, queue, 16).err().unwrap();
            assert!(refused.to_string().starts_with("bind: "), "{refused}");
        }
        Ok(())
    });
}

#[test]
fn blocks_that_are_no_chunks_are_refused() {
    in_a_network(|_| {
        let pool = Pool::map(PoolConfig::new(2048, 64).stride(Stride::Padded)).unwrap();
        let refused = open(&pool, network::driver_ifindex()?, 0, 16);
        let refused = refused.err().unwrap().to_string();
        assert_eq!(
            refused,
            "the UMEM: stride 2112 is not the block size 2048, as aligned mode requires: use Stride::Exact"
        );
        Ok(())
    });
}

/// Sends a datagram from the peer's namespace.
fn send(network: &Network, payload: &[u8]) -> Result<(), Failure> {
    network.peer.run(|| {
        let socket = UdpSocket::bind((network::PEER, 0)).unwrap();
        socket.send_to(payload, (network::DRIVER, 7)).unwrap();
        Ok(())
    })
}

/// Receives `count` frames.
fn receive<'p>(device: &mut Device<'p>, count: usize) -> Result<Vec<Frame<'p>>, Failure> {
    let mut frames = Vec::new();
    for _ in 0..1000 {
        while let Some(received) = device.receive() {
            match received {
                Received::Frame(frame) => frames.push(frame),
                Received::Malformed(block) => panic!("a malformed descriptor of {block:?}"),
                Received::Foreign => panic!("a descriptor of a block that was not lent"),
            }
        }
        device.release_received();
        if frames.len() >= count {
            return Ok(frames);
        }
        device.wait(Duration::from_millis(10))?;
    }
    panic!("{} of {count} frames came", frames.len());
}

#[test]
fn frames_come_and_go_and_a_full_ring_gives_the_frame_back() {
    in_a_network(|network| {
        let mut pool = umem();
        let ifindex = network::driver_ifindex()?;
        let redirect = Redirect::attach(ifindex)?;
        let mut device = open(&pool, ifindex, 0, 2)?;
        redirect.to(0, &device)?;
        let mut sent = Vec::new();
        for payload in [b"one", b"two", b"six"] {
            assert_eq!(device.wanted(32), 2);
            device.post(std::iter::once(pool.alloc().unwrap()));
            send(network, payload)?;
            for mut frame in receive(&mut device, 1)? {
                assert!(frame.bytes_mut().windows(3).any(|bytes| bytes == payload));
                sent.push(device.transmit(frame).map_err(Frame::into_block));
            }
        }
        // Nothing was flushed, so the third frame finds no slot.
        assert_eq!(
            sent.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, true, false]
        );
        drop(sent);
        assert_eq!((device.under_way(), pool.stats().in_use), (2, 2));
        device.flush();
        let mut home = 0;
        while device.under_way() > 0 {
            assert!(
                device.kick()?,
                "in copy mode the kernel always waits for a call"
            );
            device.completed(32, |_| home += 1);
        }
        assert_eq!((home, pool.stats().in_use), (2, 0));
        let closed = device.close()?;
        assert_eq!(
            (closed.receiving, closed.transmitting, closed.refused),
            (0, 0, 0)
        );
        assert_eq!(closed.statistics.tx_invalid_descs, 0);
        assert_eq!(pool.check().unwrap().free(), 64);
        Ok(())
    });
}

#[test]
fn frames_that_were_not_sent_come_home_at_the_end() {
    in_a_network(|network| {
        let mut pool = umem();
        let ifindex = network::driver_ifindex()?;
        let redirect = Redirect::attach(ifindex)?;
        let mut device = open(&pool, ifindex, 0, 2)?;
        redirect.to(0, &device)?;
        device.post(std::iter::once(pool.alloc().unwrap()));
        send(network, b"one")?;
        for frame in receive(&mut device, 1)? {
            assert!(device.transmit(frame).is_ok());
        }
        let closed = device.close()?;
        assert_eq!((closed.transmitting, closed.astray), (1, 0));
        assert_eq!(pool.check().unwrap().free(), 64);
        Ok(())
    });
}

#[test]
fn a_socket_that_only_sends_accounts_for_all_frames() {
    in_a_network(|_| {
        let mut pool = umem();
        // The fill ring is there before bind, and stays empty.
        let mut device = open(&pool, network::driver_ifindex()?, 0, 8)?;
        let mut bytes = [0; 60];
        let header = EthernetHeader {
            dst: [0xFF; 6],
            src: [2, 0, 0, 0, 0, 1],
            ether_type: 0x88B5,
        };
        header.emit(&mut bytes).unwrap();
        let (mut sent, mut home) = (0, 0);
        for _ in 0..20 {
            while let Ok(()) = device.transmit(pool.alloc().unwrap().fill(&bytes).unwrap()) {
                sent += 1;
            }
            device.flush();
            device.kick()?;
            device.completed(32, |_| home += 1);
        }
        for _ in 0..1000 {
            if device.under_way() == 0 {
                break;
            }
            device.kick()?;
            device.completed(32, |_| home += 1);
        }
        assert!(sent > 20, "{sent} sent");
        assert_eq!(
            (home, device.under_way(), pool.stats().in_use),
            (sent, 0, 0)
        );
        let closed = device.close()?;
        assert_eq!(
            (closed.receiving, closed.transmitting, closed.astray),
            (0, 0, 0)
        );
        assert_eq!(closed.statistics.tx_invalid_descs, 0);
        assert_eq!(pool.check().unwrap().free(), 64);
        Ok(())
    });
}

#[test]
fn waiting_for_frames_does_not_end_because_frames_could_be_sent() {
    in_a_network(|_| {
        let pool = umem();
        let device = open(&pool, network::driver_ifindex()?, 0, 8)?;
        let (began, time) = (Instant::now(), Duration::from_millis(30));
        device.wait(time)?;
        assert!(began.elapsed() >= time, "{:?}", began.elapsed());
        Ok(())
    });
}
