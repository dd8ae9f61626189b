//! What may stand behind `field:`, for fields that are not of text.

use alloc::vec::Vec;

use super::{Parser, VALUE};
use crate::search::{
    Field, FieldKind,
    language::{Condition, Expression, Literal, Problem, QueryError},
};

impl Parser<'_> {
    /// Behind `field:`, for a field that is not of text.
    pub(super) fn condition(&mut self, field: &Field) -> Result<Condition, QueryError> {
        let begin = self.at;
        let ordered = field.kind() != FieldKind::Category;
        let range = matches!(self.peek(), Some('[' | '{' | '<' | '>'));
        if range && !ordered {
            let ask = "names have no order; ask for field:name, field:begin* or field:(one other)";
            return Err(self.error(Problem::Condition { ask }));
        }
        for (sign, low, with) in [(">=", true, true), ("<=", false, true), (">", true, false), ("<", false, false)] {
            if self.eat(sign) {
                self.space();
                let bound = self.bound(field, low, with)?;
                return Ok(match low {
                    true => Condition::Between { low: bound, high: None },
                    false => Condition::Between { low: None, high: bound },
                });
            }
        }
        if self.eat("[") || self.eat("{") {
            return self.range(begin, field);
        }
        if self.eat("(") {
            return self.set(begin, field);
        }
        let text = self.value()?;
        if self.eat("*") {
            if ordered {
                let ask = "a prefix is of a name; ask a number for field:[from TO to]";
                return Err(QueryError::new(begin, Problem::Condition { ask }));
            }
            return Ok(Condition::Prefix(text));
        }
        Ok(Condition::Equal(self.literal(begin, field, &text)?))
    }

    /// Behind the opening bracket.
    fn range(&mut self, begin: usize, field: &Field) -> Result<Condition, QueryError> {
        let with = self.text.get(begin..).is_some_and(|text| text.starts_with('['));
        self.space();
        let low = if self.eat("*") { None } else { self.bound(field, true, with)? };
        if !self.operator("TO") {
            return Err(self.expected("TO and the upper bound, or TO *"));
        }
        self.space();
        let high_at = self.at;
        let high = if self.eat("*") { None } else { self.bound(field, false, true)? };
        self.space();
        if self.eat("]") {
            return Ok(Condition::Between { low, high });
        }
        if !self.eat("}") {
            return Err(self.expected("] or }"));
        }
        let high = match high {
            None => None,
            Some(high) => Some(high.moved(field, -1).ok_or_else(|| QueryError::new(high_at, wanted(field)))?),
        };
        Ok(Condition::Between { low, high })
    }

    /// A bound, moved by a step if it is itself excluded.
    fn bound(&mut self, field: &Field, low: bool, with: bool) -> Result<Option<Literal>, QueryError> {
        let begin = self.at;
        let text = self.value()?;
        self.no_star()?;
        let literal = self.literal(begin, field, &text)?;
        let by = match (with, low) {
            (true, _) => return Ok(Some(literal)),
            (false, true) => 1,
            (false, false) => -1,
        };
        literal.moved(field, by).map(Some).ok_or_else(|| QueryError::new(begin, wanted(field)))
    }

    /// Behind the opening parenthesis.
    fn set(&mut self, open: usize, field: &Field) -> Result<Condition, QueryError> {
        let mut values = Vec::new();
        loop {
            self.space();
            if self.eat(")") {
                break;
            }
            if self.rest().is_empty() {
                return Err(QueryError::new(open, Problem::NotClosed));
            }
            if values.len() == Expression::MAX_SET {
                return Err(self.error(Problem::TooManyValues));
            }
            let begin = self.at;
            let text = self.value()?;
            self.no_star()?;
            values.push(self.literal(begin, field, &text)?);
        }
        if values.is_empty() { Err(self.error(VALUE)) } else { Ok(Condition::OneOf(values)) }
    }

    fn literal(&self, begin: usize, field: &Field, text: &str) -> Result<Literal, QueryError> {
        Literal::read(field, text).ok_or_else(|| QueryError::new(begin, wanted(field)))
    }
}

const fn wanted(field: &Field) -> Problem {
    let wanted = match field.kind() {
        FieldKind::Category => "a name",
        FieldKind::Integer => "a whole number, as 42",
        FieldKind::Timestamp { .. } => "a date or time, as 2026-01-31 or 2026-01-31T12:30Z",
        FieldKind::Decimal { .. } => "a number, as 21.5",
    };
    Problem::Value { wanted }
}
