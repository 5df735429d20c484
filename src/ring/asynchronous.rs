//! Ends that sleep and wake each other: with any executor, also without `std`.

use core::future::poll_fn;
use core::task::{Context, Poll};

use crate::ring::construct::Ends;
use crate::ring::consumer::Consumer;
use crate::ring::control::Control;
use crate::ring::error::{Abandoned, Full};
use crate::ring::producer::Producer;
use crate::ring::waker::WakeCell;

/// Makes ends that wake each other. Takes both ends, because an asynchronous consumer would sleep for
/// ever if its producer woke no task.
///
/// Each operation that changes the ring then costs an extra full fence (about 20 cycles on x86-64), to see whether
/// the other end sleeps. The ring itself stores one waker for each end.
///
/// Ends that were taken one by one ([`Ring::producer`](crate::ring::Ring::producer)) may be used, too. When one of them
/// is put back, the other one's task is not woken, since nothing has changed for it; an end that is taken later wakes it
/// only if `asynchronous` has made that end.
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
/// The ends, if they belong to different rings.
#[allow(clippy::result_large_err, reason = "the error returns both ends")]
pub fn asynchronous<'r, T>(
    ends: Ends<'r, T>,
) -> Result<(AsyncProducer<'r, T>, AsyncConsumer<'r, T>), Ends<'r, T>> {
    if !ends.0.memory().is_same(ends.1.memory()) {
        return Err(ends);
    }
    Ok((AsyncProducer(ends.0), AsyncConsumer(ends.1)))
}

/// Runs operations of an end, and then wakes the task in `cell` if there is one.
fn then_wake<E, R>(
    end: &mut E,
    cell: fn(&E) -> &WakeCell,
    operations: impl FnOnce(&mut E) -> R,
) -> R {
    /// Wakes after a panic too: the operations before it have changed the ring.
    struct Announce<'a, E>(&'a mut E, fn(&E) -> &WakeCell);
    impl<E> Drop for Announce<'_, E> {
        fn drop(&mut self) {
            Control::announce(self.1(self.0));
        }
    }
    let announce = Announce(end, cell);
    let result = operations(announce.0);
    // Before the result is in the return place, where a waker that panics would leak it.
    drop(announce);
    result
}

/// A producer that can sleep, and wakes its consumer: from [`asynchronous`].
pub struct AsyncProducer<'r, T>(Producer<'r, T>);

impl<'r, T> AsyncProducer<'r, T> {
    /// The producer, for its counters.
    pub fn as_producer(&self) -> &Producer<'r, T> {
        &self.0
    }

    /// Appends a value, after sleeping until there is room. If the future is dropped before that, the value is dropped
    /// with it.
    ///
    /// # Errors
    /// [`Abandoned`] with the value: the ring is full, and the consumer is gone.
    pub async fn push(&mut self, value: T) -> Result<(), Abandoned<T>> {
        let mut value = Some(value);
        poll_fn(|context| self.poll_push(&mut value, context)).await
    }

    /// Appends the value in `value`, or registers the task to be woken when there is room; that counts as one refusal.
    ///
    /// # Errors
    /// As for [`push`](Self::push). If `value` is `None`, the result is `Ready(Ok)`.
    pub fn poll_push(
        &mut self,
        value: &mut Option<T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Abandoned<T>>> {
        // The second look comes after registering, so that no free slot is missed.
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
            if !registered && !self.0.memory().control().freed.register(context.waker()) {
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

    /// Runs any operations of the producer, and then wakes the consumer once. A producer swapped out with
    /// [`core::mem::swap`] no longer wakes anyone.
    ///
    /// ```
    /// # use framepool::ring;
    /// # let Ok((mut tx, mut rx)) = ring::asynchronous(ring::allocate(8)?) else { unreachable!() };
    /// assert_eq!(tx.with(|tx| tx.push_slice(&[1, 2, 3])), 3);
    /// assert_eq!(rx.with(|rx| rx.pop()), Some(1));
    /// # Ok::<(), ring::RingError>(())
    /// ```
    pub fn with<R>(&mut self, operations: impl FnOnce(&mut Producer<'r, T>) -> R) -> R {
        then_wake(&mut self.0, |tx| &tx.memory().control().filled, operations)
    }
}

/// A consumer that can sleep, and wakes its producer: from [`asynchronous`].
pub struct AsyncConsumer<'r, T>(Consumer<'r, T>);

impl<'r, T> AsyncConsumer<'r, T> {
    /// The consumer, for its counters.
    pub fn as_consumer(&self) -> &Consumer<'r, T> {
        &self.0
    }

    /// Takes the oldest value, after sleeping until there is one. `None`: the producer is gone, and
    /// nothing is left. If the future is dropped, no value is lost.
    pub async fn pop(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_pop(context)).await
    }

    /// Takes the oldest value, or registers the task to be woken when there is one; that counts once as starved.
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
            if !registered && !self.0.memory().control().filled.register(context.waker()) {
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// As [`Consumer::pop`], and wakes the producer.
    pub fn try_pop(&mut self) -> Option<T> {
        self.with(Consumer::pop)
    }

    /// Runs any operations of the consumer, and then wakes the producer once. A consumer swapped out with
    /// [`core::mem::swap`] no longer wakes anyone.
    pub fn with<R>(&mut self, operations: impl FnOnce(&mut Consumer<'r, T>) -> R) -> R {
        then_wake(&mut self.0, |rx| &rx.memory().control().freed, operations)
    }
}

describe!(impl[T] AsyncProducer<'_, T> as AsyncProducer { producer = Self::as_producer });
describe!(impl[T] AsyncConsumer<'_, T> as AsyncConsumer { consumer = Self::as_consumer });
