//! Values that are counted.

use std::cell::Cell;
use std::rc::Rc;

/// Counts its living instances. The second field is its number.
#[derive(Debug)]
pub struct Counted(Rc<Cell<usize>>, pub u32);

impl Counted {
    pub fn new(live: &Rc<Cell<usize>>, id: u32) -> Self {
        live.set(live.get() + 1);
        Self(live.clone(), id)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
