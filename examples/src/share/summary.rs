//! What a run reports: the table for people and the object for programs.

use serde::Serialize;

use super::candidates::TermRow;

/// One step of the share.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Bytes that it stored, moved or put on chain.
    pub bytes: u64,
    /// What it proved.
    #[serde(skip)]
    pub proved: String,
}

/// The outcome of a share.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Rows in the intervals that were paid for.
    pub rows_bought: usize,
    /// Rows that were decrypted and found equal to the source file, bit for bit.
    pub rows_verified: usize,
    /// An interval that was not bought stayed closed to the buyer.
    pub unbought_interval_refused: bool,
    /// The encrypted query gave exactly the answer of the plaintext.
    pub private_search_correct: bool,
    /// Current height of the chain at the end.
    pub chain_height: u64,
    /// Blocks that are final.
    pub final_blocks: u64,
    /// Heights whose proposer was impeached.
    pub impeached_heights: u64,
    /// Every block of the sale was proposed in a term whose proposers were elected from the candidates, by one of them.
    pub elected_proposers: bool,
    /// Blocks with an event of the order.
    pub sale_blocks: usize,
    /// How many of them elected proposers made.
    pub sale_blocks_by_elected: usize,
    /// The terms, as far as the ledger remembers them.
    pub terms: Vec<TermRow>,
    /// Wall-clock seconds of the whole run.
    pub seconds: f64,
    /// The steps in order.
    pub steps: Vec<Step>,
}

impl Summary {
    /// Did everything hold that the share is meant to show?
    pub fn holds(&self) -> bool {
        self.rows_bought > 0
            && self.rows_bought == self.rows_verified
            && self.unbought_interval_refused
            && self.private_search_correct
            && self.elected_proposers
    }

    /// The table that a person reads at the end.
    pub fn table(&self) -> String {
        let name = self.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
        let mut out = format!("{:name$}  {:>8}  {:>11}  what was proved\n", "step", "time", "bytes");
        for Step { name: title, seconds, bytes, proved } in &self.steps {
            let pad = name - title.chars().count();
            out += &format!("{title}{:pad$}  {:>6.2} s  {:>11}  {proved}\n", "", seconds, grouped(*bytes));
        }
        out += &format!(
            "\n{} of {} bought rows verified · unbought interval {} · private search {} · {} of {} blocks of the sale by elected proposers · height {}, {} final blocks, {} impeached · {:.1} s\n",
            self.rows_verified,
            self.rows_bought,
            if self.unbought_interval_refused { "refused" } else { "OPENED" },
            if self.private_search_correct { "correct" } else { "WRONG" },
            self.sale_blocks_by_elected,
            self.sale_blocks,
            self.chain_height,
            self.final_blocks,
            self.impeached_heights,
            self.seconds,
        );
        out
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 999, 1000, 123_456, 1_234_567].map(grouped),
            ["0", "999", "1,000", "123,456", "1,234,567"].map(str::to_owned)
        );
    }

    #[test]
    fn a_share_holds_only_if_all_of_it_does() {
        let good = Summary {
            rows_bought: 2,
            rows_verified: 2,
            unbought_interval_refused: true,
            private_search_correct: true,
            elected_proposers: true,
            ..Summary::default()
        };
        assert!(good.holds());
        assert!(!Summary { rows_verified: 1, ..good.clone() }.holds());
        assert!(!Summary { unbought_interval_refused: false, ..good.clone() }.holds());
        assert!(!Summary { private_search_correct: false, ..good.clone() }.holds());
        assert!(!Summary { elected_proposers: false, ..good.clone() }.holds());
        assert!(!Summary { rows_bought: 0, rows_verified: 0, ..good }.holds());
    }
}
