//! A packet pool under the TCP/IP stack xarxa, to which embassy-net moves: a
//! [`Driver`](https://docs.rs/xarxa-driver) of its crate `xarxa-driver`.
//!
//! xarxa's buffers all come from one pool of its own, whose size is set when it is compiled. So each frame is copied once:
//! from a block to such a buffer when it is received, and back when it is sent. In exchange, one [`Driver`] serves both
//! stacks, and receives on while all of xarxa's buffers are in use: the frames wait in its blocks. To receive without a
//! copy, use [`smoltcp`](super::smoltcp).
//!
//! - A frame is taken from the driver only if there is a buffer for it. One that does not fit a buffer is dropped, and
//!   counted as [`too_long`](DeviceStats::too_long).
//! - The device keeps one block to send from, so that after `can_transmit` the next `transmit` does not fail.
//! - The link is up if [`is_link_up`](Driver::is_link_up) says so, and wakers go to
//!   [`register_waker`](Driver::register_waker). Filters for multicast and timestamps do not exist here.
//! - Checksums are as in [`smoltcp`](super::smoltcp).
//!
//! ```
//! use std::collections::VecDeque;
//!
//! use framepool::adapters::Driver;
//! use framepool::adapters::xarxa_driver::Device;
//! use framepool::packet::PacketBuf;
//! use xarxa_driver::{Capabilities, Driver as _, HardwareAddress};
//!
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
//! let address = HardwareAddress::Ethernet([2, 0, 0, 0, 0, 1]);
//! let mut device = Device::new(Card::default(), &TX, Capabilities::default(), address)?;
//! device.driver_mut().received.push_back(RX.alloc_from(b"frame")?);
//! // What the stack does.
//! let buffer = device.receive().unwrap();
//! assert_eq!((&buffer[..], RX.stats().blocks.in_use), (&b"frame"[..], 0));
//! device.transmit(buffer).unwrap();
//! assert_eq!(device.driver().sent[0].bytes(), b"frame");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use core::task::Waker;

use ::xarxa_driver::config::PACKET_BUF_SIZE;
use ::xarxa_driver::{
    Capabilities, Driver as XarxaDriver, HardwareAddress, LinkState, NotSupported,
    PacketBuf as Buffer,
};

use super::driver::{DeviceError, DeviceStats, Driver, Port};
use crate::packet::{PacketSource, Refused};

/// A [`Driver`] as `xarxa_driver::Driver`: see the [module](self).
///
/// `S` gives the blocks to send from: a `&PacketPool`, or a worker's `PacketCache`. It should not be the pool that the
/// driver receives into.
pub struct Device<'p, D, S> {
    port: Port<'p, D, S>,
    capabilities: Capabilities,
    address: HardwareAddress,
}

impl<'p, D: Driver<'p>, S: PacketSource<'p>> Device<'p, D, S> {
    /// A device over a driver and the blocks to send from, one of which it takes now. O(1).
    ///
    /// # Errors
    /// [`DeviceError`] with driver and blocks: `max_transmission_unit` is less than 82 bytes, or more than a block has
    /// after its headroom or than xarxa's buffers have; the address is not one of the medium; or no block is free.
    pub fn new(
        driver: D,
        tx: S,
        capabilities: Capabilities,
        address: HardwareAddress,
    ) -> Result<Self, Refused<(D, S), DeviceError>> {
        if address.medium() != capabilities.medium {
            return Err(Refused::new((driver, tx), DeviceError::Address));
        }
        let mtu = capabilities.max_transmission_unit;
        let mut port = Port::new(driver, tx, mtu, PACKET_BUF_SIZE)?;
        let checksum = &capabilities.checksum;
        port.leave_checksums(checksum.ipv4.tx, checksum.tcp.tx && checksum.udp.tx);
        Ok(Self {
            port,
            capabilities,
            address,
        })
    }
}

accessors!(Device);

impl<'p, D: Driver<'p>, S: PacketSource<'p>> XarxaDriver for Device<'p, D, S> {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.address
    }

    fn link_state(&mut self) -> LinkState {
        match self.port.driver.is_link_up() {
            true => LinkState::Up,
            false => LinkState::Down,
        }
    }

    fn register_waker(&mut self, waker: &Waker) -> Result<(), NotSupported> {
        match self.port.driver.register_waker(waker) {
            true => Ok(()),
            false => Err(NotSupported),
        }
    }

    fn receive(&mut self) -> Option<Buffer> {
        let mut buffer = Buffer::try_new()?;
        loop {
            let frame = self.port.receive()?;
            let bytes = frame.bytes();
            if let Some(to) = buffer.storage_mut().get_mut(..bytes.len()) {
                to.copy_from_slice(bytes);
                buffer.set_len(bytes.len());
                self.port.stats.received += 1;
                return Some(buffer);
            }
            self.port.stats.too_long += 1;
        }
    }

    fn can_transmit(&mut self) -> bool {
        self.port.is_ready()
    }

    /// A frame that does not fit a block is dropped and counted: it could never be sent.
    fn transmit(&mut self, buffer: Buffer) -> Result<(), Buffer> {
        if !self.port.is_ready() {
            return Err(buffer);
        }
        let Some(mut frame) = self.port.next.take() else {
            return Err(buffer);
        };
        frame.clear();
        if frame.append_slice(&buffer).is_err() {
            self.port.stats.too_long += 1;
            self.port.next = Some(frame);
            return Ok(());
        }
        self.port.send(frame).map_err(|frame| {
            self.port.next = Some(frame);
            buffer
        })
    }
}
