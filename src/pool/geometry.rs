//! Sizes that depend on the target and on the shape of a pool.

/// Bytes of a cache line. Hot words lie on different lines, and blocks are aligned to lines.
pub(crate) const LINE: usize = if cfg!(target_pointer_width = "64") {
    64
} else {
    32
};

/// Links from here on are marks: see [`meta`](super::meta). No index plus one is this large.
pub(crate) const FIRST_MARK: u32 = u32::MAX - 65;

/// The largest number of blocks in a pool on this target.
///
/// 64-bit: all values of a `u32`, less the marks of [`meta`](super::meta). 32-bit: the tag must have two bits more
/// than the index, so that the depth can be computed from the counters.
pub(crate) const MAX_BLOCKS: usize = if cfg!(target_pointer_width = "64") {
    FIRST_MARK as usize - 1
} else {
    (1 << 15) - 1
};

/// The largest number of indices in a magazine.
pub(crate) const MAX_MAGAZINE: usize = 4096;

/// Bits of a slot number in the word of the magazine stacks. Two slot numbers leave 32 bits of a 64-bit word for the
/// tag, and 20 of a 32-bit one.
pub(crate) const SLOT_BITS: u32 = if cfg!(target_pointer_width = "64") {
    16
} else {
    6
};

/// The largest number of magazines in a depot: 65,535 on 64-bit targets, 63 on 32-bit ones.
pub(crate) const MAX_SLOTS: usize = (1 << SLOT_BITS) - 1;

/// `n` rounded up to a multiple of `align`, a power of two, if the result fits a `usize`.
pub(crate) const fn align_up(n: usize, align: usize) -> usize {
    // In this order: on 32-bit targets the largest block and the largest alignment add up to 2^32.
    (n + (align - 1)) & !(align - 1)
}

/// Bytes of the links of a pool, rounded up to a line.
pub(crate) const fn links_size(capacity: usize) -> usize {
    align_up(4 * capacity, LINE)
}

/// Number of magazines that the metadata has room for: `capacity / (magazine + 1)`, at most [`MAX_SLOTS`].
pub(crate) const fn slot_count(capacity: u32, magazine: u16) -> u32 {
    if magazine == 0 {
        return 0;
    }
    let room = capacity / (magazine as u32 + 1);
    if room > MAX_SLOTS as u32 {
        MAX_SLOTS as u32
    } else {
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_aligned_as_far_as_a_word_reaches_stays_as_it_is() {
        let top = 1 << (usize::BITS - 1);
        assert_eq!(align_up(top, top), top);
        assert_eq!(align_up(top - 1, top), top);
        assert_eq!(align_up(usize::MAX, 1), usize::MAX);
    }
}
