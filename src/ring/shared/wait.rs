//! Waiting for a peer that may go, die, or write anything.
//!
//! Each look first checks whether the peer is lost, and then looks at the ring, so that nothing is missed that the
//! peer did before. A living peer may never do anything, so there are waits with a time-out.

use core::time::Duration;
use std::time::Instant;

use super::consumer::SharedConsumer;
use super::error::{SharedPushError, SharedRingError, SharedWaitError};
use super::owner::{Loss, Watch};
use super::peeked::SharedPeeked;
use super::plain::Plain;
use super::producer::SharedProducer;
use super::words::{CONSUMER, PRODUCER};
use crate::ring::wait::Wait;

/// The end of a wait. `None`: no time-out, or one that the clock cannot represent.
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
    /// Appends a value, after waiting for room if necessary. At every 64th look the wait asks the system whether the
    /// consumer's process lives, and so notices its death. (It does not notice it if another process has got the
    /// process id, if the consumer is in another namespace, such as another container, or without /proc.) The wait
    /// does not end while no consumer has attached, or while a living consumer takes nothing: use
    /// [`push_wait_for`](Self::push_wait_for) for peers that are not trusted.
    ///
    /// ```
    /// # use framepool::{SharedRegion, ring::{SharedPushError, SharedRing, Yield}};
    /// # let region = SharedRegion::builder(64 << 10).create()?;
    /// let ring = SharedRing::<u64>::create(region.words(), 1)?;
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

    /// As [`push_wait`](Self::push_wait), with a time-out: it returns, whatever the consumer does. The system is also
    /// asked about the consumer's process before the time-out, so that many short waits notice a consumer that died.
    /// A time-out costs a few system calls.
    ///
    /// # Errors
    /// As for [`push_wait`](Self::push_wait), and `Full` after the time-out.
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
            // In this order: slots that were freed before the consumer was lost are used.
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

impl<'r, T: Plain> SharedConsumer<'r, T> {
    /// Takes the oldest value, after waiting for one if necessary: as [`SharedProducer::push_wait`]. It also waits
    /// for a producer that has not attached yet.
    ///
    /// ```
    /// # use framepool::{SharedRegion, ring::{SharedRing, SharedWaitError, Yield}};
    /// # let region = SharedRegion::builder(64 << 10).create()?;
    /// let ring = SharedRing::<u64>::create(region.words(), 4)?;
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
            None => self.wait::<W>(None).map(|()| self.take()),
        }
    }

    /// As [`pop_wait`](Self::pop_wait), with a time-out: it returns, whatever the producer does. The system is also
    /// asked about the producer's process before the time-out, so that many short waits notice a producer that died.
    /// A time-out costs a few system calls.
    ///
    /// # Errors
    /// As for [`pop_wait`](Self::pop_wait), and `TimedOut`.
    #[inline]
    pub fn pop_wait_for<W: Wait>(&mut self, timeout: Duration) -> Result<T, SharedWaitError> {
        match self.pop()? {
            Some(value) => Ok(value),
            None => self.wait::<W>(Some(timeout)).map(|()| self.take()),
        }
    }

    /// The values that are there, in place, after waiting for one if necessary: at least one, at most `n`. As
    /// [`peek_up_to`](Self::peek_up_to) and [`pop_wait`](Self::pop_wait).
    ///
    /// # Errors
    /// As for [`pop_wait`](Self::pop_wait).
    pub fn peek_wait<W: Wait>(
        &mut self,
        n: usize,
    ) -> Result<SharedPeeked<'_, 'r, T>, SharedWaitError> {
        self.peek_waiting::<W>(n, None)
    }

    /// As [`peek_wait`](Self::peek_wait), with a time-out: as [`pop_wait_for`](Self::pop_wait_for).
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use framepool::{SharedRegion, ring::{SharedRing, SharedWaitError, Yield}};
    /// # let region = SharedRegion::builder(64 << 10).create()?;
    /// let ring = SharedRing::<u64>::create(region.words(), 4)?;
    /// let (mut tx, mut rx) = (ring.producer()?, ring.consumer()?);
    /// tx.push_slice(&[1, 2])?;
    /// let waiting = rx.peek_wait_for::<Yield>(8, Duration::from_millis(1))?;
    /// assert_eq!(waiting.iter().sum::<u64>(), 3);
    /// waiting.release(2);
    /// let error = rx.peek_wait_for::<Yield>(8, Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error, SharedWaitError::TimedOut);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pop_wait_for`](Self::pop_wait_for).
    pub fn peek_wait_for<W: Wait>(
        &mut self,
        n: usize,
        timeout: Duration,
    ) -> Result<SharedPeeked<'_, 'r, T>, SharedWaitError> {
        self.peek_waiting::<W>(n, Some(timeout))
    }

    fn peek_waiting<W: Wait>(
        &mut self,
        n: usize,
        timeout: Option<Duration>,
    ) -> Result<SharedPeeked<'_, 'r, T>, SharedWaitError> {
        if self.waiting(1)? == 0 {
            self.wait::<W>(timeout)?;
        }
        Ok(self.peek_up_to(n)?)
    }

    /// Waits for a value.
    #[cold]
    fn wait<W: Wait>(&mut self, timeout: Option<Duration>) -> Result<(), SharedWaitError> {
        let (mut wait, limit) = (W::default(), Limit::after(timeout));
        let mut watch = Watch::new(self.words().word(PRODUCER));
        loop {
            // In this order: values that were pushed before the producer was lost are taken.
            let over = limit.is_over();
            let lost = watch.look(over);
            match (self.waiting(1)?, lost) {
                (1.., _) => return Ok(()),
                (_, Some(Loss::Left)) => return Err(SharedWaitError::Abandoned),
                (_, Some(Loss::Died(process))) => return Err(SharedWaitError::Died { process }),
                (_, Some(Loss::Bad(found))) => {
                    return Err(SharedRingError::BadOwner { found }.into());
                }
                (_, None) if over => return Err(SharedWaitError::TimedOut),
                (_, None) => wait.wait(),
            }
        }
    }
}
