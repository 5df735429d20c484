//! The lists of mutants: `list/README.md` describes their format.

use std::collections::BTreeMap;

/// One change that a test must notice.
#[derive(Debug, Default)]
pub struct Mutant {
    /// The list's name, a colon, and the mutant's name.
    pub name: String,
    pub file: String,
    pub old: String,
    pub new: String,
    /// A shell command.
    pub command: String,
}

/// The sections of a mutant, in order.
const SECTIONS: [&str; 4] = ["file", "old", "new", "command"];

/// The mutants of a list, in order, or the error in it.
pub fn parse(list: &str, text: &str) -> Result<Vec<Mutant>, String> {
    let (head, entries) = split(text, "=== ");
    let shorts: BTreeMap<_, _> = head
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let mut mutants = Vec::<Mutant>::new();
    for (name, text) in entries {
        let name = format!("{list}: {name}");
        let sections = split(&text, "--- ").1;
        let [(a, file), (b, old), (c, new), (d, command)] = &sections[..] else {
            return Err(format!("{name}: not four sections"));
        };
        for (found, wanted) in [a, b, c, d].into_iter().zip(SECTIONS) {
            if found != wanted {
                return Err(format!("{name}: `--- {wanted}` is missing"));
            }
        }
        if old.is_empty() || old == new {
            return Err(format!("{name}: the mutant changes nothing"));
        }
        if mutants.iter().any(|other| other.name == name) {
            return Err(format!("{name}: two mutants have this name"));
        }
        mutants.push(Mutant {
            name,
            file: file.trim().into(),
            old: old.clone(),
            new: new.clone(),
            command: expand(command.trim(), &shorts),
        });
    }
    Ok(mutants)
}

/// Splits at the lines that start with `mark`: the text before the first one, and for each of them the rest of the line
/// and the lines up to the next one.
fn split(text: &str, mark: &str) -> (String, Vec<(String, String)>) {
    let mut parts = vec![(String::new(), Vec::new())];
    for line in text.lines() {
        match (line.strip_prefix(mark), parts.last_mut()) {
            (Some(name), _) => parts.push((name.trim().to_string(), Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    let mut parts = parts
        .into_iter()
        .map(|(name, lines)| (name, lines.join("\n")));
    let head = parts.next().map_or(String::new(), |(_, lines)| lines);
    (head, parts.collect())
}

/// A command, whose first word may be an abbreviation.
fn expand(command: &str, shorts: &BTreeMap<&str, &str>) -> String {
    let (first, rest) = command.split_once(' ').unwrap_or((command, ""));
    match shorts.get(first) {
        Some(long) => format!("{long} {rest}").trim_end().to_string(),
        None => command.to_string(),
    }
}
