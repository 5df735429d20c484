//! Ends that sleep: with any executor, `std` or not.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use crate::ring::control::Control;
use crate::ring::error::{Abandoned, Full};
use crate::ring::{Consumer, Ends, Producer};

/// Makes ends that wake each other. They take both, since a producer that does not wake would let
/// an asynchronous consumer sleep.
///
/// Each operation that changes the ring then costs a full fence (about 20 cycles on x86-64) besides, to
/// see whether the other end sleeps. One waker is kept for each end, in the ring itself.
///
/// ```
/// use framepool::ring::{self, Ring};
/// # use std::task::{Context, Poll, Waker};
/// # fn block_on<F: Future>(f: F) -> F::Output {
/// #     let mut f = std::pin::pin!(f);
/// #     loop {
/// #         if let Poll::Ready(out) = f.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #             return out;
/// #         }
/// #     }
/// # }
///
/// static RING: Ring<u32, 16> = Ring::new();
/// let Ok((mut tx, mut rx)) = ring::asynchronous(RING.split()?) else { unreachable!() };
/// let producer = std::thread::spawn(move || block_on(async {
///     for i in 0..100 {
///         tx.push(i).await.unwrap();
///     }
/// }));
/// let sum = block_on(async {
///     let mut sum = 0;
///     while let Some(i) = rx.pop().await {
///         sum += i;
///     }
///     sum
/// });
/// assert_eq!(sum, 4950);
/// # producer.join().unwrap();
/// # Ok::<(), ring::RingError>(())
/// ```
///
/// # Errors
/// The ends, if they are not of one ring.
#[allow(clippy::result_large_err, reason = "both ends go in, and come back")]
pub fn asynchronous<'r, T>(
    ends: Ends<'r, T>,
) -> Result<(AsyncProducer<'r, T>, AsyncConsumer<'r, T>), Ends<'r, T>> {
    if !ends.0.place().is_same(ends.1.place()) {
        return Err(ends);
    }
    Ok((AsyncProducer(ends.0), AsyncConsumer(ends.1)))
}

/// A producer that can sleep, and wakes its consumer: from [`asynchronous`].
pub struct AsyncProducer<'r, T>(Producer<'r, T>);

impl<'r, T> AsyncProducer<'r, T> {
    /// The producer, for its figures.
    pub fn as_producer(&self) -> &Producer<'r, T> {
        &self.0
    }

    /// Appends a value, after sleeping until there is a place. Cancelled, the value is dropped with
    /// the future.
    ///
    /// # Errors
    /// [`Abandoned`] with the value: the ring is full, and the consumer is gone.
    pub async fn push(&mut self, value: T) -> Result<(), Abandoned<T>> {
        let mut value = Some(value);
        poll_fn(|context| self.poll_push(&mut value, context)).await
    }

    /// Appends the value in `value`, or registers to be woken when there is a place; that counts as one refusal.
    ///
    /// # Errors
    /// As for [`push`](Self::push). With no value in `value` it is `Ready(Ok)`.
    pub fn poll_push(
        &mut self,
        value: &mut Option<T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Abandoned<T>>> {
        // The second look comes after registering, so that no place is missed.
        for registered in [false, true] {
            let abandoned = self.0.is_abandoned();
            let Some(v) = value.take() else {
                return Poll::Ready(Ok(()));
            };
            let pushed = match registered && self.0.room(1) == 0 {
                true => Err(Full(v)),
                false => self.try_push(v),
            };
            match pushed {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(Full(v)) if abandoned => return Poll::Ready(Err(Abandoned(v))),
                Err(Full(v)) => *value = Some(v),
            }
            if !registered && !self.0.place().control().freed.register(context.waker()) {
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// As [`Producer::push`], and wakes the consumer.
    ///
    /// # Errors
    /// [`Full`] with the value.
    pub fn try_push(&mut self, value: T) -> Result<(), Full<T>> {
        self.with(|producer| producer.push(value))
    }

    /// Any operations of the producer, after which the consumer is woken once. Who swaps it for another producer
    /// has one that wakes nobody.
    ///
    /// ```
    /// # use framepool::ring;
    /// # let Ok((mut tx, mut rx)) = ring::asynchronous(ring::allocate(8)?) else { unreachable!() };
    /// assert_eq!(tx.with(|tx| tx.push_slice(&[1, 2, 3])), 3);
    /// assert_eq!(rx.with(|rx| rx.pop()), Some(1));
    /// # Ok::<(), ring::RingError>(())
    /// ```
    pub fn with<R>(&mut self, operations: impl FnOnce(&mut Producer<'r, T>) -> R) -> R {
        /// On the way out, by a panic too: what was done before it is there to be seen.
        struct Announce<'a, 'r, T>(&'a mut Producer<'r, T>);
        impl<T> Drop for Announce<'_, '_, T> {
            fn drop(&mut self) {
                Control::announce(&self.0.place().control().filled);
            }
        }
        let announce = Announce(&mut self.0);
        let result = operations(announce.0);
        // Before the result is in the return place, where a waker that panics would leak it.
        drop(announce);
        result
    }
}

/// A consumer that can sleep, and wakes its producer: from [`asynchronous`].
pub struct AsyncConsumer<'r, T>(Consumer<'r, T>);

impl<'r, T> AsyncConsumer<'r, T> {
    /// The consumer, for its figures.
    pub fn as_consumer(&self) -> &Consumer<'r, T> {
        &self.0
    }

    /// Takes the oldest value, after sleeping until there is one. `None`: the producer is gone, and
    /// nothing is left. Nothing is lost if it is cancelled.
    pub async fn pop(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_pop(context)).await
    }

    /// Takes the oldest value, or registers to be woken when there is one; that counts once as starved.
    pub fn poll_pop(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        // The second look comes after registering, so that no value is missed.
        for registered in [false, true] {
            let abandoned = self.0.is_abandoned();
            if !registered || self.0.waiting(1) > 0 {
                if let Some(value) = self.try_pop() {
                    return Poll::Ready(Some(value));
                }
            }
            if abandoned {
                return Poll::Ready(None);
            }
            if !registered && !self.0.place().control().filled.register(context.waker()) {
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// As [`Consumer::pop`], and wakes the producer.
    pub fn try_pop(&mut self) -> Option<T> {
        self.with(Consumer::pop)
    }

    /// Any operations of the consumer, after which the producer is woken once. Who swaps it for another consumer
    /// has one that wakes nobody.
    pub fn with<R>(&mut self, operations: impl FnOnce(&mut Consumer<'r, T>) -> R) -> R {
        /// On the way out, by a panic too: what was done before it is there to be seen.
        struct Announce<'a, 'r, T>(&'a mut Consumer<'r, T>);
        impl<T> Drop for Announce<'_, '_, T> {
            fn drop(&mut self) {
                Control::announce(&self.0.place().control().freed);
            }
        }
        let announce = Announce(&mut self.0);
        let result = operations(announce.0);
        // Before the result is in the return place, where a waker that panics would leak it.
        drop(announce);
        result
    }
}

impl<T> fmt::Debug for AsyncProducer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncProducer").field(&self.0).finish()
    }
}

impl<T> fmt::Debug for AsyncConsumer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncConsumer").field(&self.0).finish()
    }
}
