//! Reading a query: recursive descent over characters, with a bound on depth, tests and values.

mod condition;

use alloc::{
    boxed::Box,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{
    Condition, Expression, Figure, FigureKind, Problem, QueryError, Question, Schema, SchemaField, Test,
    print::OPERATORS,
    question::{read_step, summable},
    schema::Content,
};

const VALUE: Problem = Problem::Expected("a value, as it is or in quotes");

pub(super) fn parse(schema: &Schema, text: &str) -> Result<Expression, QueryError> {
    Parser::new(schema, text)?.whole()
}

pub(super) fn ask(schema: &Schema, text: &str) -> Result<Question, QueryError> {
    let mut parser = Parser::new(schema, text)?;
    match parser.figure()? {
        Some(figure) => Ok(Question::Figure(figure)),
        None => parse(schema, text).map(Question::Records),
    }
}

struct Parser<'a> {
    schema: &'a Schema,
    text: &'a str,
    at: usize,
    tests: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(schema: &'a Schema, text: &'a str) -> Result<Self, QueryError> {
        match text.len() > Expression::MAX_TEXT {
            true => Err(QueryError::new(Expression::MAX_TEXT, Problem::TooLong)),
            false => Ok(Self { schema, text, at: 0, tests: 0, depth: 0 }),
        }
    }

    /// A query to its end.
    fn whole(&mut self) -> Result<Expression, QueryError> {
        let expression = self.any()?;
        self.space();
        if self.rest().is_empty() { Ok(expression) } else { Err(self.expected("AND, OR or the end of the query")) }
    }

    /// A figure to its end, or none if the text is a query.
    fn figure(&mut self) -> Result<Option<Figure>, QueryError> {
        let kind = if self.operator("COUNT") {
            let before = self.at;
            self.space();
            let ends = self.rest().is_empty() || self.operator("BY") || self.operator("WHERE");
            self.at = before;
            if !ends {
                return Ok(None);
            }
            FigureKind::Count
        } else {
            let of: fn(String) -> FigureKind = match self.operator("SUM") {
                true => FigureKind::Sum,
                false if self.operator("MEAN") => FigureKind::Mean,
                false => return Ok(None),
            };
            if !self.eat("(") {
                return Ok(None);
            }
            self.space();
            let begin = self.at;
            let name = self.bare(true);
            summable(self.schema, name).map_err(|problem| QueryError::new(begin, problem))?;
            self.space();
            if !self.eat(")") {
                return Err(self.expected(") behind the field"));
            }
            of(name.to_string())
        };
        let mut step_ms = None;
        if self.operator("BY") {
            self.space();
            let begin = self.at;
            let step = read_step(self.bare(false));
            step_ms =
                Some(step.ok_or_else(|| QueryError::new(begin, Problem::Expected("a step, as 15m, 1h, 1d or 2w")))?);
        }
        if self.operator("WHERE") {
            return Ok(Some(Figure { kind, step_ms, of: Some(self.whole()?) }));
        }
        self.space();
        match self.rest().is_empty() {
            true => Ok(Some(Figure { kind, step_ms, of: None })),
            false => Err(self.expected("BY, WHERE or the end of the question")),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error(&self, problem: Problem) -> QueryError {
        QueryError::new(self.at, problem)
    }

    fn expected(&self, what: &'static str) -> QueryError {
        self.error(Problem::Expected(what))
    }

    /// Takes these characters if they stand here.
    fn eat(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        self.at += if found { what.len() } else { 0 };
        found
    }

    /// Takes characters that may stand in a value without quotes.
    fn bare(&mut self, colon: bool) -> &'a str {
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || "()[]{}\"*".contains(c) || (c == ':' && !colon);
        let (word, _) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        self.at += word.len();
        word
    }

    /// Takes an operator if it stands here as a word.
    fn operator(&mut self, name: &str) -> bool {
        self.space();
        let before = self.at;
        let found = self.bare(false) == name && self.peek() != Some(':');
        if !found {
            self.at = before;
        }
        found
    }

    /// One level down, as long as that is allowed.
    fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, QueryError>) -> Result<T, QueryError> {
        if self.depth == Expression::MAX_DEPTH {
            return Err(self.error(Problem::TooDeep));
        }
        self.depth += 1;
        let part = part(self)?;
        self.depth -= 1;
        Ok(part)
    }

    fn any(&mut self) -> Result<Expression, QueryError> {
        let first = self.all()?;
        let mut parts = Vec::new();
        while self.operator("OR") {
            parts.push(self.all()?);
        }
        Ok(joined(first, parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, QueryError> {
        let first = self.not()?;
        let mut parts = Vec::new();
        loop {
            if !self.operator("AND") {
                let before = self.at;
                let ends = matches!(self.peek(), None | Some(')')) || self.operator("OR");
                self.at = before;
                if ends {
                    return Ok(joined(first, parts, Expression::All));
                }
            }
            parts.push(self.not()?);
        }
    }

    fn not(&mut self) -> Result<Expression, QueryError> {
        if self.operator("NOT") {
            return self.deeper(|parser| Ok(Expression::Not(Box::new(parser.not()?))));
        }
        self.space();
        let open = self.at;
        if !self.eat("(") {
            return self.test();
        }
        let inner = self.deeper(Self::any)?;
        self.space();
        if self.eat(")") {
            Ok(inner)
        } else if self.rest().is_empty() {
            Err(QueryError::new(open, Problem::NotClosed))
        } else {
            Err(self.expected("AND, OR or )"))
        }
    }

    /// `field:condition`, or a value alone.
    fn test(&mut self) -> Result<Expression, QueryError> {
        let begin = self.at;
        if matches!(self.peek(), Some('"')) {
            let text = self.quoted()?;
            return self.anywhere(begin, &text);
        }
        let head = self.bare(false);
        let named = !head.is_empty() && self.peek() == Some(':');
        if head.is_empty() || (!named && OPERATORS.contains(&head)) {
            self.at = begin;
            return Err(self.expected("a condition: field:value, a word, NOT or a parenthesis"));
        }
        if !named {
            if self.peek() == Some('*') {
                return Err(self.error(Problem::Condition { ask: "a prefix needs a field: write field:begin*" }));
            }
            return self.anywhere(begin, head);
        }
        let Some(field) = self.schema.field(head) else {
            let known: Vec<&str> = self.schema.fields().map(SchemaField::name).collect();
            let problem = Problem::UnknownField { name: head.to_string(), known: known.join(", ") };
            return Err(QueryError::new(begin, problem));
        };
        self.eat(":");
        self.space();
        self.counted(begin)?;
        let condition = match field.content() {
            Content::Text(_) => {
                let begin = self.at;
                let text = self.value()?;
                self.no_star()?;
                self.words(begin, &text)?
            }
            Content::Typed(typed) => self.condition(typed)?,
        };
        Ok(Expression::Test(Test { field: field.name().to_string(), condition }))
    }

    fn counted(&mut self, begin: usize) -> Result<(), QueryError> {
        self.tests += 1;
        if self.tests > Expression::MAX_TESTS {
            return Err(QueryError::new(begin, Problem::TooManyTests));
        }
        Ok(())
    }

    /// In any field of text.
    fn anywhere(&mut self, begin: usize, text: &str) -> Result<Expression, QueryError> {
        let condition = self.words(begin, text)?;
        let mut parts = Vec::new();
        for field in self.schema.fields().filter(|field| matches!(field.content(), Content::Text(_))) {
            self.counted(begin)?;
            parts.push(Expression::Test(Test { field: field.name().to_string(), condition: condition.clone() }));
        }
        if parts.is_empty() {
            return Err(QueryError::new(begin, Problem::NoText));
        }
        let first = parts.remove(0);
        Ok(joined(first, parts, Expression::Any))
    }

    fn words(&self, begin: usize, text: &str) -> Result<Condition, QueryError> {
        let has_words = self.schema.fields().all(|field| match field.content() {
            Content::Text(language) => !language.words(text).is_empty(),
            Content::Typed(_) => true,
        });
        if has_words { Ok(Condition::Words(text.to_string())) } else { Err(QueryError::new(begin, Problem::NoWord)) }
    }

    fn no_star(&self) -> Result<(), QueryError> {
        if self.peek() == Some('*') { Err(self.error(Problem::Star)) } else { Ok(()) }
    }

    /// A value, in quotes or without.
    fn value(&mut self) -> Result<String, QueryError> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let begin = self.at;
        let word = self.bare(true);
        if word.is_empty() || OPERATORS.contains(&word) {
            self.at = begin;
            return Err(self.error(VALUE));
        }
        if self.peek() == Some('*') && self.rest().chars().nth(1).is_some_and(|c| !c.is_whitespace() && c != ')') {
            return Err(self.error(Problem::Star));
        }
        Ok(word.to_string())
    }

    fn quoted(&mut self) -> Result<String, QueryError> {
        let begin = self.at;
        let (mut out, mut escaped) = (String::new(), false);
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '"' if !escaped => {
                    self.at += at + 1;
                    return Ok(out);
                }
                '\\' if !escaped => escaped = true,
                c => {
                    out.push(c);
                    escaped = false;
                }
            }
        }
        Err(QueryError::new(begin, Problem::NoEndQuote))
    }
}

/// One part as it is, several under their operator.
fn joined(first: Expression, mut others: Vec<Expression>, with: fn(Vec<Expression>) -> Expression) -> Expression {
    if others.is_empty() {
        return first;
    }
    others.insert(0, first);
    with(others)
}
