//! Tables of one shape, all of which every question reads, in memory that never moves.

use alloc::vec::Vec;

use super::pages;

/// Most tables of a group.
const WIDEST: usize = 4;
/// Most tables of a shelf.
const LONGEST: usize = 32;

/// Tables of so many items each.
///
/// Tables that came one after another are a **group**: item by item, theirs lie side by side, so that a pass reads them from front to back. Groups stand on
/// **shelves**, each twice as long as the one before up to 32 tables, so that many tables share large pages, few take little room, and nothing moves when one is
/// added: shelves of 1, 1, 2, 4, 8, 16 and then 32 tables.
pub(super) struct Shelves<T> {
    shelves: Vec<Vec<T>>,
    tables: usize,
    /// Items of a table.
    count: usize,
}

/// The tables of a group: for each of their items in turn, that of each table.
pub(super) struct Group<'a, T> {
    pub(super) items: &'a [T],
    /// How many tables it has, also if the last ones are not there yet.
    pub(super) width: usize,
    /// How many of them are there.
    pub(super) tables: usize,
}

/// Where a table is.
struct Place {
    shelf: usize,
    /// Tables of the shelf.
    length: usize,
    /// Tables of each of its groups.
    width: usize,
    /// Tables before it on the shelf.
    before: usize,
}

impl Place {
    fn of(table: usize) -> Self {
        let (mut shelf, mut length, mut before) = (0, 1, table);
        while before >= length {
            before -= length;
            shelf += 1;
            length = if shelf == 1 { 1 } else { LONGEST.min(2 * length) };
        }
        Self { shelf, length, width: length.min(WIDEST), before }
    }

    /// Tables of the shelf before its group.
    const fn group(&self) -> usize {
        self.before - self.before % self.width
    }
}

impl<T: Copy> Shelves<T> {
    /// No tables yet, each of so many items.
    pub(super) const fn new(count: usize) -> Self {
        Self { shelves: Vec::new(), tables: 0, count }
    }

    /// How many there are.
    pub(super) const fn tables(&self) -> usize {
        self.tables
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.shelves.iter().map(|shelf| size_of_val(shelf.as_slice())).sum()
    }

    /// Adds a table of this item: its number.
    pub(super) fn push(&mut self, item: T) -> usize {
        let place = Place::of(self.tables);
        if self.shelves.len() <= place.shelf {
            self.shelves.push(pages::with_capacity(self.count * place.length));
        }
        if let Some(shelf) = self.shelves.get_mut(place.shelf) {
            // All of its group, if it is the first there.
            shelf.resize(self.count * (place.group() + place.width), item);
        }
        self.tables += 1;
        self.tables - 1
    }

    /// The items of a table, from its first one on.
    pub(super) fn items_mut(&mut self, table: usize) -> impl Iterator<Item = &mut T> {
        let place = Place::of(table);
        let first = self.count * place.group() + place.before - place.group();
        let shelf = self.shelves.get_mut(place.shelf).filter(|_| table < self.tables);
        let items = shelf.and_then(|shelf| shelf.get_mut(first..)).unwrap_or_default();
        items.iter_mut().step_by(place.width).take(self.count)
    }

    /// All groups, in the order of their tables.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_, T>> {
        let mut table = 0;
        core::iter::from_fn(move || {
            let place = Place::of(table);
            let first = self.count * place.group();
            let shelf = self.shelves.get(place.shelf).filter(|_| table < self.tables)?;
            let items = shelf.get(first..first + self.count * place.width)?;
            let tables = place.width.min(self.tables - table);
            table += place.width;
            Some(Group { items, width: place.width, tables })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stay_apart_and_where_they_are() {
        let mut shelves = Shelves::new(3);
        let mut places = Vec::new();
        for table in 0..77 {
            assert_eq!(shelves.push(0), table);
            let now: Vec<_> = shelves.shelves.iter().map(Vec::as_ptr).collect();
            assert!(now.starts_with(&places));
            places = now;
            for (at, item) in shelves.items_mut(table).enumerate() {
                *item = 1 + 3 * table + at;
            }
            assert_eq!(shelves.items_mut(table).count(), 3);
            assert_eq!(shelves.items_mut(table + 1).count(), 0);
            let (mut first, mut found) = (0, Vec::<usize>::new());
            for group in shelves.groups() {
                for place in 0..group.tables {
                    found.extend(group.items.iter().skip(place).step_by(group.width));
                }
                first += group.tables;
                // What is not there yet is as it was made.
                assert!((group.tables..group.width).all(|place| group.items[place] == 0));
            }
            assert_eq!((first, shelves.tables()), (table + 1, table + 1));
            assert!(found.iter().copied().eq(1..=3 * (table + 1)));
        }
        assert_eq!(shelves.bytes(), 3 * 80 * size_of::<usize>());
    }
}
