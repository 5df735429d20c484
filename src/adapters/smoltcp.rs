//! A packet pool under the TCP/IP stack [`smoltcp`](https://docs.rs/smoltcp): its `phy::Device`, without a copy.
//!
//! [`Device`] stands between a [`Driver`] and the stack. The stack reads a received frame in the block that the card
//! wrote it to, and writes a frame to send into the block that the card reads.
//!
//! ```text
//!             receive                     RxToken: reads the block
//!   ┌────────┐ ─────► ┌────────┐ ───────────────────────────────────► ┌─────────┐
//!   │ Driver │        │ Device │                                      │ smoltcp │
//!   └────────┘ ◄───── └────────┘ ◄─────────────────────────────────── └─────────┘
//!              send     │    ▲            TxToken: writes the block
//!   RX blocks:          │    └── reply ── next ── scratch
//!   the driver's        └─────── TX blocks: a pool or a cache of their own
//! ```
//!
//! # Which blocks, and when
//! A token cannot fail, so its block is there before smoltcp gets the token. The device keeps up to three blocks of the
//! TX pool:
//! - one for the next frame of a socket. Without it there is no token: the socket keeps its data, and tries again at
//!   the next poll;
//! - one for the reply to a received frame, which sockets cannot take. It is replaced first;
//! - one for a reply when both the pool and that place are empty. It is written, counted as
//!   [`starved`](DeviceStats::starved), and not sent.
//!
//! So an exhausted TX pool does not stop reception, and a flood of received frames does not stop transmission, provided
//! that the driver receives into another pool. A token that is dropped unused leaves its block where it was.
//!
//! # Checksums
//! A frame whose checksum the card found wrong, or that it marked as damaged, is dropped before smoltcp sees it. In
//! [`DeviceCapabilities::checksum`], tell smoltcp not to verify only what the card verifies in every frame, and not to
//! compute only what it computes in every frame. If smoltcp leaves IPv4's checksum, or those of TCP and UDP, to the card,
//! each frame has [`SEND_IP_CHECKSUM`](crate::packet::PacketFlags::SEND_IP_CHECKSUM) or
//! [`SEND_TRANSPORT_CHECKSUM`](crate::packet::PacketFlags::SEND_TRANSPORT_CHECKSUM) set. So have the fragments of a long
//! datagram, whose checksum is none of theirs: a driver whose card computes it for each frame must look for them.
//!
//! # Cost
//! O(1) for each frame. A received one costs the free of its block, one compare-and-swap. A sent one costs an allocation:
//! another compare-and-swap, or none if the blocks come from a [`PacketCache`](crate::packet::PacketCache).
//!
//! # Example
//! ```
//! use std::collections::VecDeque;
//!
//! use framepool::adapters::Driver;
//! use framepool::adapters::smoltcp::Device;
//! use framepool::packet::PacketBuf;
//! use smoltcp::iface::{Config, Interface, SocketSet};
//! use smoltcp::phy::{DeviceCapabilities, Medium};
//! use smoltcp::time::Instant;
//! use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
//!
//! // What the card has received, and what it is to send.
//! framepool::packet_pool!(static RX: [2048; 16]);
//! framepool::packet_pool!(static TX: [2048; 16]);
//!
//! #[derive(Default)]
//! struct Card {
//!     received: VecDeque<PacketBuf<'static>>,
//!     sent: Vec<PacketBuf<'static>>,
//! }
//!
//! impl Driver<'static> for Card {
//!     fn receive(&mut self) -> Option<PacketBuf<'static>> {
//!         self.received.pop_front()
//!     }
//!
//!     fn send(&mut self, frame: PacketBuf<'static>) -> Result<(), PacketBuf<'static>> {
//!         self.sent.push(frame);
//!         Ok(())
//!     }
//! }
//!
//! let mut capabilities = DeviceCapabilities::default();
//! capabilities.medium = Medium::Ethernet;
//! capabilities.max_transmission_unit = 1514;
//! let mut device = Device::new(Card::default(), &TX, capabilities)?;
//!
//! let ours = EthernetAddress([2, 0, 0, 0, 0, 1]);
//! let mut stack = Interface::new(Config::new(ours.into()), &mut device, Instant::ZERO);
//! let address = IpCidr::new(IpAddress::v4(192, 0, 2, 1), 24);
//! stack.update_ip_addrs(|all| all.push(address).unwrap());
//!
//! // Somebody asks for the address; smoltcp answers.
//! let request = [
//!     255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 8, 6, // Ethernet: to all, ARP
//!     0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 192, 0, 2, 2, // a request from 192.0.2.2
//!     0, 0, 0, 0, 0, 0, 192, 0, 2, 1, // for 192.0.2.1
//! ];
//! device.driver_mut().received.push_back(RX.alloc_from(&request)?);
//! stack.poll(Instant::ZERO, &mut device, &mut SocketSet::new([]));
//! let reply = device.driver_mut().sent.pop().unwrap();
//! assert_eq!(reply.bytes()[..6], request[6..12]);
//! assert_eq!(reply.bytes()[28..32], [192, 0, 2, 1]);
//! assert_eq!(RX.stats().blocks.in_use, 0);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use ::smoltcp::phy::{self, DeviceCapabilities};
use ::smoltcp::time::Instant;

use super::driver::{DeviceError, DeviceStats, Driver, Port, stock};
use crate::packet::{PacketBuf, PacketSource, Refused};

/// A [`Driver`] as `smoltcp::phy::Device`: see the [module](self).
///
/// `S` gives the blocks to send from: a `&PacketPool`, or a worker's `PacketCache`. It should not be the pool that the
/// driver receives into.
pub struct Device<'p, D, S> {
    port: Port<'p, D, S>,
    /// The block of the next reply.
    reply: Option<PacketBuf<'p>>,
    /// Written when there is no block for a reply, and never sent.
    scratch: PacketBuf<'p>,
    capabilities: DeviceCapabilities,
}

impl<'p, D: Driver<'p>, S: PacketSource<'p>> Device<'p, D, S> {
    /// A device over a driver and the blocks to send from, three of which it takes now. O(1).
    ///
    /// Of the capabilities, medium, MTU, burst size and checksums are used. The MTU is the length of the largest frame,
    /// with its Ethernet header if there is one. Segmentation is left to smoltcp.
    ///
    /// # Errors
    /// [`DeviceError`] with driver and blocks: the MTU is less than 82 bytes or more than a block has after its headroom,
    /// or fewer than three blocks are free.
    pub fn new(
        driver: D,
        tx: S,
        capabilities: DeviceCapabilities,
    ) -> Result<Self, Refused<(D, S), DeviceError>> {
        let mtu = capabilities.max_transmission_unit;
        let mut port = Port::new(driver, tx, mtu, usize::MAX)?;
        let two = (|| Ok((port.tx.alloc()?, port.tx.alloc()?)))();
        let (reply, scratch) = match two {
            Ok(two) => two,
            Err(error) => {
                let Port { driver, tx, .. } = port;
                return Err(Refused::new((driver, tx), DeviceError::Exhausted(error)));
            }
        };
        let checksum = &capabilities.checksum;
        let transport = !checksum.tcp.tx() && !checksum.udp.tx();
        port.leave_checksums(!checksum.ipv4.tx(), transport);
        Ok(Self {
            port,
            reply: Some(reply),
            scratch,
            capabilities,
        })
    }
}

accessors!(Device);

impl<'p, D: Driver<'p>, S: PacketSource<'p>> phy::Device for Device<'p, D, S> {
    type RxToken<'a>
        = RxToken<'p>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a, 'p, D, S>
    where
        Self: 'a;

    #[inline]
    fn receive(&mut self, _: Instant) -> Option<(RxToken<'p>, TxToken<'_, 'p, D, S>)> {
        let frame = self.port.receive()?;
        self.port.stats.received += 1;
        stock(&mut self.reply, &mut self.port.tx);
        let reply = TxToken {
            device: self,
            is_reply: true,
        };
        Some((RxToken(frame), reply))
    }

    #[inline]
    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_, 'p, D, S>> {
        // The reply's block first: sockets with much to send would leave none for it.
        let is_ready = stock(&mut self.reply, &mut self.port.tx) && self.port.is_ready();
        is_ready.then_some(TxToken {
            device: self,
            is_reply: false,
        })
    }

    /// Those that the device was made with, without segmentation.
    // If no medium is enabled in smoltcp, the type has no value, and the compiler warns. Stacks enable one.
    #[allow(unused_mut, unused_variables)]
    fn capabilities(&self) -> DeviceCapabilities {
        // Copied one by one: whether there is a field for segmentation depends on another feature of smoltcp.
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.capabilities.medium;
        capabilities.max_transmission_unit = self.capabilities.max_transmission_unit;
        capabilities.max_burst_size = self.capabilities.max_burst_size;
        capabilities.checksum = self.capabilities.checksum.clone();
        capabilities
    }
}

/// A received frame, for smoltcp to read in its block. Dropping it frees it.
#[must_use = "dropping the token frees the frame"]
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RxToken<'p>(PacketBuf<'p>);

impl phy::RxToken for RxToken<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0.bytes())
    }
}

/// The right to send one frame. Its block is in the device; dropping the token leaves it there.
#[must_use = "a token that is dropped sends nothing"]
pub struct TxToken<'a, 'p, D, S> {
    device: &'a mut Device<'p, D, S>,
    is_reply: bool,
}

impl<'p, D: Driver<'p>, S: PacketSource<'p>> phy::TxToken for TxToken<'_, 'p, D, S> {
    /// Lets `f` write `len` bytes in the block, and sends them.
    ///
    /// smoltcp asks for no more than `max_transmission_unit`. If `len` exceeds the block all the same, `f` gets what the
    /// block has, and the frame is dropped and counted as [`too_long`](DeviceStats::too_long).
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Device {
            port,
            reply,
            scratch,
            ..
        } = self.device;
        let place = match self.is_reply {
            true => reply,
            false => &mut port.next,
        };
        let Some(mut frame) = place.take() else {
            port.stats.starved += 1;
            return write(scratch, len, f).0;
        };
        let (result, is_whole) = write(&mut frame, len, f);
        if !is_whole {
            port.stats.too_long += 1;
        } else if port.send(frame).is_err() {
            port.stats.refused += 1;
        }
        result
    }
}

/// Lets `f` write `len` bytes after the headroom, or as many as there are. The second value says whether it was all.
#[inline]
fn write<R>(frame: &mut PacketBuf<'_>, len: usize, f: impl FnOnce(&mut [u8]) -> R) -> (R, bool) {
    frame.clear();
    let n = len.min(frame.tailroom());
    match frame.append(n) {
        Ok(bytes) => (f(bytes), n == len),
        // Does not happen: the tailroom is at least that.
        Err(_) => (f(&mut []), false),
    }
}

describe!(impl['p, D: Driver<'p>, S: PacketSource<'p>] TxToken<'_, 'p, D, S> as TxToken { is_reply = |it| it.is_reply });
