//! The tasks of `heap/program/…`, for programs that differ only in their global allocator.
//!
//! | task | work |
//! |---|---|
//! | `json` | parses about 1 MB of JSON into `serde_json::Value`s and drops them |
//! | `btree` | replaces 10,000 of 20,000 entries of an ordered map of strings |
//! | `ast` | parses an expression of 20,000 terms into boxed nodes, simplifies a copy, evaluates both |

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufRead, Write as _};

/// Runs the tasks that standard input names, and prints the ns of processor time that each of them took.
pub fn main() {
    let mut tasks = Tasks::new();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let Ok(task) = line else { break };
        let start = processor_time();
        match task.as_str() {
            "json" => tasks.json(),
            "btree" => tasks.btree(),
            "ast" => tasks.ast(),
            other => {
                eprintln!("unknown task `{other}`");
                std::process::exit(2);
            }
        }
        let ns = processor_time() - start;
        if writeln!(out, "{ns}").and_then(|()| out.flush()).is_err() {
            break;
        }
    }
}

/// The time that this thread has run, in the kernel too, in ns.
fn processor_time() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

struct Tasks {
    random: Random,
    json: String,
    map: BTreeMap<u64, String>,
    keys: Vec<u64>,
    expression: String,
}

impl Tasks {
    fn new() -> Self {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let json = json_text(&mut random);
        let expression = expression_text(&mut random);
        let mut tasks = Self {
            random,
            json,
            map: BTreeMap::new(),
            keys: Vec::new(),
            expression,
        };
        (0..20_000).for_each(|_| tasks.insert());
        tasks
    }

    fn json(&mut self) {
        let value: serde_json::Value = serde_json::from_str(&self.json).expect("valid JSON");
        black_box(&value);
    }

    fn insert(&mut self) {
        let key = self.random.below(u64::MAX);
        let len = 8 + self.random.below(57) as usize;
        self.map.insert(key, "x".repeat(len));
        self.keys.push(key);
    }

    fn btree(&mut self) {
        for _ in 0..10_000 {
            let i = self.random.below(self.keys.len() as u64) as usize;
            let key = self.keys.swap_remove(i);
            assert!(self.map.remove(&key).is_some());
            self.insert();
        }
    }

    fn ast(&mut self) {
        let mut parser = Parser(self.expression.as_bytes());
        let tree = parser.sum();
        let simpler = simplify(tree.clone());
        assert_eq!(evaluate(&tree, 3), evaluate(&simpler, 3));
        black_box(&simpler);
    }
}

/// Records of a trading program, about 1 MB.
fn json_text(random: &mut Random) -> String {
    let mut text = String::from("[");
    while text.len() < 1_000_000 {
        if text.len() > 1 {
            text.push(',');
        }
        let id = random.below(1 << 40);
        let _ = write!(
            text,
            r#"{{"id":{id},"symbol":"S{}","venue":{{"name":"venue {}","open":{}}},"price":{}.{:02},"quantity":{},"tags":["#,
            random.below(5000),
            random.below(20),
            !id.is_multiple_of(3),
            random.below(1000),
            random.below(100),
            random.below(10_000)
        );
        for i in 0..random.below(5) {
            let comma = if i > 0 { "," } else { "" };
            let _ = write!(text, "{comma}\"tag number {}\"", random.below(1000));
        }
        text.push_str("]}");
    }
    text.push(']');
    text
}

/// A sum of 20,000 terms with products and brackets.
fn expression_text(random: &mut Random) -> String {
    let mut text = String::from("x");
    for _ in 0..20_000 {
        let n = random.below(10);
        let _ = match random.below(6) {
            0 => write!(text, "+{n}"),
            1 => write!(text, "*{n}"),
            2 => write!(text, "+x"),
            3 => write!(text, "+({n}*{n}+x)"),
            4 => write!(text, "+(x+0)*1"),
            _ => write!(text, "*(1+x*{n})"),
        };
    }
    text
}

#[derive(Clone)]
enum Node {
    Number(u64),
    Variable(String),
    Sum(Vec<Node>),
    Product(Box<Node>, Box<Node>),
}

/// Expressions of digits, `x`, `+`, `*` and brackets.
struct Parser<'t>(&'t [u8]);

impl Parser<'_> {
    fn next_is(&mut self, sign: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == sign => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn sum(&mut self) -> Node {
        let mut terms = vec![self.product()];
        while self.next_is(b'+') {
            terms.push(self.product());
        }
        Node::Sum(terms)
    }

    fn product(&mut self) -> Node {
        let mut node = self.factor();
        while self.next_is(b'*') {
            node = Node::Product(Box::new(node), Box::new(self.factor()));
        }
        node
    }

    fn factor(&mut self) -> Node {
        if self.next_is(b'(') {
            let node = self.sum();
            assert!(self.next_is(b')'));
            return node;
        }
        let (first, rest) = self.0.split_first().expect("a factor");
        self.0 = rest;
        match first {
            b'x' => Node::Variable("x".to_owned()),
            digit => Node::Number(u64::from(digit - b'0')),
        }
    }
}

/// Removes zeros from sums and ones from products, and computes what is constant.
fn simplify(node: Node) -> Node {
    match node {
        Node::Sum(terms) => {
            let mut constant = 0_u64;
            let mut left = Vec::new();
            for term in terms.into_iter().map(simplify) {
                match term {
                    Node::Number(n) => constant = constant.wrapping_add(n),
                    term => left.push(term),
                }
            }
            if constant != 0 || left.is_empty() {
                left.push(Node::Number(constant));
            }
            match left.pop() {
                Some(only) if left.is_empty() => only,
                last => {
                    left.extend(last);
                    Node::Sum(left)
                }
            }
        }
        Node::Product(a, b) => match (simplify(*a), simplify(*b)) {
            (Node::Number(a), Node::Number(b)) => Node::Number(a.wrapping_mul(b)),
            (Node::Number(1), other) | (other, Node::Number(1)) => other,
            (Node::Number(0), _) | (_, Node::Number(0)) => Node::Number(0),
            (a, b) => Node::Product(Box::new(a), Box::new(b)),
        },
        leaf => leaf,
    }
}

fn evaluate(node: &Node, x: u64) -> u64 {
    match node {
        Node::Number(n) => *n,
        Node::Variable(name) => x.wrapping_mul(name.len() as u64),
        Node::Sum(terms) => terms
            .iter()
            .fold(0, |sum, term| sum.wrapping_add(evaluate(term, x))),
        Node::Product(a, b) => evaluate(a, x).wrapping_mul(evaluate(b, x)),
    }
}
