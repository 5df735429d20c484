//! Reads the report strictly (RFC 8259) as one object.

use std::collections::BTreeMap;

/// The fields of a report, or of an object in it.
#[derive(Debug, Default, PartialEq)]
pub struct Report(BTreeMap<String, Value>);

#[derive(Debug, PartialEq)]
enum Value {
    Null,
    Number(f64),
    Text(String),
    Array(Vec<Value>),
    Object(Report),
}

impl Report {
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut text = Text(line);
        let report = text.object()?;
        match text.0 {
            "" => Ok(report),
            rest => Err(format!("more than an object: {rest:?}")),
        }
    }

    /// Returns a field, which must be a number.
    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(Value::Number(n)) => *n,
            other => panic!("{name}: {other:?} in {self:?}"),
        }
    }

    /// Returns a field, which must be a string.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(Value::Text(text)) => text,
            other => panic!("{name}: {other:?} in {self:?}"),
        }
    }

    /// Asserts that a field has the value of `json`.
    #[track_caller]
    pub fn assert_is(&self, name: &str, json: &str) {
        let expected = Text(json).value().expect("the test writes JSON");
        assert_eq!(self.0.get(name), Some(&expected), "{name} in {self:?}");
    }

    /// Asserts the values of several numbers.
    #[track_caller]
    pub fn assert(&self, expected: &[(&str, u64)]) {
        for (name, n) in expected {
            assert_eq!(self.number(name), *n as f64, "{name} in {self:?}");
        }
    }
}

/// The rest of the line.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn expect(&mut self, c: char) -> Result<(), String> {
        let rest = self.0.trim_start_matches([' ', '\t']);
        self.0 = rest
            .strip_prefix(c)
            .ok_or(format!("no {c:?} before {rest:?}"))?;
        Ok(())
    }

    /// Whether `c` comes next; if so, it is skipped.
    fn is(&mut self, c: char) -> bool {
        self.expect(c).is_ok()
    }

    fn object(&mut self) -> Result<Report, String> {
        let mut report = Report::default();
        self.expect('{')?;
        if self.is('}') {
            return Ok(report);
        }
        loop {
            let name = self.string()?;
            self.expect(':')?;
            let value = self.value()?;
            if report.0.insert(name.clone(), value).is_some() {
                return Err(format!("{name} comes twice"));
            }
            if !self.is(',') {
                break;
            }
        }
        self.expect('}')?;
        Ok(report)
    }

    fn array(&mut self) -> Result<Vec<Value>, String> {
        let mut values = Vec::new();
        self.expect('[')?;
        if self.is(']') {
            return Ok(values);
        }
        loop {
            values.push(self.value()?);
            if !self.is(',') {
                break;
            }
        }
        self.expect(']')?;
        Ok(values)
    }

    fn value(&mut self) -> Result<Value, String> {
        self.0 = self.0.trim_start_matches([' ', '\t']);
        match self.0.chars().next() {
            Some('"') => return Ok(Value::Text(self.string()?)),
            Some('[') => return Ok(Value::Array(self.array()?)),
            Some('{') => return Ok(Value::Object(self.object()?)),
            _ => {}
        }
        if let Some(rest) = self.0.strip_prefix("null") {
            self.0 = rest;
            return Ok(Value::Null);
        }
        let end = self
            .0
            .find([',', '}', ']', ' ', '\t'])
            .unwrap_or(self.0.len());
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
            _ => Err(format!("{number:?} is not a number")),
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
                    other => return Err(format!("{other:?} is not an escape")),
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
    let nested = Report::parse(r#"{"a":[],"b":{},"c":[{"d":null},2]}"#).unwrap();
    nested.assert_is("a", "[]");
    nested.assert_is("b", "{}");
    nested.assert_is("c", r#"[ {"d" : null}, 2 ]"#);
    for wrong in [
        "",
        "{",
        "{}}",
        r#"{"a":[1,]}"#,
        r#"{"a":[1}"#,
        r#"{"a":{"b":1]}"#,
        r#"{"a":nullx}"#,
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
