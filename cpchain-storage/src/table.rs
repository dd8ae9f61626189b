//! Readings in columns: what a block holds and what a reader gets back.

use bytes::Bytes;

/// Bytes of the longest payload of one reading: 16 MiB.
pub const MAX_PAYLOAD_LEN: usize = 16 << 20;

/// One reading: a time, a value for each column of its source, and opaque bytes if the stream carries them.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// Values, in the order of the source's columns; NaN where a value is missing.
    pub values: Vec<f64>,
    /// Opaque bytes (an image, a CAN frame), at most [`MAX_PAYLOAD_LEN`]; empty in a stream of numbers.
    pub payload: Bytes,
}

impl Reading {
    /// A reading of numbers.
    pub const fn new(at_ms: u64, values: Vec<f64>) -> Self {
        Self { at_ms, values, payload: Bytes::new() }
    }

    /// A reading of opaque bytes.
    pub const fn opaque(at_ms: u64, payload: Bytes) -> Self {
        Self { at_ms, values: Vec::new(), payload }
    }
}

/// Why a table does not take a row or a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Another number of values than columns.
    #[error("a row has {found} values, the table {expected} columns")]
    Width {
        /// Columns.
        expected: usize,
        /// Values.
        found: usize,
    },
    /// Columns of different length.
    #[error("column `{0}` has another length than the timestamps")]
    Length(String),
    /// Two columns of one name.
    #[error("two columns are called `{0}`")]
    SameName(String),
    /// A timestamp that is not after the one before.
    #[error("the reading at {at_ms} ms is not after the one before")]
    Order {
        /// The timestamp.
        at_ms: u64,
    },
    /// A payload in a table of numbers, or none in a table that has them, or one that is too long.
    #[error("the payload of {len} bytes does not fit: the stream has none, or takes at most 16 MiB")]
    Payload {
        /// Its bytes.
        len: usize,
    },
    /// Tables of different columns were to be joined.
    #[error("the tables have different columns")]
    Columns,
}

/// A named column of values.
#[derive(Debug, Clone)]
pub struct Column {
    name: String,
    values: Vec<f64>,
}

impl Column {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its values, one a row; NaN where a value is missing.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

/// Columns are equal when names and bits are: a NaN equals itself, 0.0 does not equal −0.0.
impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.values.iter().map(|v| v.to_bits()).eq(other.values.iter().map(|v| v.to_bits()))
    }
}

impl Eq for Column {}

/// Timestamps (strictly ascending, milliseconds since 1970-01-01 UTC) and named `f64` columns of the same length; and,
/// if the table was made [`with_payloads`](Self::with_payloads), opaque bytes in each row.
///
/// ```
/// use cpchain_storage::Table;
/// let mut table = Table::new(["pressure", "temperature"])?;
/// table.push(1_262_307_600_000, &[1016.6, 4.0])?;
/// table.push(1_262_311_200_000, &[1016.6, 3.9])?;
/// assert_eq!(table.column("temperature"), Some(&[4.0, 3.9][..]));
/// # Ok::<(), cpchain_storage::TableError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    timestamps_ms: Vec<u64>,
    columns: Vec<Column>,
    payloads: Option<Vec<Bytes>>,
}

impl Table {
    /// An empty table with these columns.
    ///
    /// # Errors
    /// [`TableError::SameName`].
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<Self, TableError> {
        Self::from_columns(Vec::new(), names.into_iter().map(|name| (name.into(), Vec::new())).collect())
    }

    /// This table, without its rows, with a payload in each row.
    pub fn with_payloads(mut self) -> Self {
        self.clear();
        self.payloads = Some(Vec::new());
        self
    }

    /// This table with these payloads, one a row.
    ///
    /// # Errors
    /// [`TableError::Payload`] if there are more or fewer payloads than rows, or one is too long.
    pub fn set_payloads(mut self, payloads: Vec<Bytes>) -> Result<Self, TableError> {
        if let Some(long) = payloads.iter().find(|payload| payload.len() > MAX_PAYLOAD_LEN) {
            return Err(TableError::Payload { len: long.len() });
        }
        if payloads.len() != self.len() {
            return Err(TableError::Payload { len: 0 });
        }
        self.payloads = Some(payloads);
        Ok(self)
    }

    /// A table of columns.
    ///
    /// # Errors
    /// [`TableError`] for columns of different length or the same name, and timestamps out of order.
    pub fn from_columns(timestamps_ms: Vec<u64>, columns: Vec<(String, Vec<f64>)>) -> Result<Self, TableError> {
        if let Some((_, after)) = timestamps_ms.iter().zip(timestamps_ms.iter().skip(1)).find(|(a, b)| a >= b) {
            return Err(TableError::Order { at_ms: *after });
        }
        let mut names = std::collections::BTreeSet::new();
        for (name, values) in &columns {
            if values.len() != timestamps_ms.len() {
                return Err(TableError::Length(name.clone()));
            }
            if !names.insert(name.as_str()) {
                return Err(TableError::SameName(name.clone()));
            }
        }
        let columns = columns.into_iter().map(|(name, values)| Column { name, values }).collect();
        Ok(Self { timestamps_ms, columns, payloads: None })
    }

    /// Adds a row of numbers; in a table with payloads, its payload is empty.
    ///
    /// # Errors
    /// [`TableError::Width`], [`TableError::Order`].
    pub fn push(&mut self, at_ms: u64, values: &[f64]) -> Result<(), TableError> {
        self.check(at_ms, values.len(), 0)?;
        self.add(at_ms, values, Bytes::new());
        Ok(())
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`TableError::Width`], [`TableError::Order`], [`TableError::Payload`].
    pub fn push_reading(&mut self, reading: Reading) -> Result<(), TableError> {
        self.check(reading.at_ms, reading.values.len(), reading.payload.len())?;
        self.add(reading.at_ms, &reading.values, reading.payload);
        Ok(())
    }

    /// Adds a row in its place by time.
    ///
    /// # Errors
    /// [`TableError::Width`], [`TableError::Payload`]; [`TableError::Order`] if there is a row of this time.
    pub fn insert(&mut self, reading: Reading) -> Result<(), TableError> {
        self.check_shape(reading.values.len(), reading.payload.len())?;
        let Err(row) = self.timestamps_ms.binary_search(&reading.at_ms) else {
            return Err(TableError::Order { at_ms: reading.at_ms });
        };
        self.timestamps_ms.insert(row, reading.at_ms);
        self.columns.iter_mut().zip(&reading.values).for_each(|(column, value)| column.values.insert(row, *value));
        if let Some(payloads) = &mut self.payloads {
            payloads.insert(row, reading.payload);
        }
        Ok(())
    }

    fn check(&self, at_ms: u64, width: usize, payload: usize) -> Result<(), TableError> {
        self.check_shape(width, payload)?;
        if self.timestamps_ms.last().is_some_and(|last| *last >= at_ms) {
            return Err(TableError::Order { at_ms });
        }
        Ok(())
    }

    /// Would a row of this shape be taken?
    pub(crate) fn check_shape(&self, width: usize, payload: usize) -> Result<(), TableError> {
        if width != self.columns.len() {
            return Err(TableError::Width { expected: self.columns.len(), found: width });
        }
        if payload > MAX_PAYLOAD_LEN || (payload > 0 && self.payloads.is_none()) {
            return Err(TableError::Payload { len: payload });
        }
        Ok(())
    }

    fn add(&mut self, at_ms: u64, values: &[f64], payload: Bytes) {
        self.timestamps_ms.push(at_ms);
        self.columns.iter_mut().zip(values).for_each(|(column, value)| column.values.push(*value));
        if let Some(payloads) = &mut self.payloads {
            payloads.push(payload);
        }
    }

    /// Adds the rows of a table with the same columns and later times.
    ///
    /// # Errors
    /// [`TableError::Columns`], [`TableError::Order`].
    pub fn append(&mut self, later: &Self) -> Result<(), TableError> {
        if !self.names().eq(later.names()) || self.payloads.is_some() != later.payloads.is_some() {
            return Err(TableError::Columns);
        }
        if let (Some(last), Some(first)) = (self.timestamps_ms.last(), later.timestamps_ms.first())
            && last >= first
        {
            return Err(TableError::Order { at_ms: *first });
        }
        self.timestamps_ms.extend_from_slice(&later.timestamps_ms);
        self.columns.iter_mut().zip(&later.columns).for_each(|(to, from)| to.values.extend_from_slice(&from.values));
        if let (Some(to), Some(from)) = (&mut self.payloads, &later.payloads) {
            to.extend_from_slice(from);
        }
        Ok(())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.timestamps_ms.len()
    }

    /// Are there no rows?
    pub fn is_empty(&self) -> bool {
        self.timestamps_ms.is_empty()
    }

    /// The times of the rows, milliseconds since 1970-01-01 UTC.
    pub fn timestamps_ms(&self) -> &[u64] {
        &self.timestamps_ms
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The values of the column `name`.
    pub fn column(&self, name: &str) -> Option<&[f64]> {
        self.columns.iter().find(|column| column.name == name).map(Column::values)
    }

    /// The payloads, one a row; `None` in a table of numbers alone.
    pub fn payloads(&self) -> Option<&[Bytes]> {
        self.payloads.as_deref()
    }

    /// The columns' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(Column::name)
    }

    /// The rows as readings, in time order.
    pub fn rows(&self) -> impl Iterator<Item = Reading> + '_ {
        self.timestamps_ms.iter().enumerate().map(|(row, at_ms)| Reading {
            at_ms: *at_ms,
            values: self.columns.iter().filter_map(|column| column.values.get(row).copied()).collect(),
            payload: self.payloads.as_ref().and_then(|payloads| payloads.get(row).cloned()).unwrap_or_default(),
        })
    }

    /// Forgets all rows, keeps the columns.
    pub fn clear(&mut self) {
        self.timestamps_ms.clear();
        self.columns.iter_mut().for_each(|column| column.values.clear());
        self.payloads.iter_mut().for_each(Vec::clear);
    }
}
