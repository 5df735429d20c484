//! The allocator: a heap with a front for each thread, in hugepages that are resident from the start.

use framepool::MappedRegion;
use framepool::heap::ThreadHeapStats;

framepool::thread_heap!(#[global_allocator] static HEAP: mapped MappedRegion::builder(64 << 20));

/// Which pages the kernel granted. What std has allocated before `main` is in them already.
pub fn granted() -> Result<String, String> {
    match HEAP.mapping() {
        Some(Ok(report)) => Ok(report.to_string()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("the heap has no mapping".to_string()),
    }
}

pub type Figures = ThreadHeapStats;

pub fn figures() -> Figures {
    HEAP.stats()
}

/// The most bytes that were in use or held by threads.
#[derive(Debug, Default)]
pub struct Most(pub usize);

impl Most {
    pub fn note(&mut self) {
        self.0 = self.0.max(HEAP.stats().used);
    }
}

/// Gives back what this thread holds, so that the figures are exact.
pub fn flush() {
    HEAP.flush();
}
