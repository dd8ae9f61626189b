//! probe
use cpchain_consensus::{lbft::Rule, model::*};
fn show(name: &str, s: Setup, limit: usize) {
    let m = Machine::new(s).unwrap();
    let f = search(m.clone(), limit);
    println!(
        "{name}: {f} locals {} {:#?}",
        m.validator_states(),
        f.traces.iter().filter(|t| !t.0.starts_with("all")).collect::<Vec<_>>()
    );
}
fn main() {
    let w: Vec<String> = std::env::args().skip(1).collect();
    let a: Vec<u64> = w.iter().filter_map(|a| a.parse().ok()).collect();
    match w[0].as_str() {
        "q" => {
            let m = Quotient::new(a[0] as u8, a[1] as u8, a[2] as u8).unwrap();
            let f = search(m.clone(), a[3] as usize);
            println!("{f} locals {} {:#?}", m.validator_states(), f.traces);
        }
        "m" => {
            let mut s = Setup::new(4, a[0] as u8);
            s.wild = a[1] == 1;
            s.restarts = a[2] as u8;
            s.timely_one_in = a[3];
            show("", s, a[4] as usize);
        }
        "x" => {
            let base = Setup { wild: true, symmetric: a[0] == 1, ..Setup::new(4, 2) };
            let l = 50_000_000;
            for r in [
                Rule::OnePrepare,
                Rule::ParentCertified,
                Rule::SkippedImpeached,
                Rule::ImpeachExcludesCommit,
                Rule::CommitExcludesImpeach,
            ] {
                show(
                    &format!("{r:?}"),
                    Setup {
                        dropped: vec![r],
                        wild: matches!(r, Rule::ParentCertified | Rule::SkippedImpeached | Rule::OnePrepare),
                        ..base.clone()
                    },
                    l,
                );
            }
            show(
                "f+1",
                Setup { wild: false, rules: VoteRules { impeach_quorum: 2, ..VoteRules::new(4, 1) }, ..base.clone() },
                l,
            );
            show(
                "n=5",
                Setup {
                    wild: false,
                    rules: VoteRules { quorum: 3, impeach_quorum: 3, ..VoteRules::new(5, 1) },
                    ..base.clone()
                },
                l,
            );
        }
        _ => {
            for t in [1] {
                for h in [1, 2] {
                    let base = Setup { timely_one_in: if h == 1 { 1 } else { a[0] }, ..Setup::new(4, h) };
                    let l = 5_000_000;
                    if h == 2 {show("none0", Setup{restarts:0, ..base.clone()}, 5_000_000_0);return;}
      show("L1", Setup { restarts: 1, log: Log::NoCertificates, ..base.clone() }, l);
                    show("L3", Setup { dropped: vec![Rule::RepeatCertificates], ..base.clone() }, l);
                    show("L4", Setup { dropped: vec![Rule::Jump], ..base.clone() }, l);
                    show("L7", Setup { dropped: vec![Rule::RowsAreConditions], ..base.clone() }, l);
                    show("none", Setup { restarts: 1, ..base.clone() }, l);
                }
            }
        }
    }
}
