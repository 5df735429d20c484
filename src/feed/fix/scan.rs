//! Many bytes at once, in portable code: separators, sums and tags.

/// The byte that ends a field on the wire.
pub const SOH: u8 = 1;

/// Whether this byte may replace [`SOH`]: tags, numbers and versions do not contain it.
pub(super) const fn can_end_fields(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric() && !matches!(byte, 0 | b'=' | b'.' | b'-')
}

/// A word of eight equal bytes.
const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The number of bytes that are added at once.
const LANES: usize = 64;

/// The `LANES` bytes from `n` on are `LANES - n` zeros, then `n` bytes of all ones.
static MASKS: [u8; 2 * LANES] = {
    let mut masks = [0; 2 * LANES];
    let mut i = LANES;
    while i < masks.len() {
        masks[i] = 0xFF;
        i += 1;
    }
    masks
};

/// The sum of all bytes modulo 256, in which each separator counts as [`SOH`].
#[inline]
pub(super) fn sum<const SEPARATOR: u8>(bytes: &[u8]) -> u8 {
    let sum = plain_sum(bytes);
    if SEPARATOR == SOH {
        return sum;
    }
    let separators = bytes.iter().filter(|&&byte| byte == SEPARATOR).count();
    sum.wrapping_add((separators as u8).wrapping_mul(SOH.wrapping_sub(SEPARATOR)))
}

/// The sum of all bytes modulo 256.
///
/// ```text
///   │ 64 bytes │ 64 bytes │ 64 bytes │ 20 │        the chunks are added lane by lane
///                       │ & 0   …   0│ FF │        the last 64 bytes; those already added are masked
/// ```
///
/// This avoids a loop over the remainder, which would cost as much as all chunks.
#[inline]
fn plain_sum(bytes: &[u8]) -> u8 {
    let rest = bytes.len() % LANES;
    let masks = MASKS.get(rest..).and_then(<[u8]>::first_chunk::<LANES>);
    let (Some(last), Some(masks)) = (bytes.last_chunk::<LANES>(), masks) else {
        return all(bytes);
    };
    let mut lanes = [0_u8; LANES];
    for ((lane, byte), mask) in lanes.iter_mut().zip(last).zip(masks) {
        *lane = byte & mask;
    }
    for chunk in bytes.chunks_exact(LANES) {
        let Some(chunk) = chunk.first_chunk::<LANES>() else {
            continue;
        };
        for (lane, byte) in lanes.iter_mut().zip(chunk) {
            *lane = lane.wrapping_add(*byte);
        }
    }
    all(&lanes)
}

#[inline(always)]
fn all(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// The separators in 64 bytes, one bit for each byte, the first byte lowest.
#[inline(always)]
pub(super) fn ends<const SEPARATOR: u8>(bytes: &[u8; 64]) -> u64 {
    let mut mask = 0;
    let mut i = 0;
    while i < 8 {
        let word = word_at(bytes, i * 8);
        mask |= ends_of::<SEPARATOR>(word) << (i * 8);
        i += 1;
    }
    mask
}

#[inline(always)]
fn word_at(bytes: &[u8; 64], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u64::from_le_bytes(*word))
}

/// One bit for each byte of a word that is the separator.
#[inline(always)]
const fn ends_of<const SEPARATOR: u8>(word: u64) -> u64 {
    const LOW: u64 = splat(0x7F);
    let other = word ^ splat(SEPARATOR);
    // The top bit of each byte that is zero. No carry crosses bytes, so this is exact.
    let zero = !(((other & LOW) + LOW) | other | LOW);
    // Gathers one bit of each byte in the top byte.
    (zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// The separators in the 64 bytes from `at` on, or in fewer at the end.
#[inline(always)]
pub(super) fn ends_at<const SEPARATOR: u8>(bytes: &[u8], at: usize) -> u64 {
    let from = bytes.get(at..).unwrap_or_default();
    match from.first_chunk::<64>() {
        Some(chunk) => ends::<SEPARATOR>(chunk),
        None => ends_of_tail::<SEPARATOR>(bytes, from),
    }
}

/// The separators in fewer than 64 bytes. If there are 64 bytes before the end, they are read, and those before the
/// tail are dropped.
fn ends_of_tail<const SEPARATOR: u8>(bytes: &[u8], tail: &[u8]) -> u64 {
    match bytes.last_chunk::<64>() {
        Some(chunk) if !tail.is_empty() => ends::<SEPARATOR>(chunk) >> (64 - tail.len()),
        _ => {
            let mut padded = [0; 64];
            for (place, byte) in padded.iter_mut().zip(tail) {
                *place = *byte;
            }
            ends::<SEPARATOR>(&padded)
        }
    }
}

/// The number before a `=`, and the number of its digits: one to seven, the first not zero.
#[inline(always)]
pub(super) fn tag(bytes: [u8; 8]) -> Option<(u32, usize)> {
    let word = u64::from_le_bytes(bytes);
    let other = word ^ splat(b'=');
    let equals = other.wrapping_sub(splat(1)) & !other & splat(0x80);
    let digits = (equals.trailing_zeros() / 8) as usize;
    if !(1..8).contains(&digits) || bytes[0] == b'0' {
        return None;
    }
    // The values of the digits in the top bytes, the most significant one lowest, and zeros below.
    let values = (word ^ splat(b'0')) << (64 - 8 * digits);
    let not_digits = (values.wrapping_add(splat(0x76)) | values) & splat(0x80);
    if not_digits != 0 {
        return None;
    }
    Some((decimal(values), digits))
}

/// Eight digits in the bytes of a word, the most significant one lowest.
#[inline(always)]
const fn decimal(values: u64) -> u32 {
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 16) as u8
        };
        (0..len)
            .map(|_| next() % 4)
            .map(|b| b.wrapping_sub(1))
            .collect()
    }

    #[test]
    fn ends_are_where_the_byte_is_and_nowhere_else() {
        let most = if cfg!(miri) { 70 } else { 200 };
        for len in (0..most).step_by(if cfg!(miri) { 23 } else { 1 }) {
            let bytes = noise(len);
            for at in 0..=len {
                let mask = ends_at::<SOH>(&bytes, at);
                for i in 0..64 {
                    let is_end = bytes.get(at + i) == Some(&SOH);
                    assert_eq!(mask >> i & 1 == 1, is_end, "{at}+{i} of {len}");
                }
            }
        }
    }

    #[test]
    fn every_length_gives_the_plain_sum() {
        let most = if cfg!(miri) { 140 } else { 700 };
        for len in (0..most).step_by(if cfg!(miri) { 23 } else { 1 }) {
            let bytes: Vec<u8> = noise(len).iter().map(|b| b.wrapping_mul(93)).collect();
            assert_eq!(sum::<SOH>(&bytes), all(&bytes), "{len}");
        }
        assert_eq!(sum::<SOH>(&[0xFF; 640]), 0x80);
    }

    #[test]
    fn tags_have_one_to_seven_digits() {
        for n in [1u32, 8, 10, 99, 100, 9999, 10_000, 1_234_567, 9_999_999] {
            let mut text = std::format!("{n}=xxxxxxxx").into_bytes();
            text.truncate(8);
            let digits = n.ilog10() as usize + 1;
            assert_eq!(tag(text.try_into().unwrap()), Some((n, digits)));
        }
        for bad in [
            b"=1234567",
            b"0=xxxxxx",
            b"12345678",
            b"1a=xxxxx",
            b":=xxxxxx",
            b"/1=xxxxx",
            b"\xB1=xxxxxx",
        ] {
            assert_eq!(tag(*bad), None, "{}", bad.escape_ascii());
        }
    }
}
