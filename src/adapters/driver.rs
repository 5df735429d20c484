//! What the adapters for network stacks ask of a driver, and their common part.

use core::fmt;
use core::task::Waker;

use crate::packet::{ChecksumState, PacketBuf, PacketFlags, PacketSource, Refused};
use crate::pool::error::Exhausted;
#[cfg(feature = "ring")]
use crate::ring::{Consumer, Producer};

/// A driver of a network card, for the adapters of network stacks: it gives received frames and takes frames to send.
///
/// A frame is a [`PacketBuf`]. On reception it lies in a block of the driver's own pool. To send, it lies in a block of
/// the pool that the adapter was given for that purpose, and the driver drops it when the card has sent it. If the two
/// pools differ, neither direction can use up the blocks of the other.
///
/// Two rings are a driver too (feature `ring`): those to and from an interrupt, or another core.
///
/// ```
/// use framepool::adapters::Driver;
/// use framepool::packet::{PacketBuf, PacketPool};
///
/// /// A card that receives what it sends, one frame at a time.
/// struct Echo<'p> {
///     rx: &'p PacketPool<'p>,
///     frame: Option<PacketBuf<'p>>,
/// }
///
/// impl<'p> Driver<'p> for Echo<'p> {
///     fn receive(&mut self) -> Option<PacketBuf<'p>> {
///         self.frame.take()
///     }
///
///     fn can_send(&mut self) -> bool {
///         self.frame.is_none()
///     }
///
///     fn send(&mut self, frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>> {
///         if self.frame.is_some() {
///             return Err(frame);
///         }
///         // A cable: the frame moves from a block of the sender to one of the receiver, if there is one.
///         self.frame = self.rx.alloc_from(frame.bytes()).ok();
///         Ok(())
///     }
/// }
/// ```
pub trait Driver<'p> {
    /// Takes the next received frame, if there is one.
    fn receive(&mut self) -> Option<PacketBuf<'p>>;

    /// Whether [`send`](Self::send) would take a frame now. A stack keeps its data until it is so. Default: true.
    fn can_send(&mut self) -> bool {
        true
    }

    /// Sends a frame, or puts it into the card's queue. Replies to received frames are sent without a call of
    /// [`can_send`](Self::can_send).
    ///
    /// # Errors
    /// The frame, if the queue is full. A reply is then lost, as on a busy network.
    fn send(&mut self, frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>>;

    /// Whether frames can pass. smoltcp does not ask. Default: true.
    fn is_link_up(&mut self) -> bool {
        true
    }

    /// Keeps a waker, in place of an earlier one, and wakes it once when a frame was received, when
    /// [`can_send`](Self::can_send) or [`is_link_up`](Self::is_link_up) changes, or when frames were sent, so that their
    /// blocks are free. Returns whether the driver does that. smoltcp does not ask. Default: false.
    fn register_waker(&mut self, waker: &Waker) -> bool {
        let _ = waker;
        false
    }
}

impl<'p, D: Driver<'p> + ?Sized> Driver<'p> for &mut D {
    fn receive(&mut self) -> Option<PacketBuf<'p>> {
        (**self).receive()
    }

    fn can_send(&mut self) -> bool {
        (**self).can_send()
    }

    fn send(&mut self, frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>> {
        (**self).send(frame)
    }

    fn is_link_up(&mut self) -> bool {
        (**self).is_link_up()
    }

    fn register_waker(&mut self, waker: &Waker) -> bool {
        (**self).register_waker(waker)
    }
}

/// The ring of received frames, and that of frames to send.
#[cfg(feature = "ring")]
#[cfg_attr(docsrs, doc(cfg(feature = "ring")))]
impl<'p> Driver<'p> for (Consumer<'_, PacketBuf<'p>>, Producer<'_, PacketBuf<'p>>) {
    fn receive(&mut self) -> Option<PacketBuf<'p>> {
        self.0.pop()
    }

    fn can_send(&mut self) -> bool {
        !self.1.is_full()
    }

    fn send(&mut self, frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>> {
        self.1.push(frame).map_err(|full| full.into_inner())
    }
}

/// The methods of devices, for both stacks. The type has a field `port`.
macro_rules! accessors {
    ($device:ident) => {
        impl<'p, D: Driver<'p>, S: PacketSource<'p>> $device<'p, D, S> {
            /// The driver.
            pub fn driver(&self) -> &D {
                &self.port.driver
            }

            /// The driver, to change.
            pub fn driver_mut(&mut self) -> &mut D {
                &mut self.port.driver
            }

            /// The blocks to send from.
            pub fn tx(&self) -> &S {
                &self.port.tx
            }

            /// What was counted since the device was made.
            pub fn stats(&self) -> DeviceStats {
                self.port.stats
            }

            /// Frees the blocks that the device keeps, and returns the driver and the blocks to send from.
            pub fn into_parts(self) -> (D, S) {
                (self.port.driver, self.port.tx)
            }
        }

        describe!(impl['p, D: Driver<'p>, S: PacketSource<'p>] $device<'p, D, S> as Device { stats });
    };
}

/// What an adapter of a network stack has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DeviceStats {
    /// Frames that the stack received.
    pub received: u64,
    /// Received frames that were dropped because the card marked them as damaged, or a checksum as wrong.
    pub damaged: u64,
    /// Frames that the driver took to send.
    pub sent: u64,
    /// Frames that were dropped because the driver took no more.
    pub refused: u64,
    /// Replies that were dropped because no block to send from was free.
    pub starved: u64,
    /// Frames that were dropped because they are too long: to send, for a block; received, for a buffer of the stack.
    pub too_long: u64,
}

/// A driver, the blocks to send from, and one of them that is ready.
pub(super) struct Port<'p, D, S> {
    pub driver: D,
    pub tx: S,
    /// The block of the next frame.
    pub next: Option<PacketBuf<'p>>,
    pub stats: DeviceStats,
    /// What the card is to do with each frame.
    flags: PacketFlags,
}

/// The smallest possible length of the largest frame, in bytes: an Ethernet header, and what every IPv4 link carries
/// (RFC 791).
const MIN_MTU: usize = 14 + 68;

impl<'p, D: Driver<'p>, S: PacketSource<'p>> Port<'p, D, S> {
    /// Takes the first block. `limit` is the length of the stack's own buffers.
    pub fn new(
        driver: D,
        mut tx: S,
        mtu: usize,
        limit: usize,
    ) -> Result<Self, Refused<(D, S), DeviceError>> {
        let pool = tx.packets();
        let (min, max) = (MIN_MTU, limit.min(pool.block_size() - pool.headroom()));
        if !(min..=max).contains(&mtu) {
            let reason = DeviceError::Mtu { mtu, min, max };
            return Err(Refused::new((driver, tx), reason));
        }
        match tx.alloc() {
            Ok(next) => Ok(Self {
                driver,
                tx,
                next: Some(next),
                stats: DeviceStats::default(),
                flags: PacketFlags::empty(),
            }),
            Err(error) => Err(Refused::new((driver, tx), DeviceError::Exhausted(error))),
        }
    }

    /// Says which checksums the stack leaves to the card: that of IPv4's header, and those of TCP and UDP.
    pub fn leave_checksums(&mut self, ip: bool, transport: bool) {
        self.flags.set(PacketFlags::SEND_IP_CHECKSUM, ip);
        let transports = PacketFlags::SEND_TRANSPORT_CHECKSUM;
        self.flags.set(transports, transport);
    }

    /// The next received frame that is not known to be damaged.
    #[inline]
    pub fn receive(&mut self) -> Option<PacketBuf<'p>> {
        loop {
            let frame = self.driver.receive()?;
            let meta = frame.meta();
            let damaged = meta.flags.contains(PacketFlags::DAMAGED)
                || meta.ip_checksum() == ChecksumState::Bad
                || meta.transport_checksum() == ChecksumState::Bad;
            if !damaged {
                return Some(frame);
            }
            self.stats.damaged += 1;
        }
    }

    /// Whether a frame can be sent: the driver takes one, and its block is there.
    #[inline]
    pub fn is_ready(&mut self) -> bool {
        self.driver.can_send() && stock(&mut self.next, &mut self.tx)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// The frame, if the driver takes no more.
    #[inline]
    pub fn send(&mut self, mut frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>> {
        frame.meta_mut().flags |= self.flags;
        self.driver.send(frame)?;
        self.stats.sent += 1;
        Ok(())
    }
}

/// Puts a block into a place unless one is there. Whether there is one then.
#[inline]
pub(super) fn stock<'p>(place: &mut Option<PacketBuf<'p>>, tx: &mut impl PacketSource<'p>) -> bool {
    if place.is_none() {
        *place = tx.alloc().ok();
    }
    place.is_some()
}

/// A driver and a pool do not make a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DeviceError {
    /// Too few blocks to send from are free.
    Exhausted(Exhausted),
    /// The largest frame is too short, or does not fit a block after its headroom, or a buffer of the stack.
    Mtu {
        /// Bytes of the largest frame, as requested.
        mtu: usize,
        /// The smallest possible value.
        min: usize,
        /// The largest: bytes of a block after its headroom, or of a buffer of the stack.
        max: usize,
    },
    /// The hardware address is one of another medium. smoltcp has the address elsewhere.
    Address,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(error) => error.fmt(f),
            Self::Mtu { mtu, min, max } => {
                write!(f, "frames of {mtu} bytes: {min} to {max} are possible")
            }
            Self::Address => write!(f, "the hardware address is one of another medium"),
        }
    }
}

impl core::error::Error for DeviceError {}
