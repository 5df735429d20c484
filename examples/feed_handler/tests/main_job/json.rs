//! The report, read strictly (RFC 8259): one flat object of numbers and strings.

use std::collections::BTreeMap;

/// The fields of a report.
#[derive(Debug, Default)]
pub struct Report(BTreeMap<String, Value>);

#[derive(Debug)]
enum Value {
    Number(f64),
    Text(String),
}

impl Report {
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut text = Text(line);
        let mut report = Self::default();
        text.expect('{')?;
        loop {
            let name = text.string()?;
            text.expect(':')?;
            let value = text.value()?;
            if report.0.insert(name.clone(), value).is_some() {
                return Err(format!("{name} comes twice"));
            }
            if text.expect(',').is_err() {
                break;
            }
        }
        text.expect('}')?;
        match text.0 {
            "" => Ok(report),
            rest => Err(format!("more than an object: {rest:?}")),
        }
    }

    /// A field that is there and a number.
    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(Value::Number(n)) => *n,
            other => panic!("{name}: {other:?} in {self:?}"),
        }
    }

    /// A field that is there and a string.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(Value::Text(text)) => text,
            other => panic!("{name}: {other:?} in {self:?}"),
        }
    }

    /// Several numbers at once.
    #[track_caller]
    pub fn assert(&self, expected: &[(&str, u64)]) {
        for (name, n) in expected {
            assert_eq!(self.number(name), *n as f64, "{name} in {self:?}");
        }
    }
}

/// What is left of the line.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn expect(&mut self, c: char) -> Result<(), String> {
        let rest = self.0.trim_start_matches([' ', '\t']);
        self.0 = rest
            .strip_prefix(c)
            .ok_or(format!("no {c:?} before {rest:?}"))?;
        Ok(())
    }

    fn value(&mut self) -> Result<Value, String> {
        self.0 = self.0.trim_start_matches([' ', '\t']);
        if self.0.starts_with('"') {
            return Ok(Value::Text(self.string()?));
        }
        let end = self.0.find([',', '}', ' ', '\t']).unwrap_or(self.0.len());
        let (number, rest) = self.0.split_at(end);
        self.0 = rest;
        // Rust reads more than JSON allows: "inf", "+1", "1.", ".5", "007".
        let bare = number.strip_prefix('-').unwrap_or(number);
        let digits = bare.split(['.', 'e', 'E']).next().unwrap_or_default();
        let strict = bare
            .chars()
            .all(|c| c.is_ascii_digit() || ".eE+-".contains(c))
            && !bare.ends_with('.')
            && !digits.is_empty()
            && (digits == "0" || !digits.starts_with('0'));
        match number.parse() {
            Ok(n) if strict => Ok(Value::Number(n)),
            _ => Err(format!("{number:?} is no number")),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut out = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => match chars.next() {
                    Some(c @ ('"' | '\\' | '/')) => out.push(c),
                    Some('u') => {
                        let digits: String = chars.by_ref().take(4).collect();
                        let code = u32::from_str_radix(&digits, 16).map_err(|e| e.to_string())?;
                        out.extend(char::from_u32(code));
                    }
                    Some(c @ ('b' | 'f' | 'n' | 'r' | 't')) => out.extend(['\\', c]),
                    other => return Err(format!("{other:?} is no escape")),
                },
                Some(c) if c >= ' ' => out.push(c),
                other => return Err(format!("{other:?} in a string")),
            }
        }
        self.0 = chars.as_str();
        Ok(out)
    }
}

#[test]
fn the_reader_of_reports_reads_json_and_nothing_else() {
    let report = Report::parse(r#"{"a":1,"b":-2.5e3, "c" : "x\"\\\u0041"}"#).unwrap();
    assert_eq!(report.number("a"), 1.0);
    assert_eq!(report.number("b"), -2500.0);
    assert_eq!(report.text("c"), "x\"\\A");
    for wrong in [
        "",
        "{",
        "{}}",
        r#"{"a":}"#,
        r#"{"a":NaN}"#,
        r#"{"a":inf}"#,
        r#"{"a":01}"#,
        r#"{"a":1.}"#,
        r#"{"a":.5}"#,
        r#"{"a":1,}"#,
        r#"{"a":1}{"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":"x}"#,
        r#"{a:1}"#,
    ] {
        assert!(Report::parse(wrong).is_err(), "{wrong}");
    }
}
