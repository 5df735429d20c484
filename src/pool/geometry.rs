//! Sizes that follow from the target and from a pool's shape.

/// Bytes of a cache line: hot words are kept apart by it, and blocks are aligned to it.
pub(crate) const LINE: usize = if cfg!(target_pointer_width = "64") {
    64
} else {
    32
};

/// The most blocks a pool carries on this target.
///
/// 64-bit: all that a `u32` names, less the marks of [`meta`](super::meta). 32-bit: what leaves the
/// tag two bits more than the index, so that the depth can be told from the counters.
pub(crate) const MAX_BLOCKS: usize = if cfg!(target_pointer_width = "64") {
    u32::MAX as usize - 2
} else {
    (1 << 15) - 1
};

/// Bits of a slot number in the word of the magazine stacks. Two of them leave 32 bits of a 64-bit
/// word to the tag, and 20 of a 32-bit one.
pub(crate) const SLOT_BITS: u32 = if cfg!(target_pointer_width = "64") {
    16
} else {
    6
};

/// The most magazines a depot can name: 65,535 on 64-bit targets, 63 on 32-bit ones.
pub(crate) const MAX_SLOTS: usize = (1 << SLOT_BITS) - 1;

/// `n`, rounded up to a multiple of `align`, a power of two, if that is a `usize`.
pub(crate) const fn align_up(n: usize, align: usize) -> usize {
    // In this order: on 32-bit targets the largest block and the largest alignment add up to 2^32.
    (n + (align - 1)) & !(align - 1)
}

/// Bytes of the links of a pool, up to the next line.
pub(crate) const fn links_size(capacity: usize) -> usize {
    align_up(4 * capacity, LINE)
}

/// Magazines that the metadata has room for: `capacity / (magazine + 1)`, as far as words name them.
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
