//! The crossing: four arms, twelve movements, and which of them cannot be under way together.

use std::fmt;

/// Where a vehicle comes from. Counter-clockwise, as the quadrants of the crossing are driven through (traffic keeps right).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arm {
    /// From the south, driving north.
    South = 0,
    /// From the east, driving west.
    East = 1,
    /// From the north, driving south.
    North = 2,
    /// From the west, driving east.
    West = 3,
}

/// Where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turn {
    /// One quadrant.
    Right = 0,
    /// Two quadrants.
    Straight = 1,
    /// Three quadrants.
    Left = 2,
}

/// One way through the crossing.
///
/// ```
/// use cpchain_examples::vehicles::{Arm, Movement, Turn};
/// let north = Movement { from: Arm::South, turn: Turn::Straight };
/// assert!(!north.conflicts(Movement { from: Arm::North, turn: Turn::Straight }), "opposite lanes");
/// assert!(north.conflicts(Movement { from: Arm::West, turn: Turn::Straight }), "their ways cross");
/// assert!(north.conflicts(Movement { from: Arm::West, turn: Turn::Left }), "and they would leave by one lane");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Movement {
    /// The arm that it comes from.
    pub from: Arm,
    /// Its turn.
    pub turn: Turn,
}

impl Arm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::South, Self::East, Self::North, Self::West];
}

impl Turn {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Right, Self::Straight, Self::Left];
}

impl Movement {
    /// All twelve.
    pub fn all() -> impl Iterator<Item = Self> {
        Arm::ALL.into_iter().flat_map(|from| Turn::ALL.into_iter().map(move |turn| Self { from, turn }))
    }

    /// The quadrants that it drives through, one bit each: south-east, north-east, north-west, south-west.
    fn quadrants(self) -> u8 {
        (0..=self.turn as u8).fold(0, |bits, step| bits | 1 << ((self.from as u8 + step) % 4))
    }

    /// The arm by which it leaves.
    fn exit(self) -> u8 {
        (self.from as u8 + self.turn as u8 + 1) % 4
    }

    /// Whether two vehicles cannot be under way on these together: they share a quadrant, the lane that they come from or the one
    /// that they leave by.
    pub fn conflicts(self, other: Self) -> bool {
        self.from == other.from || self.exit() == other.exit() || self.quadrants() & other.quadrants() != 0
    }

    /// One byte.
    pub const fn to_byte(self) -> u8 {
        (self.from as u8) << 2 | self.turn as u8
    }

    /// Reads the byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::all().find(|movement| movement.to_byte() == byte)
    }
}

impl fmt::Display for Movement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from the {:?}, {:?}", self.from, self.turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        assert_eq!(Movement::all().count(), 12);
        for byte in 0..=u8::MAX {
            assert!(Movement::from_byte(byte).is_none_or(|movement| movement.to_byte() == byte));
        }
        assert!(Movement::all().all(|movement| Movement::from_byte(movement.to_byte()) == Some(movement)));
    }

    /// Counted by hand on a drawing: who may go beside whom.
    #[test]
    fn conflicts_are_mutual_and_as_drawn() {
        for a in Movement::all() {
            assert!(a.conflicts(a));
            assert!(Movement::all().all(|b| a.conflicts(b) == b.conflicts(a)));
        }
        let free = |turn| {
            let of = Movement { from: Arm::South, turn };
            Movement::all().filter(|other| !of.conflicts(*other)).collect::<Vec<_>>()
        };
        let m = |from, turn| Movement { from, turn };
        let (north, east, west) = (Arm::North, Arm::East, Arm::West);
        assert_eq!(
            free(Turn::Right),
            [
                m(east, Turn::Right),
                m(east, Turn::Straight),
                m(east, Turn::Left),
                m(north, Turn::Right),
                m(north, Turn::Straight),
                m(west, Turn::Right)
            ]
        );
        assert_eq!(free(Turn::Straight), [m(north, Turn::Right), m(north, Turn::Straight), m(west, Turn::Right)]);
        // A turn to the right from the east would need the north-east quadrant, too.
        assert_eq!(free(Turn::Left), [m(west, Turn::Right)]);
    }
}
