//! The Internet checksum (RFC 1071): computed, verified and updated (RFC 1624).
//!
//! The sum is computed in the machine's own byte order (RFC 1071, 2.B), and only the result is converted to network
//! order. Fewer than 256 bytes are summed by a chain of additions with carry, more bytes by loops that the compiler
//! vectorizes. Alignment does not matter.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::error::{Layer, ParseError};
use super::view::{get16, part};

/// Bytes that the short loop adds in one turn.
const TURN: usize = 64;
/// Bytes of a wide turn. From this length on vectors are faster, their start and end included.
const WIDE_TURN: usize = 256;
/// Bytes from which one long loop is faster than wide turns.
const LONG_LEN: usize = 3 * WIDE_TURN;
/// Bytes of a chunk: the sum of its 32-bit halves fits in 64 bits many times.
const CHUNK: usize = 1 << 20;

/// A ones' complement sum over parts of a packet, in any order.
///
/// Each part begins at an even offset in the packet: all parts but the last have an even length.
///
/// ```
/// use framepool::wire::checksum::{Sum, checksum};
///
/// let header = [0x45, 0, 0, 0x1c, 0, 1, 0, 0, 0x40, 0x11, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
/// let computed = checksum(&header);
/// assert_eq!(computed, Sum::new().bytes(&header[..8]).bytes(&header[8..]).checksum());
///
/// // The checksum of bytes that contain their checksum is zero.
/// assert_eq!(Sum::new().bytes(&header).word(computed).checksum(), 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct Sum(u64);

impl Sum {
    /// The sum of no bytes.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds bytes. An odd last byte counts as if a zero followed it. O(length).
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        Self(add(self.0, words(bytes)))
    }

    /// Adds a word of 16 bits.
    pub const fn word(self, word: u16) -> Self {
        Self(add(self.0, word.to_be() as u64))
    }

    /// Adds the pseudo header of IPv4 (RFC 9293, 3.1). `len` is the length of what follows the IP header.
    #[inline]
    pub fn pseudo_v4(self, src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, len: u16) -> Self {
        let addresses = [src.octets(), dst.octets()];
        let [src, dst] = addresses.map(|octets| u64::from(u32::from_ne_bytes(octets)));
        Self(add(self.0, src + dst)).word(protocol.into()).word(len)
    }

    /// Adds the pseudo header of IPv6 (RFC 8200, 8.1). `len` is the length of what follows the IP headers, `protocol`
    /// the protocol after all extension headers.
    #[inline]
    pub fn pseudo_v6(self, src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, len: u32) -> Self {
        self.bytes(&src.octets())
            .bytes(&dst.octets())
            .word(protocol.into())
            .word((len >> 16) as u16)
            .word(len as u16)
    }

    /// The sum as 16 bits.
    pub const fn fold(self) -> u16 {
        // After each addition both halves have the sum of both. The upper one includes the lower one's carry.
        let sum = self.0.wrapping_add(self.0.rotate_left(32));
        let sum = (sum >> 32) as u32;
        let sum = sum.wrapping_add(sum.rotate_left(16)) >> 16;
        (sum as u16).to_be()
    }

    /// The checksum: the value of the field if the field was zero in the sum; zero if it already had the right value.
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }
}

/// The checksum of bytes whose own checksum field is zero. O(length).
#[inline]
pub fn checksum(bytes: &[u8]) -> u16 {
    Sum::new().bytes(bytes).checksum()
}

/// Whether bytes that contain their checksum are valid. O(length).
#[inline]
pub fn is_valid(bytes: &[u8]) -> bool {
    checksum(bytes) == 0
}

/// Updates a checksum after a word that it covers changed from `old` to `new` (RFC 1624, equation 3). O(1).
///
/// The result may be zero. In UDP a zero means that there is no checksum: use
/// [`Udp::update_checksum`](super::Udp::update_checksum) there.
///
/// ```
/// use framepool::wire::checksum::{checksum, update};
///
/// let (before, after) = ([0x12, 0x34, 0x56, 0x78], [0x12, 0x34, 0x9A, 0xBC]);
/// assert_eq!(update(checksum(&before), 0x5678, 0x9ABC), checksum(&after));
/// ```
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = !checksum as u32 + !old as u32 + new as u32;
    let sum = (sum >> 16) + (sum & 0xFFFF);
    let sum = (sum >> 16) + (sum & 0xFFFF);
    !(sum as u16)
}

/// [`update`] for 32 bits, such as an IPv4 address. In UDP use
/// [`Udp::update_checksum32`](super::Udp::update_checksum32).
pub const fn update32(checksum: u16, old: u32, new: u32) -> u16 {
    let checksum = update(checksum, (old >> 16) as u16, (new >> 16) as u16);
    update(checksum, old as u16, new as u16)
}

/// Verifies the checksum at byte `field` of `bytes`, which also covers what `before` sums up. The offset in the error
/// is `field`.
#[inline(always)]
pub(super) fn verify(
    layer: Layer,
    before: Sum,
    bytes: &[u8],
    field: usize,
) -> Result<(), ParseError> {
    // A UDP checksum of zero means that there is none.
    let has_none = layer == Layer::Udp && get16(bytes, field) == 0;
    if before.bytes(bytes).checksum() == 0 && !has_none {
        return Ok(());
    }
    Err(wrong(layer, before, bytes, field))
}

#[cold]
fn wrong(layer: Layer, before: Sum, bytes: &[u8], field: usize) -> ParseError {
    // Sums up everything but the field. Subtracting the field from a sum with it gives the wrong zero for a message of
    // zeros.
    let (head, tail) = (part(bytes, 0, field), part(bytes, field + 2, usize::MAX));
    let computed = match before.bytes(head).bytes(tail).checksum() {
        0 if layer == Layer::Udp => 0xFFFF,
        computed => computed,
    };
    let found = get16(bytes, field);
    ParseError::bad_checksum(layer, field, found.into(), computed.into())
}

/// Adds with end-around carry.
#[inline(always)]
const fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(carry as u64)
}

/// The sum in the machine's order.
#[inline]
fn words(bytes: &[u8]) -> u64 {
    if bytes.len() < WIDE_TURN {
        short(bytes)
    } else {
        wide(bytes)
    }
}

#[inline(never)]
fn wide(mut bytes: &[u8]) -> u64 {
    let mut sum = 0;
    if bytes.len() >= LONG_LEN {
        let (turns, rest) = bytes.split_at(bytes.len() & !(WIDE_TURN - 1));
        (sum, bytes) = (turns.chunks(CHUNK).map(long).fold(0, add), rest);
    }
    while let Some((turn, rest)) = bytes.split_first_chunk() {
        (sum, bytes) = (add(sum, halves(turn)), rest);
    }
    if bytes.is_empty() {
        return sum;
    }
    add(sum, short(bytes))
}

/// Adds the words of 32 bits in lanes of 64: one addition each, and one vector to sum at the end.
#[inline(always)]
fn halves(turn: &[u8; WIDE_TURN]) -> u64 {
    let words = turn.chunks_exact(4).map(|word| word.first_chunk());
    let words = words.map(|word| word.map_or(0, |word| u32::from_ne_bytes(*word)));
    words.map(u64::from).sum()
}

/// Adds whole words and, separately, their upper halves: three instructions for each vector. The second sum tells how
/// often the first one overflowed. Takes whole wide turns only.
#[inline(always)]
fn long(turns: &[u8]) -> u64 {
    let (mut all, mut upper) = (0_u64, 0_u64);
    for word in turns.chunks_exact(8) {
        let word = word.first_chunk().map_or(0, |w| u64::from_ne_bytes(*w));
        all = all.wrapping_add(word);
        upper += word >> 32;
    }
    all.wrapping_sub(upper << 32) + upper
}

/// Adds turns of eight words, then four, two and one. Each of these costs one comparison and no loop.
#[inline(always)]
fn short(mut bytes: &[u8]) -> u64 {
    let mut sum = 0;
    while let Some((turn, rest)) = bytes.split_first_chunk::<TURN>() {
        (sum, bytes) = (chain(sum, turn), rest);
    }
    if let Some((half, rest)) = bytes.split_first_chunk::<32>() {
        (sum, bytes) = (chain(sum, half), rest);
    }
    if let Some((quarter, rest)) = bytes.split_first_chunk::<16>() {
        (sum, bytes) = (chain(sum, quarter), rest);
    }
    if let Some((word, rest)) = bytes.split_first_chunk::<8>() {
        (sum, bytes) = (chain(sum, word), rest);
    }
    add(sum, less_than_a_word(bytes))
}

/// Fewer than eight bytes.
#[inline(always)]
fn less_than_a_word(mut bytes: &[u8]) -> u64 {
    let mut sum = 0;
    if let Some((word, rest)) = bytes.split_first_chunk() {
        sum += u64::from(u32::from_ne_bytes(*word));
        bytes = rest;
    }
    if let Some((word, rest)) = bytes.split_first_chunk() {
        sum += u64::from(u16::from_ne_bytes(*word));
        bytes = rest;
    }
    if let &[byte] = bytes {
        sum += u64::from(u16::from_ne_bytes([byte, 0]));
    }
    sum
}

/// Adds words of 64 bits, each with the carry of the addition before: one instruction each on most targets. The last
/// carry cannot overflow, because a sum of two words that carried is smaller than `u64::MAX`.
#[inline(always)]
fn chain<const N: usize>(mut sum: u64, bytes: &[u8; N]) -> u64 {
    let mut carry = false;
    for word in bytes.chunks_exact(8) {
        let word = word.first_chunk().map_or(0, |w| u64::from_ne_bytes(*w));
        let (with_word, first) = sum.overflowing_add(word);
        let (with_carry, second) = with_word.overflowing_add(carry.into());
        (sum, carry) = (with_carry, first | second);
    }
    sum.wrapping_add(carry.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071, section 3.
    #[test]
    fn the_example_of_the_rfc() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::new().bytes(&bytes).fold(), 0xddf2);
    }

    /// The example of RFC 1624, section 4: the older equation gets a sum of minus zero.
    #[test]
    fn the_example_of_the_update() {
        assert_eq!(update(0xDD2F, 0x5555, 0x3285), 0x0000);
    }

    /// The first addition of the carry has a carry itself.
    #[test]
    fn an_update_keeps_every_carry() {
        assert_eq!(update(0, 0, 1), 0xFFFE);
        assert_eq!(update32(0, 0, 1), 0xFFFE);
        assert_eq!(update32(0, 0, 0x0001_0000), 0xFFFE);
    }

    /// Word by word, as the RFC describes it.
    fn plainly(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            let word = u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low));
            sum += word;
            sum = (sum >> 16) + (sum & 0xFFFF);
        }
        sum as u16
    }

    #[test]
    fn every_length_and_alignment_gives_the_plain_sum() {
        let bytes: std::vec::Vec<u8> = (0..if cfg!(miri) { 300 } else { 1300_u32 })
            .map(|i| (i * 151 + 7) as u8)
            .collect();
        for start in 0..9 {
            for end in start..bytes.len() {
                let bytes = &bytes[start..end];
                assert_eq!(Sum::new().bytes(bytes).fold(), plainly(bytes));
            }
        }
        let ones = [0xFF; 1501];
        assert_eq!(Sum::new().bytes(&ones).fold(), plainly(&ones));
    }

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of kilobytes")]
    fn long_sums_keep_every_carry() {
        let ones = std::vec![0xFF; 2 * CHUNK + 3 * WIDE_TURN + 5];
        assert_eq!(Sum::new().bytes(&ones).fold(), plainly(&ones));
        let mixed: std::vec::Vec<u8> = (0..ones.len()).map(|i| ((i * i) >> 7) as u8).collect();
        assert_eq!(Sum::new().bytes(&mixed).fold(), plainly(&mixed));
    }

    /// The smallest and the largest words in any order, so that each addition of the chain carries.
    #[test]
    fn no_carry_is_lost() {
        let edges = [0, 1, u64::MAX - 1, u64::MAX].map(u64::to_ne_bytes);
        for order in 0..256_usize {
            let words = [order, order >> 2, order >> 4, order >> 6].map(|i| edges[i & 3]);
            let bytes = words.as_flattened();
            assert_eq!(Sum::new().bytes(bytes).fold(), plainly(bytes), "{words:?}");
            for before in [1, u64::MAX - 1, u64::MAX] {
                let both = [&before.to_ne_bytes(), bytes].concat();
                assert_eq!(Sum(before).bytes(bytes).fold(), plainly(&both), "{words:?}");
            }
        }
    }

    #[test]
    fn no_sum_is_too_large() {
        let sum = Sum(u64::MAX).bytes(&[0xFF; 64]).word(0xFFFF);
        assert_eq!(sum.fold(), 0xFFFF);
        assert_eq!(Sum(0xFFFF_FFFF_0000_0000).word(1).fold(), 1);
    }
}
