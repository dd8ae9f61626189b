//! What goes wrong in a run, and when: all faults begin after the first third of what is measured and end, unless it is a crash,
//! after the second, so that one run shows the time before, during and after.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::plan::Plan;

/// How much later the messages of a slow node leave.
pub(crate) const SLOW: Duration = Duration::from_millis(50);

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// So many validators stop and do not come back.
    Crash(usize),
    /// So many proposers say nothing.
    Silent(usize),
    /// So many proposers show two blocks to two halves.
    Equivocate(usize),
    /// The network falls into two halves, neither of which is a quorum.
    Partition,
    /// All that so many validators say leaves 50 ms late.
    Slow(usize),
    /// This share of all messages is lost.
    Loss(f64),
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').unwrap_or((text, "1"));
        let count = || value.parse().map_err(|_| format!("`{value}` is no number of nodes"));
        match name {
            "crash" => Ok(Self::Crash(count()?)),
            "silent" => Ok(Self::Silent(count()?)),
            "equivocate" => Ok(Self::Equivocate(count()?)),
            "partition" => Ok(Self::Partition),
            "slow" => Ok(Self::Slow(count()?)),
            "loss" => match value.parse::<f64>() {
                Ok(share) if (0.0..1.0).contains(&share) => Ok(Self::Loss(share)),
                _ => Err(format!("`{value}` is no share from 0 to below 1")),
            },
            _ => Err(format!("`{name}` is none of crash, silent, equivocate, partition, slow, loss")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(nodes) => write!(f, "crash:{nodes}"),
            Self::Silent(nodes) => write!(f, "silent:{nodes}"),
            Self::Equivocate(nodes) => write!(f, "equivocate:{nodes}"),
            Self::Partition => f.write_str("partition"),
            Self::Slow(nodes) => write!(f, "slow:{nodes}"),
            Self::Loss(share) => write!(f, "loss:{share}"),
        }
    }
}

/// What one node suffers or does while the faults last.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Effects {
    pub(crate) crashes: bool,
    pub(crate) mute: bool,
    pub(crate) equivocates: bool,
    pub(crate) cut: bool,
    pub(crate) slow: bool,
    pub(crate) loss: f64,
}

impl Plan {
    /// When the faults begin and end, from the start of the run.
    pub(crate) fn fault_window(&self) -> (Duration, Duration) {
        (self.warm_up + self.duration / 3, self.warm_up + self.duration * 2 / 3)
    }

    /// What a member suffers. Validators fail from the last one down, proposers too.
    pub(crate) fn effects(&self, member: usize) -> Effects {
        let last = |count: usize, all: Vec<usize>| all.iter().rev().take(count).any(|other| *other == member);
        // With joint roles the last proposers: clients are at the honest ones.
        let validators = || (0..self.validators).collect();
        let proposers = || self.proposing().collect();
        let mut effects = Effects::default();
        for fault in &self.faults {
            match *fault {
                Fault::Crash(count) => effects.crashes |= last(count, validators()),
                Fault::Silent(count) => effects.mute |= last(count, proposers()),
                Fault::Equivocate(count) => effects.equivocates |= last(count, proposers()),
                Fault::Partition => effects.cut = true,
                Fault::Slow(count) => effects.slow |= last(count, validators()),
                Fault::Loss(share) => effects.loss = share,
            }
        }
        effects
    }

    /// Whether clients may rely on it: it does not crash, and proposes as it should.
    pub(crate) fn is_honest(&self, member: usize) -> bool {
        let effects = self.effects(member);
        !(effects.crashes || effects.mute || effects.equivocates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::plan::small;

    #[test]
    fn faults_are_read_as_they_are_written() {
        for text in ["crash:1", "silent:2", "equivocate:1", "partition", "slow:3", "loss:0.05"] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for text in ["crash:x", "loss:1", "loss:-1", "flood"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_of_each_role_fail_and_the_others_serve() {
        let plan = Plan { faults: vec![Fault::Crash(1), Fault::Silent(1)], ..small() };
        let failing: Vec<_> = (0..plan.members()).filter(|member| !plan.is_honest(*member)).collect();
        assert_eq!(failing, [3, 5]);
        assert_eq!(plan.rate_of_one(), Some(500.0), "one honest proposer has all of the load");
    }
}
