//! Names of blocks from their addresses, without a division.

use core::ptr::NonNull;

use crate::pool::Pool;

/// What turns the address of a block's first byte into its index, and back, in a few instructions.
///
/// Let the stride be `odd << zeros`. Multiplying a word by the inverse of `odd` and rotating it right by `zeros` moves
/// every word to a place of its own, and the `i`th multiple of the stride to `i`. So the result is less than the
/// capacity for the start of a block of this pool, and for no other offset: not for an address inside of a block,
/// in front of the pool, or after it. No separate check of the range is necessary.
///
/// Invariant: the numbers are those of one pool, whose `blocks` is `first`.
#[derive(Clone, Copy)]
pub(crate) struct Finder {
    first: NonNull<u8>,
    inverse: usize,
    stride: u32,
    zeros: u32,
    capacity: u32,
}

impl Finder {
    pub(crate) fn of(pool: &Pool<'_>) -> Self {
        let zeros = pool.stride.trailing_zeros();
        Self {
            first: pool.blocks,
            inverse: inverse_of(pool.stride as usize >> zeros),
            stride: pool.stride,
            zeros,
            capacity: pool.depot.capacity(),
        }
    }

    /// The block that starts at this address, if there is one.
    #[inline(always)]
    pub(crate) fn find(&self, at: *mut u8) -> Option<u32> {
        let offset = at.addr().wrapping_sub(self.first.addr().get());
        let id = offset.wrapping_mul(self.inverse).rotate_right(self.zeros);
        (id < self.capacity as usize).then_some(id as u32)
    }

    /// The first byte of a block.
    ///
    /// # Safety
    /// `id` is less than the capacity of the pool, which is alive.
    #[inline(always)]
    pub(crate) unsafe fn start_of(&self, id: u32) -> NonNull<u8> {
        // SAFETY: by the invariant of `Pool`, the block lies in its memory.
        unsafe { self.first.add(id as usize * self.stride as usize) }
    }
}

/// The inverse of an odd number, modulo 2 to the width of a word: Newton's iteration, which doubles the number of
/// correct bits. It starts with three: an odd number is its own inverse modulo 8.
const fn inverse_of(odd: usize) -> usize {
    let mut inverse = odd;
    let mut bits = 3;
    while bits < usize::BITS {
        inverse = inverse.wrapping_mul(2_usize.wrapping_sub(odd.wrapping_mul(inverse)));
        bits *= 2;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::PoolConfig;
    use core::mem::MaybeUninit;
    use core::ptr;

    #[test]
    fn an_inverse_is_one() {
        for odd in (1..1000).step_by(2).chain([usize::MAX, usize::MAX / 2]) {
            assert_eq!(odd.wrapping_mul(inverse_of(odd)), 1, "{odd}");
        }
    }

    #[test]
    fn the_start_of_each_block_is_found_and_no_other_address() {
        let mut memory = [MaybeUninit::uninit(); 8192];
        for (size, align) in [
            (1, 1),
            (24, 8),
            (64, 64),
            (72, 8),
            (96, 32),
            (100, 1),
            (128, 128),
        ] {
            let config = PoolConfig::new(size, 9).align(align);
            let pool = Pool::new(&mut memory, config).unwrap();
            let finder = Finder::of(&pool);
            let first = pool.blocks_ptr().addr().get();
            let far = [0, 1, usize::MAX, usize::MAX - 63, 1 << (usize::BITS - 1)];
            for at in (first - 300..first + 2000).chain(far) {
                let offset = at.wrapping_sub(first);
                let (id, rest) = (offset / pool.stride(), offset % pool.stride());
                let expected = (rest == 0 && id < pool.capacity()).then_some(id as u32);
                let found = finder.find(ptr::without_provenance_mut(at));
                assert_eq!(
                    found,
                    expected,
                    "{offset:#x} with a stride of {}",
                    pool.stride()
                );
                if let Some(id) = found {
                    // SAFETY: just compared with the capacity.
                    assert_eq!(unsafe { finder.start_of(id) }.addr().get(), at);
                }
            }
        }
    }
}
