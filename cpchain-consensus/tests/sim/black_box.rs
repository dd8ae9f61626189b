//! The scenarios of the white paper's 2.6.2 that concern consensus, each with its steps and its expected result.

use std::sync::Arc;

use cpchain_consensus::{
    Height,
    lbft::{Block, Message, Proposal},
    sim::{
        Latency, Links, Nemesis, Scenario, World,
        actors::{self, Actor, MakeActor, Stage},
    },
};
use cpchain_crypto::PublicKey;

use crate::{calm, core, ms};

/// Everything that is expected of a working chain: 15 heights on every honest node, and no invariant broken.
fn works(scenario: Scenario) -> World {
    scenario.goal(15, ms(60_000)).run().unwrap()
}

mod abnormal_consensus {
    use super::*;

    /// Scenario: one validator of four is Byzantine, in every way that ships. Expected: the chain goes on and nobody honest
    /// is accused.
    #[test]
    fn each_byzantine_validator_alone() {
        for seed in 0..4 {
            for actor in actors::VALIDATORS {
                works(calm(seed, 4, 3, 1).byzantine(seed as usize % 4, *actor));
            }
        }
    }

    /// Scenario: a validator votes for both blocks of a proposer that equivocates. Expected: proof against both.
    #[test]
    fn double_votes_leave_evidence() {
        let world = works(
            calm(1, 4, 3, 0)
                .byzantine(0, || Box::<actors::EquivocatingValidator>::default())
                .byzantine(4, || Box::new(actors::EquivocatingProposer)),
        );
        assert!(world.statistics().evidence > 0);
    }

    /// Scenario: two processes run one validator's key, each in a part of the network. Expected: as any Byzantine validator.
    #[test]
    fn one_key_in_two_places() {
        for seed in 0..10 {
            let scenario = calm(seed, 4, 2, 0).twin(0).quiet_at(ms(3_000));
            works(scenario.partition(ms(0), ms(3_000), [0, 1, 2, 4].into(), [6, 3, 5].into()));
        }
    }

    /// Scenario: a third of a larger committee is Byzantine, validators and proposers together.
    #[test]
    fn a_third_at_once() {
        let bad: [MakeActor; 3] = [
            || Box::<actors::EquivocatingValidator>::default(),
            || Box::<actors::FalseImpeacher>::default(),
            || Box::new(actors::CertificateWithholder),
        ];
        for seed in 0..4 {
            let mut scenario = calm(seed, 10, 3, 1).byzantine(10, || Box::new(actors::EquivocatingProposer));
            for (member, actor) in bad.iter().enumerate() {
                scenario = scenario.byzantine(member, *actor);
            }
            works(scenario);
        }
    }

    /// Scenario: a peer lies to who catches up. Expected: the follower gets there all the same.
    #[test]
    fn a_lying_peer_stops_nobody() {
        for seed in 0..4 {
            let away = Nemesis::Crash { node: 7, down: ms(4_000) };
            works(calm(seed, 4, 3, 1).byzantine(0, || Box::new(actors::LyingPeer)).at(ms(300), away));
        }
    }
}

mod stability {
    use super::*;

    /// Scenario: each kind of member is aborted and rebooted. Expected: the chain goes on, the member follows.
    #[test]
    fn reboot_of_each_role() {
        for node in [0, 4, 7] {
            for down in [0, 500, 5_000] {
                let world = works(calm(3, 4, 3, 1).at(ms(700), Nemesis::Crash { node, down: ms(down) }));
                assert_eq!(world.statistics().crashes, 1);
            }
        }
    }

    /// Scenario: a blackout: all processes die at once, in the middle of their work. Expected: what was final stays, and the
    /// chain goes on.
    #[test]
    fn blackout() {
        for seed in 0..20 {
            let mut scenario = calm(seed, 4, 3, 1);
            for node in 0..8 {
                scenario = scenario.at(ms(1_000 + seed * 7), Nemesis::Crash { node, down: ms(1_000) });
            }
            assert_eq!(works(scenario).statistics().crashes, 8);
        }
    }

    /// Scenario: start and stop, many times, one member after the other.
    #[test]
    fn start_and_stop_many_times() {
        let mut scenario = calm(5, 4, 3, 0).quiet_at(ms(12_000));
        for round in 0..28 {
            let crash = Nemesis::Crash { node: round as usize % 7, down: ms(300) };
            scenario = scenario.at(ms(400 * round), crash);
        }
        works(scenario);
    }

    /// Scenario: a disk fails under a validator. Expected: the node stops rather than vote unlogged, and comes back once it
    /// is repaired.
    #[test]
    fn a_disk_fails() {
        let mut world = calm(6, 4, 3, 0).at(ms(600), Nemesis::DiskFails { node: 1, down: ms(3_000) }).world().unwrap();
        world.run_until(ms(2_000)).unwrap();
        assert!(world.core(1).is_none(), "it stopped at the first write");
        let meanwhile = world.judge().final_height();
        assert!(meanwhile > Height(3), "three go on: {meanwhile}");
        world.run_until(ms(8_000)).unwrap();
        assert!(core(&world, 1).final_height() > meanwhile);
    }
}

mod mining {
    use super::*;

    fn with_proposer(actor: MakeActor) -> World {
        works(calm(2, 4, 3, 0).byzantine(4, actor))
    }

    /// Scenario: the proposer of every third height says nothing. Expected: its heights are impeached, the others are not.
    #[test]
    fn a_silent_proposer_is_impeached() {
        let world = with_proposer(|| Box::new(actors::Silent));
        let (last, impeached) = (world.judge().final_height().0, world.judge().impeached());
        assert_eq!(impeached, last.div_ceil(3), "{last}");
    }

    /// Scenario: payloads that the rules refuse. Expected: impeached at once, without waiting for the timer.
    #[test]
    fn an_illicit_block_is_impeached_at_once() {
        let world = with_proposer(|| Box::new(actors::IllicitProposer));
        assert_eq!(world.judge().impeached(), world.judge().final_height().0.div_ceil(3));
        let finality = world.statistics().intervals();
        assert!(finality.last() < Some(&ms(1_000)), "{finality:?}");
    }

    /// Scenario: two blocks for one height. Expected: proof, and one of them or none is final.
    #[test]
    fn two_blocks_are_proven() {
        let world = with_proposer(|| Box::new(actors::EquivocatingProposer));
        assert!(world.statistics().evidence > 0);
    }

    /// Seals two blocks, and shows one to each half of the validators.
    struct TwoFaced;

    impl Actor for TwoFaced {
        fn name(&self) -> &'static str {
            "two-faced proposer"
        }

        fn says(&mut self, stage: &mut Stage<'_>, to: &[PublicKey], message: Message) {
            let Message::Propose(proposal) = &message else { return };
            let (header, payload) = (proposal.block.header(), [proposal.block.payload(), &b"2"[..]].concat());
            let parent = (header.parent_height, header.parent);
            let second = Block::seal(stage.committee, stage.signer, header.height, parent.0, parent.1, payload.into());
            let second = Message::Propose(Proposal { block: Arc::new(second), ..proposal.clone() });
            let (these, those): (Vec<_>, Vec<_>) = to.iter().partition(|key| key.0[0] & 1 == 0);
            stage.send(&these, message);
            stage.send(&those, second);
        }
    }

    /// Scenario: each half of the validators is shown another block, nobody both. Expected: proof all the same, and an impeachment
    /// that does not wait for the timer.
    #[test]
    fn two_blocks_for_disjoint_halves_are_proven() {
        for seed in 0..8 {
            let scenario = calm(seed, 4, 3, 0).byzantine(4, || Box::new(TwoFaced));
            let world = works(scenario);
            let (last, statistics) = (world.judge().final_height().0, world.statistics());
            // A quorum of validators reports each of its heights: they impeach for no other reason.
            assert!(statistics.evidence >= 3 * (last / 3), "{} of {last}", statistics.evidence);
            let finality = statistics.intervals();
            assert!(finality.last() < Some(&ms(1_000)), "{finality:?}");
        }
    }

    /// Scenario: a block on a parent that its place does not allow. Expected: nobody prepares it.
    #[test]
    fn an_unjustified_block_is_not_prepared() {
        let world = with_proposer(|| Box::<actors::OrphanProposer>::default());
        // Its first block may stand on genesis, and now and then it picks a parent that is allowed.
        assert!(world.judge().impeached() > world.judge().final_height().0 / 6);
    }

    /// Scenario: a proposer whose blocks come about when the timers run out. Expected: final or impeached, never both.
    #[test]
    fn a_late_block_is_final_or_impeached() {
        for delay in 0..4 {
            let late: [MakeActor; 4] = [
                || Box::new(actors::LateProposer(ms(700))),
                || Box::new(actors::LateProposer(ms(820))),
                || Box::new(actors::LateProposer(ms(860))),
                || Box::new(actors::LateProposer(ms(1_200))),
            ];
            with_proposer(late[delay]);
        }
    }

    /// Scenario: all proposers but one fail, each in its way.
    #[test]
    fn one_honest_proposer_is_enough() {
        let mut scenario = calm(9, 4, 6, 0);
        for (place, actor) in actors::PROPOSERS.iter().take(5).enumerate() {
            scenario = scenario.byzantine(4 + place, *actor);
        }
        // Most heights wait for a timer that has grown.
        scenario.goal(15, ms(200_000)).run().unwrap();
    }
}

mod nemesis {
    use super::*;

    /// Scenario: delays in sending, up to more than the timer. Expected: the timers grow until the network fits.
    #[test]
    fn delays() {
        for delay in [100, 400, 1_500] {
            works(calm(1, 4, 3, 0).links(Links::good(Latency::Between(ms(delay / 2), ms(delay)))));
        }
    }

    /// Scenario: one slow validator. Expected: it changes nothing for the others.
    #[test]
    fn a_slow_validator_slows_nobody() {
        let interval = |scenario: Scenario| {
            let intervals = works(scenario).statistics().intervals();
            intervals[intervals.len() / 2]
        };
        let quick = interval(calm(1, 4, 3, 0));
        let slow = interval(calm(1, 4, 3, 0).at(ms(0), Nemesis::Slow { node: 2, by: ms(400) }));
        assert!(slow < quick + ms(20), "{quick:?} {slow:?}");
    }

    /// Scenario: a third of the messages is lost, some come twice, many out of order.
    #[test]
    fn loss_duplicates_and_reordering() {
        for seed in 0..5 {
            let links = Links { loss: 3_000, duplicate: 2_000, reorder: 1_000, ..Links::default() };
            works(calm(seed, 4, 3, 1).links(links));
        }
    }

    /// Scenario: a narrow uplink. Expected: messages queue, and the chain goes on.
    #[test]
    fn little_bandwidth() {
        let works = |rate| works(calm(1, 7, 3, 0).links(Links { bandwidth: Some(rate), ..Links::default() }));
        assert!(works(20_000).now() > works(1_000_000).now());
    }

    /// Scenario: disconnection: each member in turn, then halves, then all of them. Expected: no minority finalises
    /// anything, and the chain goes on when the links are back.
    #[test]
    fn disconnection() {
        for cut in [vec![0], vec![4], vec![0, 1], vec![0, 4, 5], vec![0, 1, 2, 3]] {
            let rest = (0..8).filter(|node| !cut.contains(node)).collect();
            let scenario = calm(4, 4, 3, 1).partition(ms(500), ms(4_000), cut.into_iter().collect(), rest);
            works(scenario.quiet_at(ms(4_000)));
        }
    }

    /// Scenario: node crashes between any two outputs of a step.
    #[test]
    fn node_crashes() {
        let mut crashes = 0;
        for seed in 0..10 {
            let scenario = calm(seed, 4, 3, 1).at(ms(0), Nemesis::CrashBetween(40)).quiet_at(ms(5_000));
            crashes += works(scenario).statistics().crashes;
        }
        assert!(crashes > 30, "{crashes}");
    }

    /// Scenario: time drifts: clocks at half and at one and a half times the speed, and jumps of an hour both ways.
    /// Expected: at worst a proposer is impeached too early; nothing forks, and timers grow until it fits.
    #[test]
    fn time_drifts() {
        let hour = 3_600_000_000;
        for seed in 0..5 {
            let mut scenario = calm(seed, 4, 3, 0).quiet_at(ms(6_000));
            for (node, drift) in [(0, 500_000), (1, -500_000), (4, 500_000), (5, -500_000)] {
                scenario = scenario.at(ms(0), Nemesis::ClockDrift { node, parts_per_million: drift });
            }
            for (node, by) in [(0, hour), (1, -hour), (2, hour), (5, -hour)] {
                scenario = scenario.at(ms(2_000), Nemesis::ClockJump { node, by });
            }
            // A clock that fell back by an hour rings an hour late; the node restarts when somebody notices.
            for node in [1, 5] {
                scenario = scenario.at(ms(6_000), Nemesis::Crash { node, down: ms(0) });
            }
            works(scenario);
        }
    }
}
