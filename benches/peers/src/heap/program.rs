//! Whole programs: `heap/program/…`.
//!
//! Each allocator is the global one of a program of its own, `program-NAME` beside this one
//! (`cargo build --release` builds all). The programs wait for a line that names a task, run it once, and answer with
//! the processor time that it took.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::harness::{FRAMEPOOL, Placement, Row, Series, THREAD_HEAP, rounds, rows};
use crate::options::Options;

/// The tasks of the programs.
pub const BENCHES: &[&str] = &[
    "heap/program/json",
    "heap/program/btree",
    "heap/program/ast",
];

/// The programs' allocators, and whether they map memory of their own.
const PROGRAMS: &[(&str, bool)] = &[
    (THREAD_HEAP, false),
    (FRAMEPOOL, false),
    ("mimalloc", true),
    ("snmalloc", true),
    ("jemalloc", true),
    ("rpmalloc", true),
    ("sefer-alloc", true),
    ("rusty_alloc", true),
    ("dlmalloc", true),
    ("malloc", true),
    ("talc", false),
    ("rlsf", false),
];

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Vec<Row>, String> {
    let wanted: Vec<&str> = BENCHES
        .iter()
        .copied()
        .filter(|bench| options.wants(bench))
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut programs = Vec::new();
    for (name, own) in PROGRAMS {
        let path = path(name)?;
        if !path.exists() {
            eprintln!(
                "framepool-peers: heap/program is not measured on {name}: `cargo build --release` builds {}",
                path.display()
            );
            continue;
        }
        programs.push(Program::start(name, *own, &path)?);
    }
    let mut all = Vec::new();
    for bench in &wanted {
        all.extend(measure(bench, &mut programs, options, wanted.len())?);
    }
    Ok(all)
}

/// Where the program of an allocator is.
fn path(name: &str) -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| error.to_string())?;
    Ok(own.with_file_name(format!("program-{name}")))
}

fn measure(
    bench: &str,
    programs: &mut [Program],
    options: &Options,
    benches: usize,
) -> Result<Vec<Row>, String> {
    let task = bench.rsplit('/').next().unwrap_or_default();
    let series = |program: &Program| Series::new(bench, &program.name);
    let mut all: Vec<Series> = programs.iter().map(series).collect();
    let mut failed = None;
    let len = programs.len();
    rounds(options.budget / benches as u32, |round, counts_now| {
        for i in (0..len).map(|i| (i + round) % len) {
            match programs[i].run(task) {
                Ok(ns) if counts_now => all[i].samples.push((Placement::Single, ns)),
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(rows(&all)),
    }
}

/// A running program.
struct Program {
    name: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Program {
    fn start(name: &str, own: bool, path: &PathBuf) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else {
            return Err(format!("{}: no pipes", path.display()));
        };
        Ok(Self {
            name: match own {
                true => format!("{name} (own mapping)"),
                false => name.to_owned(),
            },
            child,
            to,
            from: BufReader::new(from),
        })
    }

    /// Runs a task once. Returns the ns that it took.
    fn run(&mut self, task: &str) -> Result<f64, String> {
        let failed = |error: std::io::Error| format!("program {}: {error}", self.name);
        writeln!(self.to, "{task}").map_err(failed)?;
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(failed)?;
        let answer = line.trim();
        answer
            .parse()
            .map_err(|_| format!("program {}: answered `{answer}`", self.name))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
