//! Orders, and the book that keeps them.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

/// Orders in a message.
pub const ORDERS: u64 = 32;
/// Orders that the book keeps; older ones are cancelled.
const LIVE: usize = 4000;
const SYMBOLS: [&str; 8] = [
    "AAPL", "AMZN", "GOOGL", "INTC", "META", "MSFT", "NVDA", "TSLA",
];

/// The message of a round, as JSON.
pub fn message(round: u64) -> String {
    let orders: Vec<Value> = (0..ORDERS)
        .map(|i| {
            // Scattered, and the same in every run.
            let id = round * ORDERS + i;
            let noise = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            let symbol = SYMBOLS[(noise % 8) as usize];
            let price = 10_000 + (noise >> 3) % 200;
            json!({"id": id, "symbol": symbol, "price": price, "shares": 100 + noise % 900})
        })
        .collect();
    json!({"round": round, "orders": orders}).to_string()
}

/// The orders that are alive, by symbol and price.
#[derive(Default)]
pub struct Book {
    levels: BTreeMap<String, BTreeMap<u64, Vec<Value>>>,
    /// Symbol and price of each order, the oldest first.
    age: VecDeque<(String, u64)>,
}

impl Book {
    /// Adds the orders of a message, cancels the oldest, and answers with the best price of each symbol, as JSON.
    pub fn answer(&mut self, message: &str) -> Result<String, String> {
        let mut message: Value = serde_json::from_str(message).map_err(|e| e.to_string())?;
        let Value::Array(orders) = message["orders"].take() else {
            return Err("a message without orders".to_string());
        };
        for order in orders {
            self.add(order)?;
        }
        while self.age.len() > LIVE {
            self.cancel_oldest();
        }
        let best: BTreeMap<&String, u64> = self
            .levels
            .iter()
            .filter_map(|(symbol, levels)| Some((symbol, *levels.keys().next_back()?)))
            .collect();
        Ok(json!({"round": message["round"], "best": best}).to_string())
    }

    fn add(&mut self, order: Value) -> Result<(), String> {
        let (Some(symbol), Some(price)) = (order["symbol"].as_str(), order["price"].as_u64())
        else {
            return Err("an order without symbol or price".to_string());
        };
        let symbol = symbol.to_string();
        self.age.push_back((symbol.clone(), price));
        let level = self.levels.entry(symbol).or_default();
        level.entry(price).or_default().push(order);
        Ok(())
    }

    fn cancel_oldest(&mut self) {
        let Some((symbol, price)) = self.age.pop_front() else {
            return;
        };
        let Some(levels) = self.levels.get_mut(&symbol) else {
            return;
        };
        if let Some(orders) = levels.get_mut(&price) {
            orders.remove(0);
            if orders.is_empty() {
                levels.remove(&price);
            }
        }
    }

    /// Orders that are alive.
    pub fn len(&self) -> usize {
        self.age.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_keeps_the_newest_orders_and_answers_with_the_best_prices() {
        let mut book = Book::default();
        let mut last = String::new();
        for round in 0..200 {
            last = book.answer(&message(round)).unwrap();
        }
        assert_eq!(book.len(), LIVE);
        let orders = book.levels.values().flat_map(BTreeMap::values);
        assert_eq!(orders.map(Vec::len).sum::<usize>(), LIVE);
        let answer: Value = serde_json::from_str(&last).unwrap();
        assert_eq!(answer["round"], 199);
        assert_eq!(answer["best"].as_object().unwrap().len(), SYMBOLS.len());
    }

    #[test]
    fn a_message_that_is_none_is_an_error() {
        let mut book = Book::default();
        for text in ["", "{", "{}", r#"{"orders": [{"symbol": 1}]}"#] {
            assert!(book.answer(text).is_err(), "{text}");
        }
    }
}
