//! What an expression means, without any engine.

use super::{Condition, Content, Expression, Literal, Schema, Test};
use crate::search::{Field, FieldKind, SearchError, Value, text::normalise};

impl Schema {
    /// Does a record match? The plaintext meaning of an expression: what the engines must find.
    ///
    /// # Errors
    /// [`SearchError::Shape`] for a field that is not in the schema, [`SearchError::Value`] for a value of another kind than its field's.
    pub fn matches(&self, expression: &Expression, record: &[(&str, Value<'_>)]) -> Result<bool, SearchError> {
        let all_known = record.iter().all(|(name, _)| self.field(name).is_some());
        if !all_known {
            return Err(SearchError::Shape);
        }
        self.judge(expression, record)
    }

    fn judge(&self, expression: &Expression, record: &[(&str, Value<'_>)]) -> Result<bool, SearchError> {
        match expression {
            Expression::Test(test) => self.test(test, record),
            Expression::Not(inner) => Ok(!self.judge(inner, record)?),
            Expression::All(parts) => parts.iter().try_fold(true, |all, part| Ok(self.judge(part, record)? && all)),
            Expression::Any(parts) => parts.iter().try_fold(false, |any, part| Ok(self.judge(part, record)? || any)),
        }
    }

    fn test(&self, test: &Test, record: &[(&str, Value<'_>)]) -> Result<bool, SearchError> {
        let field = self.field(&test.field).ok_or(SearchError::Shape)?;
        let Some((_, value)) = record.iter().find(|(name, _)| *name == test.field) else { return Ok(false) };
        match (field.content(), &test.condition, value) {
            (Content::Text(language), Condition::Words(asked), Value::Text(text)) => {
                Ok(language.terms(field.name(), text).is_superset(&language.terms(field.name(), asked)))
            }
            (Content::Typed(field), condition, value) => typed(field, condition, *value),
            _ => Err(SearchError::Value),
        }
    }
}

fn typed(field: &Field, condition: &Condition, value: Value<'_>) -> Result<bool, SearchError> {
    let is = |literal: &Literal| match (field.kind(), literal, value) {
        (FieldKind::Category, Literal::Name(wanted), Value::Category(name)) => Ok(normalise(wanted) == normalise(name)),
        (FieldKind::Category, ..) => Err(SearchError::Value),
        _ => Ok(literal.steps(field)? == field.steps(value)?),
    };
    match (condition, value) {
        (Condition::Equal(literal), _) => is(literal),
        (Condition::OneOf(literals), _) => literals.iter().try_fold(false, |any, literal| Ok(is(literal)? || any)),
        (Condition::Prefix(prefix), Value::Category(name)) if field.kind() == FieldKind::Category => {
            Ok(normalise(name).starts_with(&normalise(prefix)))
        }
        (Condition::Between { low, high }, _) => {
            let steps = field.steps(value)?;
            let low = low.as_ref().map(|low| low.steps(field)).transpose()?;
            let high = high.as_ref().map(|high| high.steps(field)).transpose()?;
            Ok(low.is_none_or(|low| low <= steps) && high.is_none_or(|high| steps <= high))
        }
        _ => Err(SearchError::Value),
    }
}
