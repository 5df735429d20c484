//! The child: checks and counts the values.

use std::io::stdin;
use std::os::fd::AsFd;
use std::os::unix::process::parent_id;

use framepool::ring::{SharedConsumer, SharedRingError, Wait, Yield};

use crate::memory::{Memory, Value};
use crate::note::{Note, Tally};

/// Values for each note.
const BATCH: usize = 256;

/// Counts until the producer has left and the ring is empty. `after` names the dead consumer that this process
/// replaces.
pub fn run(after: Option<u32>) -> Result<(), String> {
    let fd = stdin().as_fd().try_clone_to_owned();
    let memory = Memory::attach(fd.map_err(|e| format!("standard input: {e}"))?)?;
    let ring = memory.attach_ring()?;
    let rx = match after {
        Some(dead) => ring.consumer_after(dead),
        None => ring.consumer(),
    };
    let mut rx = rx.map_err(|e| e.to_string())?;
    let note = memory.note();
    let mut tally = note.read();
    let mut wait = Yield::default();
    loop {
        // Asked before the look, so that the look finds what the producer pushed last.
        let last = rx.is_abandoned();
        match take(&mut rx, &mut tally, &note).map_err(|e| e.to_string())? {
            0 if last => return Ok(()),
            0 if is_orphan(&rx) => return Err("the producer's process has ended".to_string()),
            0 => wait.wait(),
            _ => wait = Yield::default(),
        }
    }
}

/// Counts the values that are there, and notes the tally before it releases their slots. Returns their number.
fn take(
    rx: &mut SharedConsumer<'_, Value>,
    tally: &mut Tally,
    note: &Note<'_>,
) -> Result<usize, SharedRingError> {
    let waiting = rx.peek_up_to(BATCH)?;
    if waiting.is_empty() {
        return Ok(0);
    }
    waiting.iter().for_each(|value| tally.count(value));
    // A process that dies before this has not counted them; its replacement does.
    note.commit(tally);
    // One that dies here has; its replacement finds them again and skips them.
    let n = waiting.len();
    Ok(waiting.release(n))
}

/// Whether the process that produces is no longer this one's parent. (Values are looked at in place, so this cannot
/// use `pop_wait`, which would notice it.)
fn is_orphan(rx: &SharedConsumer<'_, Value>) -> bool {
    let producer = rx.ring().producer_process();
    producer.is_some_and(|producer| producer != parent_id())
}

#[cfg(test)]
mod tests {
    use std::mem::forget;
    use std::process::id;

    use super::*;
    use crate::memory::value;

    /// The replacement of a consumer that died at one of the steps counts every value once.
    #[test]
    fn whenever_a_consumer_dies_each_value_counts_once() {
        for (noted, released) in [(false, false), (true, false), (true, true)] {
            let memory = Memory::create().unwrap();
            let ring = memory.create_ring().unwrap();
            let note = memory.note();
            let mut tx = ring.producer().unwrap();
            assert_eq!(tx.push_iter((0..10).map(value)).unwrap(), 10);

            let mut dies = ring.consumer().unwrap();
            let mut tally = note.read();
            let waiting = dies.peek_up_to(4).unwrap();
            waiting.iter().for_each(|value| tally.count(value));
            if noted {
                note.commit(&tally);
            }
            if released {
                waiting.release(4);
            }
            forget(dies);

            let mut rx = ring.consumer_after(id()).unwrap();
            let mut tally = note.read();
            while take(&mut rx, &mut tally, &note).unwrap() > 0 {}
            assert_eq!((tally.next, tally.counted, tally.gaps), (10, 10, 0));
            assert_eq!(tally.again, if noted && !released { 4 } else { 0 });
            assert_eq!(note.read(), tally);
        }
    }
}
