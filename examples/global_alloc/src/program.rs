//! The program: a gateway that sends orders, and a book that answers, on two threads.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::book::{Book, message};
use crate::faults;
use crate::memory::{self, Figures, Most};
use crate::options::Options;

/// Messages under way in each direction.
const UNDER_WAY: usize = 16;

/// The result of a run, for the time after the warm-up.
pub struct Outcome {
    pub elapsed: Duration,
    /// The memory at its start.
    pub start: Figures,
    /// The most memory that was in use, as seen once a round.
    pub most: Most,
    /// Page faults of the gateway's thread and of the book's.
    pub faults: [u64; 2],
    /// Orders that the book kept at the end.
    pub orders: usize,
}

pub fn run(options: &Options) -> Result<Outcome, String> {
    let (messages, for_book) = sync_channel(UNDER_WAY);
    let (answers, for_gateway) = sync_channel(UNDER_WAY);
    let warm_up = options.warm_up;
    thread::scope(|scope| {
        let book = scope.spawn(move || keep_book(&for_book, &answers, warm_up));
        let gateway = scope.spawn(move || send_orders(&messages, &for_gateway, options));
        // The gateway's error is that of the book if the book ended first.
        let kept = book.join().map_err(|_| "the book's thread panicked")??;
        let sent = gateway
            .join()
            .map_err(|_| "the gateway's thread panicked")??;
        Ok(Outcome {
            elapsed: sent.elapsed,
            start: sent.start,
            most: kept.most,
            faults: [sent.faults, kept.faults],
            orders: kept.orders,
        })
    })
}

struct Sent {
    elapsed: Duration,
    start: Figures,
    faults: u64,
}

/// The gateway's thread: sends a message each round, and reads the answers.
fn send_orders(
    messages: &SyncSender<String>,
    answers: &Receiver<String>,
    options: &Options,
) -> Result<Sent, String> {
    let closed = |_| "the book's thread has ended".to_string();
    let rounds = |from: u64, to: u64| {
        let mut answered = from;
        for round in from..to {
            messages
                .send(message(round))
                .map_err(|_| "the book's thread has ended")?;
            if round - answered >= UNDER_WAY as u64 / 2 {
                check(&answers.recv().map_err(closed)?, answered)?;
                answered += 1;
            }
        }
        (answered..to).try_for_each(|round| check(&answers.recv().map_err(closed)?, round))
    };
    rounds(0, options.warm_up)?;
    // Outside of the count: the first readings of clock and faults map pages.
    faults::of_this_thread()?;
    let (start, began) = (memory::figures(), Instant::now());
    let before = faults::of_this_thread()?;
    rounds(options.warm_up, options.warm_up + options.rounds)?;
    let faults = faults::of_this_thread()? - before;
    Ok(Sent {
        elapsed: began.elapsed(),
        start,
        faults,
    })
}

/// An answer is of its round.
fn check(answer: &str, round: u64) -> Result<(), String> {
    let answer: Value = serde_json::from_str(answer).map_err(|e| e.to_string())?;
    match answer["round"].as_u64() {
        Some(found) if found == round => Ok(()),
        found => Err(format!("the answer to round {round} is of round {found:?}")),
    }
}

struct Kept {
    most: Most,
    faults: u64,
    orders: usize,
}

/// The book's thread: answers each message until the gateway hangs up.
fn keep_book(
    messages: &Receiver<String>,
    answers: &SyncSender<String>,
    warm_up: u64,
) -> Result<Kept, String> {
    let mut book = Book::default();
    let mut kept = Kept {
        most: Most::default(),
        faults: 0,
        orders: 0,
    };
    let mut before = faults::of_this_thread()?;
    for (round, message) in (0..).zip(messages) {
        if round == warm_up {
            before = faults::of_this_thread()?;
        }
        let answer = book.answer(&message)?;
        if round >= warm_up {
            kept.most.note();
        }
        if answers.send(answer).is_err() {
            break;
        }
    }
    kept.faults = faults::of_this_thread()? - before;
    kept.orders = book.len();
    Ok(kept)
}
