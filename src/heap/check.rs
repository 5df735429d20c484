//! The check of all blocks and lists.

use crate::heap::block::{Block, GRANULE, Links, MIN};
use crate::heap::error::HeapCheckError;
use crate::heap::tlsf::Tlsf;

/// The result of a successful [`Heap::check`](super::Heap::check).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct HeapCensus {
    /// Regions; adjacent ones that were merged count as one.
    pub regions: usize,
    /// Blocks in use. The table of lists is one of them.
    pub used: usize,
    /// Free blocks.
    pub free: usize,
    /// Bytes of the free blocks.
    pub free_bytes: usize,
}

impl Tlsf {
    /// O(blocks).
    pub(super) fn check(&self) -> Result<HeapCensus, HeapCheckError> {
        let mut census = HeapCensus {
            regions: self.regions.count(),
            ..HeapCensus::default()
        };
        for (first, end) in self.regions.spans() {
            self.check_region(first, end, &mut census)?;
        }
        let listed = self.check_lists()?;
        for (found, counted) in [
            (listed, census.free),
            (
                census.free_bytes,
                self.regions.capacity - self.counters.used(),
            ),
        ] {
            if found != counted {
                return Err(HeapCheckError::Miscount { found, counted });
            }
        }
        Ok(census)
    }

    fn check_region(
        &self,
        first: Block,
        end: Block,
        census: &mut HeapCensus,
    ) -> Result<(), HeapCheckError> {
        let (mut at, mut previous_free) = (first, false);
        loop {
            let block = at.addr();
            // SAFETY: a tag was read at the end of the block before, which is in the region.
            let tag = unsafe { at.tag() };
            let size = tag.size();
            if tag.is_previous_free() != previous_free {
                return Err(HeapCheckError::BadFlag { block });
            }
            let left = end.addr() - block;
            if left == 0 {
                return if size == 0 && !tag.is_free() {
                    Ok(())
                } else {
                    Err(HeapCheckError::BadSize { block, size })
                };
            }
            let least = if tag.is_free() { MIN } else { GRANULE };
            if size < least || size > left || size % GRANULE != 0 {
                return Err(HeapCheckError::BadSize { block, size });
            }
            if tag.is_free() {
                if previous_free {
                    return Err(HeapCheckError::NotMerged { block });
                }
                // SAFETY: the size is at least `MIN` and does not exceed the region.
                if unsafe { at.size_at_end(size) } != size {
                    return Err(HeapCheckError::BadEnd { block });
                }
                census.free += 1;
                census.free_bytes += size;
            } else {
                census.used += 1;
            }
            previous_free = tag.is_free();
            // SAFETY: the size does not exceed the region.
            at = unsafe { at.forward(size) };
        }
    }

    /// Returns the number of blocks in the lists.
    fn check_lists(&self) -> Result<usize, HeapCheckError> {
        let mut listed = 0;
        self.bins.walk(|list, before, block| {
            listed += 1;
            self.check_link(list, before, block)
        })?;
        for list in 0..self.bins.lists() {
            if self.bins.is_marked(list) != self.bins.has(list) {
                return Err(HeapCheckError::BadMark { list });
            }
        }
        Ok(listed)
    }

    fn check_link(
        &self,
        list: usize,
        before: Block,
        block: Block,
    ) -> Result<Links, HeapCheckError> {
        let addr = block.addr();
        let wrong = HeapCheckError::BadLink { block: addr, list };
        let within = addr % GRANULE == 0
            && self.regions.contains(addr.wrapping_sub(GRANULE))
            && self.regions.contains(addr.wrapping_add(MIN - 1 - GRANULE));
        if !within {
            return Err(wrong);
        }
        // SAFETY: the tag and the links lie in a region.
        let (tag, links) = unsafe { (block.tag(), self.bins.links(block)) };
        let right =
            tag.is_free() && self.bins.shape().list_of(tag) == list && links.before == Some(before);
        right.then_some(links).ok_or(wrong)
    }
}
