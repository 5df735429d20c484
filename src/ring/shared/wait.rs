//! Waiting for a peer that may go, die, or lie.
//!
//! Each look first asks whether the peer is lost, and then looks at the ring: what it did before it was
//! lost counts. What nobody can know is whether a peer that lives will ever do anything; hence the forms
//! that give up after some time.

use core::time::Duration;
use std::time::Instant;

use super::consumer::SharedConsumer;
use super::error::{SharedPushError, SharedRingError, SharedWaitError};
use super::owner::{Loss, Watch};
use super::plain::Plain;
use super::producer::SharedProducer;
use super::words::{CONSUMER, PRODUCER};
use crate::ring::wait::Wait;

/// When a wait is over; never, if that is beyond what the clock counts.
struct Limit(Option<Instant>);

impl Limit {
    fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    fn is_over(&self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}

impl<T: Plain> SharedProducer<'_, T> {
    /// Appends a value, after waiting for a place if need be. While there is none, the system is asked at
    /// every 64th look whether the consumer's process lives: one that is killed is found out. (Not found
    /// out is one whose number is another process's by then, or is of another namespace, as in another
    /// container, or where there is no /proc.) A consumer that has not come yet, or lives and takes
    /// nothing, is waited for: [`push_wait_for`](Self::push_wait_for) is for peers that are not trusted.
    ///
    /// ```
    /// # use framepool::{SharedRegion, ring::{SharedPushError, SharedRing, Yield}};
    /// # let region = SharedRegion::builder(64 << 10).create()?;
    /// let ring = SharedRing::<u64>::create(&region, 0, 1)?;
    /// let (mut tx, rx) = (ring.producer()?, ring.consumer()?);
    /// tx.push_wait::<Yield>(1)?;
    /// drop(rx);
    /// assert_eq!(tx.push_wait::<Yield>(2), Err(SharedPushError::Abandoned(2)));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SharedPushError`] with the value: `Abandoned`, `Died`, `Corrupt`.
    #[inline]
    pub fn push_wait<W: Wait>(&mut self, value: T) -> Result<(), SharedPushError<T>> {
        match self.push(value) {
            Err(SharedPushError::Full(value)) => self.push_waiting::<W>(value, None),
            pushed => pushed,
        }
    }

    /// As [`push_wait`](Self::push_wait), for some time: whatever the consumer does, it returns. The system
    /// is asked about the consumer's process before the wait gives up too, so that waits in short pieces
    /// notice a consumer that died: a time-out costs a few system calls.
    ///
    /// # Errors
    /// As for [`push_wait`](Self::push_wait), and `Full` when the time is over.
    #[inline]
    pub fn push_wait_for<W: Wait>(
        &mut self,
        value: T,
        timeout: Duration,
    ) -> Result<(), SharedPushError<T>> {
        match self.push(value) {
            Err(SharedPushError::Full(value)) => self.push_waiting::<W>(value, Some(timeout)),
            pushed => pushed,
        }
    }

    #[cold]
    fn push_waiting<W: Wait>(
        &mut self,
        value: T,
        timeout: Option<Duration>,
    ) -> Result<(), SharedPushError<T>> {
        let (mut wait, limit) = (W::default(), Limit::after(timeout));
        let mut watch = Watch::new(self.words().word(CONSUMER));
        loop {
            // In this order: places that were freed before the consumer was lost are used.
            let over = limit.is_over();
            let lost = watch.look(over);
            match (self.room(1), lost) {
                (Err(_), _) => return Err(SharedPushError::Corrupt(value)),
                (Ok(1..), _) => return self.push(value),
                (_, Some(Loss::Left)) => return Err(SharedPushError::Abandoned(value)),
                (_, Some(Loss::Died(_))) => return Err(SharedPushError::Died(value)),
                (_, Some(Loss::Bad(_))) => return Err(SharedPushError::Corrupt(value)),
                (_, None) if over => return Err(SharedPushError::Full(value)),
                (_, None) => wait.wait(),
            }
        }
    }
}

impl<T: Plain> SharedConsumer<'_, T> {
    /// Takes the oldest value, after waiting for it if need be: as [`SharedProducer::push_wait`]. A
    /// producer that has not come yet is waited for.
    ///
    /// ```
    /// # use framepool::{SharedRegion, ring::{SharedRing, SharedWaitError, Yield}};
    /// # let region = SharedRegion::builder(64 << 10).create()?;
    /// let ring = SharedRing::<u64>::create(&region, 0, 4)?;
    /// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
    /// tx.push(1)?;
    /// drop(tx);
    /// assert_eq!(rx.pop_wait::<Yield>(), Ok(1));
    /// assert_eq!(rx.pop_wait::<Yield>(), Err(SharedWaitError::Abandoned));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SharedWaitError`]: `Abandoned`, `Died`, `Ring`.
    #[inline]
    pub fn pop_wait<W: Wait>(&mut self) -> Result<T, SharedWaitError> {
        match self.pop()? {
            Some(value) => Ok(value),
            None => self.pop_waiting::<W>(None),
        }
    }

    /// As [`pop_wait`](Self::pop_wait), for some time: whatever the producer does, it returns. The system is
    /// asked about the producer's process before the wait gives up too, so that waits in short pieces notice
    /// a producer that died: a time-out costs a few system calls.
    ///
    /// # Errors
    /// As for [`pop_wait`](Self::pop_wait), and `TimedOut`.
    #[inline]
    pub fn pop_wait_for<W: Wait>(&mut self, timeout: Duration) -> Result<T, SharedWaitError> {
        match self.pop()? {
            Some(value) => Ok(value),
            None => self.pop_waiting::<W>(Some(timeout)),
        }
    }

    #[cold]
    fn pop_waiting<W: Wait>(&mut self, timeout: Option<Duration>) -> Result<T, SharedWaitError> {
        let (mut wait, limit) = (W::default(), Limit::after(timeout));
        let mut watch = Watch::new(self.words().word(PRODUCER));
        loop {
            // In this order: what was pushed before the producer was lost is taken.
            let over = limit.is_over();
            let lost = watch.look(over);
            match (self.waiting(1)?, lost) {
                (1.., _) => return Ok(self.take()),
                (_, Some(Loss::Left)) => return Err(SharedWaitError::Abandoned),
                (_, Some(Loss::Died(process))) => return Err(SharedWaitError::Died { process }),
                (_, Some(Loss::Bad(found))) => {
                    return Err(SharedRingError::BadHolder { found }.into());
                }
                (_, None) if over => return Err(SharedWaitError::TimedOut),
                (_, None) => wait.wait(),
            }
        }
    }
}
