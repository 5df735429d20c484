//! The physical addresses of blocks.

use crate::pool::Pool;
use crate::pool::block::Block;
use crate::pool::frame::Frame;
use crate::region::{Iova, IovaError, PhysAddr};

impl Pool<'_> {
    /// Reads the physical addresses of all blocks, for devices without an IOMMU. O(pages); the memory is not accessed.
    /// [`Block::iova`] and [`Frame::iova`] look addresses up in the table.
    ///
    /// Take memory in hugepages: the kernel does not move those, and a block seldom crosses two of them. [`Iova`] says
    /// how long the addresses hold.
    ///
    /// # Errors
    /// [`IovaError::NotPermitted`] without `CAP_SYS_ADMIN`. [`IovaError::NotPresent`] if a page was never written:
    /// mappings are prefaulted by default. Others as for [`Iova::of`].
    ///
    /// ```
    /// use framepool::region::IovaError;
    /// use framepool::{Pool, PoolConfig};
    ///
    /// let pool = Pool::map(PoolConfig::new(2048, 64))?;
    /// match pool.iova() {
    ///     Ok(table) => {
    ///         let block = pool.alloc()?;
    ///         match block.iova(&table) {
    ///             Ok(address) => println!("the device's descriptor gets {address}"),
    ///             Err(IovaError::Split { .. }) => println!("the block lies in two pieces"),
    ///             Err(other) => return Err(other.into()),
    ///         }
    ///     }
    ///     Err(IovaError::NotPermitted) => println!("this process lacks CAP_SYS_ADMIN"),
    ///     Err(other) => return Err(other.into()),
    /// }
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn iova(&self) -> Result<Iova, IovaError> {
        Iova::of(self.blocks_ptr(), self.blocks_len())
    }
}

impl Block<'_> {
    /// The physical address of the block, all of which is contiguous. `table` is that of the pool
    /// ([`Pool::iova`]) or of the region that contains it. O(log ranges), no system call.
    ///
    /// # Errors
    /// [`IovaError::Split`] if the block is not contiguous in physical memory. [`IovaError::Outside`] if the table does
    /// not contain it.
    pub fn iova(&self, table: &Iova) -> Result<PhysAddr, IovaError> {
        table.translate_all(self.as_ptr(), self.len())
    }
}

impl Frame<'_> {
    /// The physical address of the frame's first byte, as [`Block::iova`] finds it; the frame is contiguous. For an empty
    /// frame, the address of the byte at its start.
    ///
    /// # Errors
    /// As for [`Block::iova`]. [`IovaError::Outside`] for an empty frame after the last byte of the table.
    pub fn iova(&self, table: &Iova) -> Result<PhysAddr, IovaError> {
        table.translate_all(self.bytes().as_ptr(), self.len().max(1))
    }
}
