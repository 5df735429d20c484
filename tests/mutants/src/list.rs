//! The list of mutants: see the head of `mutants.txt`.

use std::collections::BTreeMap;

/// One change that a test must notice.
#[derive(Debug, Default)]
pub struct Mutant {
    pub name: String,
    pub file: String,
    /// A shell command.
    pub test: String,
    pub old: String,
    pub new: String,
}

/// The mutants in order, or what is wrong and where.
pub fn parse(text: &str) -> Result<Vec<Mutant>, String> {
    let (mut mutants, mut commands) = (Vec::<Mutant>::new(), BTreeMap::new());
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let wrong = |what: &str| Err(format!("line {number}: {what}"));
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            return wrong("no key");
        };
        let value = value.trim();
        if let Some(name) = key.strip_prefix("command ") {
            commands.insert(name, value);
            continue;
        }
        if key == "mutant" {
            if mutants.iter().any(|other| other.name == value) {
                return wrong("another mutant has this name");
            }
            let name = value.to_string();
            mutants.push(Mutant {
                name,
                ..Mutant::default()
            });
            continue;
        }
        let Some(mutant) = mutants.last_mut() else {
            return wrong("no mutant to belong to");
        };
        match key {
            "file" => mutant.file = value.to_string(),
            "test" => mutant.test = expand(value, &commands),
            "old" => {
                let texts = (up_to(&mut lines, "new:"), up_to(&mut lines, "end"));
                match texts {
                    (Some(old), Some(new)) if !old.is_empty() && old != new => {
                        (mutant.old, mutant.new) = (old, new);
                    }
                    _ => return wrong("not a text, `new:`, another text, `end`"),
                }
            }
            _ => return wrong("unknown key"),
        }
    }
    for mutant in &mutants {
        if mutant.file.is_empty() || mutant.test.is_empty() || mutant.old.is_empty() {
            return Err(format!("incomplete: {}", mutant.name));
        }
    }
    Ok(mutants)
}

/// The lines up to `end`, in one text; `None` if it does not come.
fn up_to<'t>(lines: &mut impl Iterator<Item = (usize, &'t str)>, end: &str) -> Option<String> {
    let mut text = Vec::new();
    for (_, line) in lines {
        match line {
            line if line == end => return Some(text.join("\n")),
            "old:" | "new:" | "end" => return None,
            line => text.push(line),
        }
    }
    None
}

/// A command whose first word may be the name of another.
fn expand(value: &str, commands: &BTreeMap<&str, &str>) -> String {
    let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
    match commands.get(first) {
        Some(command) => format!("{command} {rest}").trim_end().to_string(),
        None => value.to_string(),
    }
}
