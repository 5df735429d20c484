//! Breaks framepool in one place at a time and runs the test that must fail: `cargo run -- [FILTER...]` in
//! this folder. A filter is a part of a mutant's name. Several filters select all mutants that one of them matches.
//!
//! The files in `list` contain the changes; `list/README.md` documents their format. They are applied to a copy of
//! the repository, in `target/mutants`, which keeps its builds between runs:
//!
//! 1. Every command must pass on the unchanged copy, and run at least one test.
//! 2. For each mutant the text is replaced, the tests are built, and the command runs. If it fails or hangs, the
//!    mutant is killed; if it passes, the mutant survives.
//!
//! The exit status is 0 if all mutants were killed. A text that does not match exactly once, a command that fails
//! without a mutant, and a mutant that does not compile are errors: the list is out of date.

mod list;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use list::Mutant;

/// The time limit of a run: this, plus [`SLOWER`] times the run of the unchanged copy.
const AT_LEAST: Duration = Duration::from_secs(30);
const SLOWER: u32 = 5;
const BUILD: Duration = Duration::from_secs(1800);

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("ERROR: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let root = repository()?;
    let filters: Vec<_> = std::env::args().skip(1).collect();
    let mut mutants = read_lists(root)?;
    mutants.retain(|mutant| {
        filters.is_empty()
            || filters
                .iter()
                .any(|part| mutant.name.contains(part.as_str()))
    });
    if mutants.is_empty() {
        return Err("no mutant's name matches".into());
    }
    let scratch = Scratch::copy(root).map_err(|e| format!("cannot copy the repository: {e}"))?;

    // First, because it is fast: does every text match?
    let mut errors = Vec::new();
    mutants.retain(|mutant| match mutated(&scratch.tree, mutant) {
        Ok(_) => true,
        Err(e) => {
            println!("ERROR: {}: {e}", mutant.name);
            errors.push(mutant.name.clone());
            false
        }
    });
    let mut limits = BTreeMap::new();
    for mutant in &mutants {
        if !limits.contains_key(&mutant.command) {
            let limit = scratch.limit(&mutant.command);
            if let Err(e) = &limit {
                println!("ERROR: {e}");
            }
            limits.insert(mutant.command.clone(), limit.ok());
        }
    }

    let (mut killed, mut survived) = (0, Vec::new());
    for mutant in &mutants {
        let Some(limit) = limits[&mutant.command] else {
            errors.push(mutant.name.clone());
            continue;
        };
        let began = Instant::now();
        let verdict = scratch.try_out(mutant, limit);
        let took = began.elapsed().as_secs();
        match verdict {
            Ok(Verdict::Killed | Verdict::Hung) => killed += 1,
            Ok(Verdict::Survived) => survived.push(&mutant.name),
            Err(_) => errors.push(mutant.name.clone()),
        }
        match verdict {
            Ok(verdict) => println!("{verdict:?}: {} ({took} s)", mutant.name),
            Err(e) => println!("ERROR: {}: {e}", mutant.name),
        }
    }
    println!("{killed} killed, {} survived", survived.len());
    for name in &survived {
        println!("  survived: {name}");
    }
    for name in &errors {
        println!("  ERROR: {name}");
    }
    Ok(survived.is_empty() && errors.is_empty())
}

/// The folder of the repository that this program is in.
fn repository() -> Result<&'static Path, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).ok_or("no repository".into())
}

/// The mutants of all lists of a repository, in the order of the lists' names.
fn read_lists(root: &Path) -> Result<Vec<Mutant>, String> {
    let folder = root.join("tests/mutants/list");
    let told = |e: io::Error| format!("{}: {e}", folder.display());
    let files: io::Result<Vec<_>> = fs::read_dir(&folder)
        .map_err(told)?
        .map(|entry| Ok(entry?.path()))
        .collect();
    let mut files = files.map_err(told)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let mut mutants = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&file).map_err(told)?;
        mutants.extend(list::parse(&name, &text)?);
    }
    Ok(mutants)
}

/// The text of a mutant's file in a repository, without and with the mutant.
fn mutated(root: &Path, mutant: &Mutant) -> Result<(String, String), String> {
    let text =
        fs::read_to_string(root.join(&mutant.file)).map_err(|e| format!("{}: {e}", mutant.file))?;
    match text.matches(&mutant.old).count() {
        1 => {}
        n => return Err(format!("{n} places in {} match", mutant.file)),
    }
    let mutated = text.replacen(&mutant.old, &mutant.new, 1);
    Ok((text, mutated))
}

#[derive(Debug)]
enum Verdict {
    Killed,
    Hung,
    Survived,
}

/// A copy of the repository.
struct Scratch {
    tree: PathBuf,
    log: PathBuf,
}

impl Scratch {
    /// Copies the files that git tracks or would add. Unchanged files are not written, so that the builds of an earlier
    /// run stay valid.
    fn copy(root: &Path) -> io::Result<Self> {
        let folder = root.join("target/mutants");
        let (tree, log) = (folder.join("tree"), folder.join("log"));
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()?;
        if !listed.status.success() {
            return Err(io::Error::other("git ls-files failed"));
        }
        let listed = String::from_utf8_lossy(&listed.stdout);
        let mut files = BTreeSet::new();
        for name in listed.split_terminator('\0') {
            // Git also lists deleted files.
            if let Ok(bytes) = fs::read(root.join(name)) {
                let to = tree.join(name);
                if fs::read(&to).ok().as_ref() != Some(&bytes) {
                    fs::create_dir_all(to.parent().unwrap_or(&tree))?;
                    fs::write(&to, bytes)?;
                }
                files.insert(to);
            }
        }
        remove_others(&tree, &files)?;
        Ok(Self { tree, log })
    }

    /// The time limit of a command; an error if it fails without a mutant.
    fn limit(&self, test: &str) -> Result<Duration, String> {
        self.build(test)?;
        let began = Instant::now();
        match self.shell(test, BUILD)? {
            Some(true) => {}
            _ => return Err(self.with_log(&format!("fails without a mutant: {test}"))),
        }
        let took = began.elapsed();
        if !self.ran_a_test() {
            return Err(format!("runs no test: {test}"));
        }
        println!("passes without a mutant ({} s): {test}", took.as_secs());
        Ok(AT_LEAST + took * SLOWER)
    }

    fn try_out(&self, mutant: &Mutant, limit: Duration) -> Result<Verdict, String> {
        let (original, mutated) = mutated(&self.tree, mutant)?;
        let path = self.tree.join(&mutant.file);
        fs::write(&path, mutated).map_err(|e| e.to_string())?;
        let verdict = self.build(&mutant.command).and_then(|()| {
            Ok(match self.shell(&mutant.command, limit)? {
                None => Verdict::Hung,
                Some(false) => Verdict::Killed,
                Some(true) => Verdict::Survived,
            })
        });
        fs::write(&path, original).map_err(|e| e.to_string())?;
        verdict
    }

    /// Builds the tests of a command. A failure here does not kill the mutant.
    fn build(&self, test: &str) -> Result<(), String> {
        let build = test.replacen(" test ", " test --no-run ", 1);
        match self.shell(&build, BUILD)? {
            Some(true) => Ok(()),
            _ => Err(self.with_log(&format!("does not build: {build}"))),
        }
    }

    /// Whether a command succeeds; `None` if it takes too long.
    fn shell(&self, command: &str, limit: Duration) -> Result<Option<bool>, String> {
        let told = |e: io::Error| format!("{command}: {e}");
        let log = File::create(&self.log).map_err(told)?;
        let mut child = Command::new("bash")
            .args(["-c", command])
            .current_dir(&self.tree)
            // These come from the cargo that runs this program.
            .env_remove("CARGO_TARGET_DIR")
            // For optimised tests, whose time is mostly the compiler's.
            .envs([
                ("CARGO_PROFILE_RELEASE_LTO", "off"),
                ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(told)?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(told)?;
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(told)? {
                return Ok(Some(status.success()));
            }
            if began.elapsed() > limit {
                // The process group, with cargo's children.
                let group = format!("-{}", child.id());
                let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
                child.wait().map_err(told)?;
                return Ok(None);
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn ran_a_test(&self) -> bool {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines()
            .filter_map(|line| line.strip_prefix("test result: ok. "))
            .any(|counts| !counts.starts_with("0 passed"))
    }

    /// A message, and the end of the last command's output.
    fn with_log(&self, message: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(30)..);
        format!("{message}\n{}", last.unwrap_or_default().join("\n"))
    }
}

/// Removes every file that is not one of `files`, outside of folders named `target`.
fn remove_others(folder: &Path, files: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                remove_others(&path, files)?;
            }
        } else if !files.contains(&path)
            && path.file_name().is_some_and(|name| name != "Cargo.lock")
        {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_every_list_is_in_its_file_exactly_once() {
        let root = repository().unwrap();
        let mutants = read_lists(root).unwrap();
        assert!(!mutants.is_empty());
        let errors: Vec<_> = mutants
            .iter()
            .filter_map(|mutant| Some(format!("{}: {}", mutant.name, mutated(root, mutant).err()?)))
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}
