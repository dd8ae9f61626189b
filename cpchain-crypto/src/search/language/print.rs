//! An expression as a text that is read as the same expression.

use core::fmt::{self, Display as _, Write as _};

use super::{Condition, Expression, Literal, Test};

/// Words that are not values unless they stand in quotes.
pub(super) const OPERATORS: [&str; 4] = ["AND", "OR", "NOT", "TO"];

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test(test) => test.fmt(f),
            Self::All(parts) => joined(f, parts, " AND "),
            Self::Any(parts) => joined(f, parts, " OR "),
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                operand(f, inner)
            }
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expression], with: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(with)?;
        }
        operand(f, part)?;
    }
    Ok(())
}

/// In parentheses unless nothing else could be meant.
fn operand(f: &mut fmt::Formatter<'_>, part: &Expression) -> fmt::Result {
    match part {
        Expression::Test(_) | Expression::Not(_) => part.fmt(f),
        Expression::All(_) | Expression::Any(_) => write!(f, "({part})"),
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.field)?;
        let bound = |f: &mut fmt::Formatter<'_>, bound: &Option<Literal>| match bound {
            Some(bound) => bound.fmt(f),
            None => f.write_char('*'),
        };
        match &self.condition {
            Condition::Words(text) => value(f, text),
            Condition::Equal(literal) => literal.fmt(f),
            Condition::Prefix(prefix) => {
                value(f, prefix)?;
                f.write_char('*')
            }
            Condition::Between { low, high } => {
                f.write_char('[')?;
                bound(f, low)?;
                f.write_str(" TO ")?;
                bound(f, high)?;
                f.write_char(']')
            }
            Condition::OneOf(values) => {
                f.write_char('(')?;
                for (at, literal) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_char(' ')?;
                    }
                    literal.fmt(f)?;
                }
                f.write_char(')')
            }
        }
    }
}

/// As it is if it can stand alone, else in quotes.
pub(super) fn value(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let plain = |c: char| c.is_alphanumeric() || "_-.+/@".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !OPERATORS.contains(&text) {
        return f.write_str(text);
    }
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}
