//! The options of TCP: RFC 9293 (MSS), RFC 7323 (window scale, timestamps), RFC 2018 and 2883 (selective
//! acknowledgement).

use super::error::{Layer, ParseError, Reason};
use super::options::{self, Options, RawOption};
use super::view::get32;

mod kind {
    pub const MSS: u8 = 2;
    pub const WINDOW_SCALE: u8 = 3;
    pub const SACK_PERMITTED: u8 = 4;
    pub const SACK: u8 = 5;
    pub const TIMESTAMPS: u8 = 8;
}

/// An option of TCP.
///
/// ```
/// use framepool::wire::TcpOption;
///
/// let mut bytes = [0; 12];
/// let stamps = TcpOption::Timestamps { value: 1, echo: 2 };
/// assert_eq!(stamps.emit(&mut bytes)?, 10);
/// assert_eq!(bytes, [8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0]);
/// # Ok::<(), framepool::wire::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TcpOption<'a> {
    /// The largest segment that the sender can receive, in bytes.
    Mss(u16),
    /// The scale of the sender's windows.
    WindowScale(WindowScale),
    /// The sender understands selective acknowledgements.
    SackPermitted,
    /// The blocks that arrived out of order.
    Sack(SackBlocks<'a>),
    /// The sender's clock, and the last value it received of the receiver's clock.
    Timestamps {
        /// The sender's clock.
        value: u32,
        /// The last value received of the receiver's clock.
        echo: u32,
    },
    /// Any other option.
    Other(RawOption<'a>),
}

/// The scale of windows (RFC 7323, 2.2): a shift by at most 14 bits. A larger shift in an option counts as 14 (2.3).
///
/// ```
/// use framepool::wire::{TcpOption, WindowScale};
///
/// let scale = WindowScale::new(15);
/// assert_eq!((scale.raw, scale.shift(), scale.window(3)), (15, 14, 3 << 14));
///
/// // An option is written as it was read.
/// let mut bytes = [0; 3];
/// TcpOption::WindowScale(scale).emit(&mut bytes)?;
/// assert_eq!(bytes, [3, 3, 15]);
/// # Ok::<(), framepool::wire::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WindowScale {
    /// The shift that the option states. [`shift`](Self::shift) is the effective one.
    pub raw: u8,
}

impl WindowScale {
    /// The maximum shift, in bits.
    pub const MAX_SHIFT: u8 = 14;

    /// The scale of an option that states this shift.
    pub const fn new(raw: u8) -> Self {
        Self { raw }
    }

    /// The shift of windows, in bits: the one that the option states, but at most 14.
    pub const fn shift(self) -> u8 {
        if self.raw > Self::MAX_SHIFT {
            Self::MAX_SHIFT
        } else {
            self.raw
        }
    }

    /// The window of a segment in bytes: the shifted field. The window of a SYN is not shifted.
    pub const fn window(self, field: u16) -> u32 {
        (field as u32) << self.shift()
    }
}

/// One to four ranges of sequence numbers, each from its first byte to the byte after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SackBlocks<'a>(&'a [u8]);

impl<'a> SackBlocks<'a> {
    /// Reads blocks from their bytes, eight each.
    ///
    /// # Errors
    /// [`Reason::BadLength`] for no block, more than four, or a part of one.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ParseError> {
        match bytes.len() {
            8 | 16 | 24 | 32 => Ok(Self(bytes)),
            len => Err(ParseError::bad_length(Layer::Tcp, 1, len + 2, 10, 34)),
        }
    }

    /// The blocks in order.
    ///
    /// ```
    /// use framepool::wire::SackBlocks;
    ///
    /// let blocks = SackBlocks::new(&[0, 0, 0, 5, 0, 0, 0, 9])?;
    /// assert!(blocks.iter().eq([(5, 9)]));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> + 'a {
        let blocks = self.0.chunks_exact(8);
        blocks.map(|block| (get32(block, 0), get32(block, 4)))
    }
}

impl<'a> TcpOption<'a> {
    /// Decodes an option. `None` if its length is wrong for its kind.
    fn of(raw: RawOption<'a>) -> Option<Self> {
        Some(match (raw.kind, raw.data) {
            (kind::MSS, &[a, b]) => Self::Mss(u16::from_be_bytes([a, b])),
            (kind::WINDOW_SCALE, &[shift]) => Self::WindowScale(WindowScale::new(shift)),
            (kind::SACK_PERMITTED, []) => Self::SackPermitted,
            (kind::SACK, blocks) => Self::Sack(SackBlocks::new(blocks).ok()?),
            (kind::TIMESTAMPS, data) if data.len() == 8 => Self::Timestamps {
                value: get32(data, 0),
                echo: get32(data, 4),
            },
            (kind::MSS..=kind::SACK_PERMITTED | kind::TIMESTAMPS, _) => return None,
            _ => Self::Other(raw),
        })
    }

    /// Writes the option to the start of `to` and returns its length. Pad the options of a header with ones.
    ///
    /// # Errors
    /// [`Reason::Truncated`] if `to` is shorter, [`Reason::BadLength`] for [`Other`](Self::Other) with more than 253
    /// bytes. Nothing was written then.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let mut emit = |kind, data: &[u8]| {
            let option = RawOption { kind, data };
            options::emit(Layer::Tcp, option, to)
        };
        match *self {
            Self::Mss(bytes) => emit(kind::MSS, &bytes.to_be_bytes()),
            Self::WindowScale(scale) => emit(kind::WINDOW_SCALE, &[scale.raw]),
            Self::SackPermitted => emit(kind::SACK_PERMITTED, &[]),
            Self::Sack(SackBlocks(blocks)) => emit(kind::SACK, blocks),
            Self::Timestamps { value, echo } => {
                let both = (u64::from(value) << 32) | u64::from(echo);
                emit(kind::TIMESTAMPS, &both.to_be_bytes())
            }
            Self::Other(RawOption { kind, data }) => emit(kind, data),
        }
    }
}

/// The options of a TCP header in order, without padding. Ends after the first wrong option.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TcpOptions<'a>(Options<'a>);

impl<'a> TcpOptions<'a> {
    pub(super) fn new(raw: Options<'a>) -> Self {
        Self(raw)
    }
}

impl<'a> Iterator for TcpOptions<'a> {
    type Item = Result<TcpOption<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = match self.0.next()? {
            Ok(raw) => raw,
            Err(error) => return Some(Err(error)),
        };
        if let Some(option) = TcpOption::of(raw) {
            return Some(Ok(option));
        }
        let found = raw.data.len() as u32 + 2;
        let at = self.0.offset().saturating_sub(raw.data.len() + 1);
        let reason = Reason::BadValue { found };
        self.0.stop(ParseError::new(Layer::Tcp, reason, at))
    }
}

impl core::iter::FusedIterator for TcpOptions<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> std::vec::Vec<Result<TcpOption<'_>, ParseError>> {
        TcpOptions::new(Options::new(Layer::Tcp, bytes, 20)).collect()
    }

    #[test]
    fn a_syn_of_these_days() {
        let bytes = [
            2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7,
        ];
        let options = [
            Ok(TcpOption::Mss(1460)),
            Ok(TcpOption::SackPermitted),
            Ok(TcpOption::Timestamps { value: 7, echo: 0 }),
            Ok(TcpOption::WindowScale(WindowScale::new(7))),
        ];
        assert_eq!(of(&bytes), options);
    }

    #[test]
    fn a_window_is_shifted_by_14_bits_at_the_most() {
        for raw in 0..=255 {
            let bytes = [3, 3, raw];
            let [Ok(option @ TcpOption::WindowScale(scale))] = of(&bytes)[..] else {
                panic!("{raw}");
            };
            assert_eq!((scale.raw, scale.shift()), (raw, raw.min(14)));
            assert_eq!(scale.window(0xFFFF), 0xFFFF << raw.min(14));
            let mut again = [0; 3];
            assert_eq!((option.emit(&mut again), again), (Ok(3), bytes));
        }
    }

    #[test]
    fn a_known_kind_of_another_length_is_wrong() {
        for bytes in [&[1, 2, 3, 9][..], &[1, 3, 2], &[1, 5, 2], &[1, 8, 4, 0, 0]] {
            let reason = Reason::BadValue {
                found: bytes[2].into(),
            };
            assert_eq!(of(bytes), [Err(ParseError::new(Layer::Tcp, reason, 22))]);
        }
    }
}
