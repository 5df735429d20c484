//! Values of options, with errors that name the option.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// The value of an option, as text.
pub fn value(parser: &mut lexopt::Parser, name: &str) -> Result<String, String> {
    let value = parser.value().map_err(|e| e.to_string())?;
    value
        .into_string()
        .map_err(|value| format!("{name}: {value:?} is not UTF-8"))
}

/// A whole number in a range.
pub fn number<T>(
    parser: &mut lexopt::Parser,
    name: &str,
    range: RangeInclusive<T>,
) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    let value = value(parser, name)?;
    match value.parse() {
        Ok(n) if range.contains(&n) => Ok(n),
        _ => {
            let (least, most) = range.into_inner();
            Err(format!(
                "{name} takes a whole number from {least} to {most}, not {value:?}"
            ))
        }
    }
}

/// A number of seconds.
pub fn seconds(parser: &mut lexopt::Parser, name: &str) -> Result<Duration, String> {
    let value = value(parser, name)?;
    match value.parse::<f64>() {
        Ok(s) if (0.05..=86_400.0).contains(&s) => Ok(Duration::from_secs_f64(s)),
        _ => Err(format!(
            "{name} takes a number from 0.05 to 86400, not {value:?}"
        )),
    }
}
