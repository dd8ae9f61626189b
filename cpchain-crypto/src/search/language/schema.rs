//! Which fields records have, and which engine indexes them.

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use super::{Column, Expression, Literal, QueryError, SchemaError, Summary, parser, print::OPERATORS};
use crate::search::{Field, FieldKind, Language, SearchError, Term, Value, text::normalise};

/// Columns of a scan table.
const MAX_COLUMNS: usize = 4;
const MAX_NAME: usize = 64;

/// The fields of records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schema {
    fields: Vec<SchemaField>,
    columns: usize,
    pub(super) summary: Option<Summary>,
}

/// A field, and how it is indexed.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaField {
    name: String,
    content: Content,
    /// In the keyword index, with the lengths of prefixes that are there, too.
    keyword: Option<Vec<usize>>,
    /// Its terms are in the public catalogue, and not in the keyword index.
    published: bool,
    /// Its number among the columns of the scan table.
    column: Option<(usize, Column)>,
}

/// What a field's values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Words of this language.
    Text(Language),
    /// Names, numbers or times.
    Typed(Field),
}

/// A record as the engines index it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// For the keyword index: a posting for each.
    pub terms: BTreeSet<Term>,
    /// For the public catalogue, likewise.
    pub published: BTreeSet<Term>,
    /// For the scan table: a number for each of its fields, 0 for a value that the record lacks.
    pub columns: Vec<u16>,
}

impl SchemaField {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its values are.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Is it found by its terms: in the keyword index, or in the public catalogue?
    pub const fn by_keyword(&self) -> bool {
        self.keyword.is_some()
    }

    /// Are its terms in the public catalogue, and not in the keyword index?
    pub const fn is_published(&self) -> bool {
        self.published
    }

    /// The number of its column in the scan table, if it has one.
    pub fn column(&self) -> Option<usize> {
        self.column.as_ref().map(|(number, _)| *number)
    }

    pub(in crate::search) fn scale(&self) -> Option<&Column> {
        self.column.as_ref().map(|(_, column)| column)
    }

    /// The term of a value.
    pub(in crate::search) fn term(&self, literal: &Literal) -> Result<Term, SearchError> {
        match &self.content {
            Content::Typed(field) => field.term(literal.value()),
            Content::Text(_) => Err(SearchError::Value),
        }
    }

    /// The term of a prefix; none if prefixes of its length are not indexed.
    pub(in crate::search) fn prefix(&self, prefix: &str) -> Option<Term> {
        let prefix = normalise(prefix);
        let length = prefix.chars().count();
        self.keyword.as_ref()?.contains(&length).then(|| self.prefix_term(length, &prefix))
    }

    fn prefix_term(&self, length: usize, prefix: &str) -> Term {
        Term::new(&format!("prefix/v1/{length}/{}", self.name), prefix.as_bytes())
    }

    /// All terms of a record's value.
    fn terms(&self, value: Value<'_>) -> Result<BTreeSet<Term>, SearchError> {
        let Some(lengths) = &self.keyword else { return Ok(BTreeSet::new()) };
        let field = match (&self.content, value) {
            (Content::Text(language), Value::Text(text)) => return Ok(language.terms(&self.name, text)),
            (Content::Typed(field), _) => field,
            (Content::Text(_), _) => return Err(SearchError::Value),
        };
        let mut terms = BTreeSet::from([field.term(value)?]);
        if let Value::Category(name) = value {
            let folded = normalise(name);
            for length in lengths {
                let mut ends = folded.char_indices().map(|(at, _)| at).chain([folded.len()]);
                let begin = ends.nth(*length).and_then(|end| folded.get(..end));
                terms.extend(begin.map(|begin| self.prefix_term(*length, begin)));
            }
        }
        Ok(terms)
    }
}

impl Schema {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// A field of text, found by its words through the keyword index.
    ///
    /// # Errors
    /// [`SchemaError::Name`], [`SchemaError::Twice`].
    pub fn text(self, name: &str, language: Language) -> Result<Self, SchemaError> {
        self.put(name, Content::Text(language), Some(Vec::new()), None)
    }

    /// A field whose values the keyword index finds: equality and sets. For values that few records share, such as numbers of devices.
    ///
    /// # Errors
    /// [`SchemaError::Name`], [`SchemaError::Twice`].
    pub fn keyword(self, field: Field) -> Result<Self, SchemaError> {
        self.keyword_prefixes(field, &[])
    }

    /// The same for names, which are also found by their first characters, as many as one of these lengths. Each is a posting more for a record.
    ///
    /// # Errors
    /// [`SchemaError::Name`], [`SchemaError::Twice`], [`SchemaError::Prefix`].
    pub fn keyword_prefixes(self, field: Field, lengths: &[usize]) -> Result<Self, SchemaError> {
        let right = lengths.iter().all(|length| (1..=64).contains(length));
        if !right || (!lengths.is_empty() && field.kind() != FieldKind::Category) {
            return Err(SchemaError::Prefix);
        }
        let name = field.name().to_string();
        self.put(&name, Content::Typed(field), Some(lengths.to_vec()), None)
    }

    /// A field that is the next column of the scan table: equality, sets, ranges and prefixes. A field may also be in the keyword index.
    ///
    /// # Errors
    /// [`SchemaError::Name`], [`SchemaError::Twice`]; [`SchemaError::Column`] for a fifth column; [`SchemaError::Kind`].
    pub fn column(self, field: Field, column: Column) -> Result<Self, SchemaError> {
        column.fits(&field)?;
        let name = field.name().to_string();
        self.put(&name, Content::Typed(field), None, Some(column))
    }

    /// The terms of this field are not in the owner's keyword index but in a public catalogue, where anyone may look them up
    /// ([`CataloguePublisher::post`](crate::search::catalogue::CataloguePublisher::post)).
    ///
    /// # Errors
    /// [`SchemaError::Published`] if there is no such field, or none that is found by its terms.
    pub fn published(mut self, name: &str) -> Result<Self, SchemaError> {
        let field = self.fields.iter_mut().find(|field| field.name == name && field.keyword.is_some());
        field.ok_or(SchemaError::Published)?.published = true;
        Ok(self)
    }

    pub(super) fn put(
        mut self,
        name: &str,
        content: Content,
        keyword: Option<Vec<usize>>,
        column: Option<Column>,
    ) -> Result<Self, SchemaError> {
        let right = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(right) || OPERATORS.contains(&name) {
            return Err(SchemaError::Name);
        }
        if column.is_some() && self.columns == MAX_COLUMNS {
            return Err(SchemaError::Column);
        }
        let column = column.map(|column| {
            self.columns += 1;
            (self.columns - 1, column)
        });
        let Some(there) = self.fields.iter_mut().find(|field| field.name == name) else {
            self.fields.push(SchemaField { name: name.to_string(), content, keyword, published: false, column });
            return Ok(self);
        };
        let twice = (there.keyword.is_some() && keyword.is_some()) || (there.column.is_some() && column.is_some());
        if twice || there.content != content {
            return Err(SchemaError::Twice);
        }
        there.keyword = there.keyword.take().or(keyword);
        there.column = there.column.take().or(column);
        Ok(self)
    }

    /// The fields, in the order in which they were given.
    pub fn fields(&self) -> impl Iterator<Item = &SchemaField> {
        self.fields.iter()
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&SchemaField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Base-16 digits of each column, in order: the shape of the scan table (`scan::ScanIndex::new`). Empty without columns.
    pub fn digits(&self) -> Vec<u8> {
        let mut digits = vec![0; self.columns];
        for (number, column) in self.fields.iter().filter_map(|field| field.column.as_ref()) {
            if let Some(to) = digits.get_mut(*number) {
                *to = column.digits();
            }
        }
        digits
    }

    /// Reads a query.
    ///
    /// # Errors
    /// [`QueryError`], which says where and what to do.
    pub fn parse(&self, text: &str) -> Result<Expression, QueryError> {
        parser::parse(self, text)
    }

    /// What the engines index for a record: its fields by name and value, in any order. Fields that it lacks are left out.
    ///
    /// # Errors
    /// [`SearchError::Shape`] for a name that is not in the schema or is there twice; [`SearchError::Value`] for a value of another kind, or one that its column
    /// does not reach: nothing is cut down silently.
    pub fn index(&self, record: &[(&str, Value<'_>)]) -> Result<Indexed, SearchError> {
        let mut seen = BTreeSet::new();
        let mut indexed =
            Indexed { terms: BTreeSet::new(), published: BTreeSet::new(), columns: vec![0; self.columns] };
        for (name, value) in record {
            let field = self.field(name).filter(|_| seen.insert(*name)).ok_or(SearchError::Shape)?;
            let terms = if field.published { &mut indexed.published } else { &mut indexed.terms };
            terms.extend(field.terms(*value)?);
            if let (Some((number, column)), Content::Typed(typed)) = (&field.column, &field.content) {
                let to = indexed.columns.get_mut(*number).ok_or(SearchError::Shape)?;
                *to = column.number(typed, *value)?;
            }
        }
        Ok(indexed)
    }
}
