//! `lab consensus --virtual`: what committees of many sizes do in virtual time, and what simulating them costs.
//!
//! The cores are those of a node, run by the simulator on one thread with signatures that cost nothing: so the times are those of
//! the links alone, and the processor's time is that of the protocol alone.

use std::{error::Error, time::Duration};

use cpchain_consensus::{
    lbft::MAX_VALIDATORS,
    sim::{AWS, Latency, Links, Nemesis, Scenario, Statistics},
};

use crate::{Effort, Figure, measure::Clock};

/// One way between any two members of the even network.
const ONE_WAY: Duration = Duration::from_millis(50);
/// How much later all messages of a slow member come.
const SLOWER: Duration = Duration::from_millis(100);
const SEED: u64 = 1;

/// Validators, blocks, and the processor's milliseconds that a block may cost.
const SIZES: [(usize, u64, Option<f64>); 6] = [
    (4, 2_000, None),
    (7, 2_000, Some(0.3)),
    (10, 1_000, None),
    (31, 200, None),
    (100, 50, Some(60.0)),
    (MAX_VALIDATORS, 100, None),
];
/// Of which the largest committee has a goal of its own: a hundred blocks in a minute.
const LARGEST: (usize, f64) = (MAX_VALIDATORS, 60.0);

/// The figures.
pub(crate) fn run(effort: Effort, progress: &dyn Fn(String)) -> Result<Vec<Figure>, Box<dyn Error>> {
    let most = if effort == Effort::Quick { 31 } else { usize::MAX };
    let mut figures = Vec::new();
    for (validators, blocks, goal) in SIZES.into_iter().filter(|(validators, ..)| *validators <= most) {
        progress(format!("{validators} validators, {blocks} blocks, 50 ms one way"));
        let blocks = if effort == Effort::Quick { blocks.min(50) } else { blocks };
        let measured = measure(&even(validators, blocks))?;
        let params = format!("n={validators} blocks={blocks} one-way=50ms");
        let cost = Figure::count(
            "consensus::simulated_block",
            &params,
            "ms",
            measured.cpu.as_secs_f64() * 1e3 / blocks as f64,
        );
        figures.push(match goal {
            Some(limit) => cost.at_most(limit),
            None => cost,
        });
        if validators == LARGEST.0 {
            let whole = Figure::count("consensus::simulated_run", &params, "s", measured.cpu.as_secs_f64());
            figures.push(whole.at_most(LARGEST.1));
        }
        figures.push(finality(&params, &measured.finality).at_most(160.0));
    }
    figures.extend(slow_third(if effort == Effort::Quick { 20 } else { 200 }, progress)?);
    for validators in [10, 100, MAX_VALIDATORS].into_iter().filter(|validators| *validators <= most) {
        progress(format!("{validators} validators in ten regions"));
        let blocks = if validators > 100 { 20 } else { 50 };
        let links = Links::good(Latency::Regions(&AWS, 10));
        let measured = measure(&even(validators, blocks).links(links))?;
        let params = format!("n={validators} blocks={blocks} topology=aws10");
        let median = finality(&params, &measured.finality);
        let delay = quorum_delay(validators);
        let delays = median.median / delay;
        figures.push(median);
        let figure = Figure::count("consensus::finality_in_delays", &params, "delays of the median quorum", delays);
        figures.push(if validators == 100 { figure.at_most(3.2) } else { figure });
    }
    Ok(figures)
}

fn even(validators: usize, blocks: u64) -> Scenario {
    Scenario::new(SEED)
        .members(validators, validators.min(AWS.names.len()), 0)
        .links(Links::good(Latency::Constant(ONE_WAY)))
        .timeout(Duration::from_secs(2), Duration::from_secs(60))
        .retry(Duration::from_secs(1))
        .pause(Duration::ZERO)
        .goal(blocks, Duration::from_secs(24 * 3_600))
}

struct Measured {
    finality: Vec<Duration>,
    cpu: Duration,
}

fn measure(scenario: &Scenario) -> Result<Measured, Box<dyn Error>> {
    let clock = Clock::now();
    let world = scenario.run()?;
    let cpu = Duration::from_nanos(clock.elapsed_nanos() as u64);
    Ok(Measured { finality: world.statistics().finality(), cpu })
}

fn finality(params: &str, sorted: &[Duration]) -> Figure {
    let at = |in_ten_thousand| Statistics::quantile(sorted, in_ten_thousand).as_secs_f64() * 1e3;
    let mut figure = Figure::count("consensus::virtual_finality", params, "ms virtual", at(5_000));
    (figure.p99, figure.runs) = (at(9_900), sorted.len());
    figure
}

/// Seven validators, two of which are slow: the median hardly moves, for the others are a quorum.
fn slow_third(blocks: u64, progress: &dyn Fn(String)) -> Result<Vec<Figure>, Box<dyn Error>> {
    progress("a third of the validators slow".to_owned());
    let (validators, slow) = (7, 2);
    let well = measure(&even(validators, blocks))?;
    let late = |scenario: Scenario, node| scenario.at(Duration::ZERO, Nemesis::Slow { node, by: SLOWER });
    // Faults last until the network is told to be quiet: longer than the blocks take.
    let scenario = even(validators, blocks).quiet_at(ONE_WAY * 4 * u32::try_from(blocks)?);
    let slowed = measure(&(validators - slow..validators).fold(scenario, late))?;
    let params = format!("n={validators} slow={slow} one-way=50ms");
    let (well, slowed) = (finality(&params, &well.finality), finality(&params, &slowed.finality));
    let moved = (slowed.median / well.median - 1.0) * 100.0;
    Ok(vec![slowed, Figure::count("consensus::finality_moved", &params, "% of the median", moved).at_most(10.0)])
}

/// The time after which a quorum has heard the median validator, in milliseconds.
fn quorum_delay(validators: usize) -> f64 {
    let quorum = validators - validators.saturating_sub(1) / 3;
    let mut delays: Vec<u64> = (0..validators)
        .map(|from| {
            let mut ways: Vec<u64> =
                (0..validators).map(|to| if to == from { 0 } else { AWS.one_way(from, to) }).collect();
            ways.sort_unstable();
            ways.get(quorum.saturating_sub(1)).copied().unwrap_or(0)
        })
        .collect();
    delays.sort_unstable();
    delays.get(validators / 2).copied().unwrap_or(0) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finality_takes_three_hops_and_a_slow_third_does_not_change_that() {
        let measured = measure(&even(7, 5)).unwrap();
        let median = finality("", &measured.finality).median;
        assert!((150.0..160.0).contains(&median), "{median}");
        let figures = slow_third(5, &|_| {}).unwrap();
        assert!(figures[1].goal.as_ref().unwrap().met, "{}", figures[1].median);
    }

    #[test]
    fn the_delay_of_a_quorum_is_between_the_nearest_and_the_furthest() {
        let delay = quorum_delay(100);
        assert!((20.0..210.0).contains(&delay), "{delay}");
    }
}
