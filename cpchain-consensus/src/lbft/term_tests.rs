//! The boundary between terms.

use core::time::Duration;

use bytes::Bytes;
use cpchain_crypto::{Digest, Signer};

use super::{
    net::{Net, SPAN, is_vote, rotate},
    *,
};
use crate::{
    lbft::{Config, FinalEntry, Input, Kind, LightClient, LightError, Restored, Snapshot, Vote},
    storage::{MemoryStorage, Storage},
};

#[test]
fn terms_follow_each_other_and_the_sets_change() {
    let mut net = Net::new(1);
    net.start();
    net.reach(23, 60_000);
    let terms: Vec<_> = (1..=23).map(|height| net.entry(9, height).term.0).collect();
    assert_eq!(terms, (1..=23).map(|height: u64| (height - 1) / SPAN).collect::<Vec<_>>());
    assert!(net.nodes[9].finals.values().all(|block| !block.impeached), "nobody failed");
    for height in 1..=23 {
        let is_last = height % SPAN == 0;
        assert_eq!(net.entry(0, height).closing.is_some(), is_last, "height {height}");
    }
    let second = net.nodes[0].storage.committee(Term(1)).unwrap().unwrap();
    assert_eq!((second.first(), second.last()), (Height(6), Some(Height(10))));
}

/// `TERM_SEEDS=500` tries more of them.
#[test]
fn terms_survive_crashes_and_loss() {
    let seeds = std::env::var("TERM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    for seed in 0..seeds {
        let mut net = Net::new(100 + seed);
        (net.loss, net.crashes) = (10, 400);
        net.start();
        net.run_until(8_000);
        (net.loss, net.crashes) = (0, 0);
        net.run_until(10_000);
        let goal = net.nodes.iter().filter_map(|n| n.finals.keys().last()).max().unwrap().0 + 2 * SPAN;
        net.reach(goal, 60_000);
    }
}

/// No COMMIT arrives while the term lasts: P-certificates alone use up its heights. The closing heights make them final.
#[test]
fn l6_a_whole_term_without_a_final_block() {
    for seed in 0..5 {
        let mut net = Net::new(seed);
        net.filter = Box::new(|flight| !(is_vote(flight, Kind::Commit) && flight.now < 4_000));
        net.start();
        net.run_until(4_000);
        assert!(net.nodes.iter().all(|node| node.finals.is_empty()));
        assert!((0..4).any(|node| net.nodes[node].core.as_ref().unwrap().height() > Height(SPAN)), "closing heights");
        net.reach(2 * SPAN, 60_000);
        let entry = net.entry(9, SPAN);
        let closing = entry.closing.unwrap();
        assert_eq!(closing.certificate.kind, Kind::Commit);
        assert!(closing.blocks.iter().all(|block| block.payload().is_empty() && block.height() > Height(SPAN)));
        assert!(closing.certificate.height > Height(SPAN) && !closing.blocks.is_empty());
        assert_eq!(net.entry(9, SPAN + 1).term, Term(1), "closing heights have no place in the chain");
    }
}

/// No proposal arrives while the term lasts: all its heights are impeached, and the next term stands on the last record.
#[test]
fn a_term_without_a_block_ends_too() {
    let mut net = Net::new(3);
    net.filter = Box::new(|flight| {
        !matches!(&flight.message, Message::Propose(proposal) if proposal.block.height() <= Height(SPAN)
            && proposal.block.header().term == Term(0))
    });
    net.start();
    net.reach(SPAN + 1, 120_000);
    assert!((1..=SPAN).all(|height| net.entry(9, height).block.impeached));
    let (last, first) = (net.entry(9, SPAN), net.entry(9, SPAN + 1));
    assert_eq!(first.block.parent, last.block.digest);
    assert!(!last.closing.unwrap().blocks.is_empty());
}

/// No proposal inside any term arrives: each ends by closing blocks, and they bring the timer down like any others.
#[test]
fn closing_blocks_bring_the_timer_down() {
    let mut net = Net::new(4);
    // The first committee serves again.
    net.next = |ended, _| ended.again();
    net.filter = Box::new(|flight| {
        let inside = flight.now < 10_000;
        let lost = matches!(&flight.message, Message::Propose(proposal) if proposal.block.height() <= Height(SPAN));
        let early = is_vote(flight, Kind::Commit) && flight.now < 6_000;
        !(inside && lost || early)
    });
    net.start();
    net.reach(SPAN, 120_000);
    let blocks = net.entry(9, SPAN).closing.unwrap().blocks.len();
    assert!(blocks >= 4, "{blocks}");
    net.reach(SPAN + 1, 120_000);
    // The cap was reached; the closing blocks took it down again before the next term began.
    assert_eq!(net.nodes[0].first_timers.last(), Some(&600), "{:?}", net.nodes[0].first_timers);
}

/// Node 0 ends after each of its outputs around the boundary in turn; it finds its way, and signs nothing twice (the
/// others would report it).
#[test]
fn a_restart_at_every_step_of_the_boundary() {
    let close = |net: &mut Net| {
        net.filter = Box::new(|flight| !(is_vote(flight, Kind::Commit) && flight.now < 2_500));
        net.start();
    };
    let mut plain = Net::new(5);
    close(&mut plain);
    plain.run_until(2_400);
    let from = plain.nodes[0].outputs;
    plain.reach(SPAN + 2, 60_000);
    let to = plain.nodes[0].outputs;
    assert!(to > from + 40, "{from}..{to}");
    for place in (from..to).step_by(3) {
        let mut net = Net::new(5);
        net.crash = Some((0, place));
        close(&mut net);
        net.reach(2 * SPAN + 1, 60_000);
        assert!(net.nodes[0].life > 0, "it did crash at output {place}");
    }
}

/// A follower that was away for three terms, each with another set, and one boundary with closing heights among them.
#[test]
fn who_missed_the_boundaries_catches_up() {
    let mut net = Net::new(7);
    net.filter = Box::new(|flight| {
        let away = [flight.from, flight.to].contains(&9) && flight.now < 12_000;
        let early = is_vote(flight, Kind::Commit) && flight.now < 4_000;
        !(away || early)
    });
    net.start();
    net.run_until(12_000);
    let ahead = net.nodes[0].finals.len() as u64;
    assert!(ahead > 3 * SPAN && net.nodes[9].finals.is_empty(), "{ahead}");
    net.reach(ahead, 10_000);
    assert_eq!(
        net.nodes[9].finals,
        net.nodes[0].finals.range(..=Height(net.nodes[9].finals.len() as u64)).map(|(h, b)| (*h, b.clone())).collect()
    );
}

/// Only node 0 learns that the first term ended; it leaves the committee with it. The others hear it from node 0 alone.
#[test]
fn an_old_validator_hands_over_until_the_new_term_has_a_final_block() {
    let mut net = Net::new(8);
    net.filter = Box::new(|flight| {
        // COMMITs at the last height and above reach node 0 alone, and what it says in the first second after is lost.
        let late = matches!(&flight.message, Message::Vote(vote)
            if vote.kind == Kind::Commit && vote.height >= Height(SPAN) && vote.term == Term(0));
        let news =
            matches!(&flight.message, Message::Certificate(c) if c.kind == Kind::Commit && c.height >= Height(SPAN));
        !(late && flight.to != 0 || news && flight.from == 0 && flight.now < 3_000)
    });
    net.start();
    net.run_until(2_900);
    assert_eq!(net.nodes[0].core.as_ref().unwrap().committee().term(), Term(1));
    assert!(net.terms()[1..].iter().all(|term| *term == Some(0)), "{:?}", net.terms());
    net.reach(SPAN + 1, 20_000);
}

/// From storage to a light client: headers and certificates over three terms, of which the first was closed by closing
/// heights and has impeached heights.
#[test]
fn a_light_client_follows_terms_and_takes_nothing_else() {
    let mut net = Net::new(12);
    net.filter = Box::new(|flight| {
        let commit = is_vote(flight, Kind::Commit) && flight.now < 4_000;
        let block = matches!(&flight.message, Message::Propose(proposal)
            if proposal.block.header().term == Term(0) && (3..=5).contains(&proposal.block.height().0));
        !(commit || block)
    });
    net.start();
    net.reach(3 * SPAN + 2, 60_000);
    let keys: Vec<_> = net.keys.iter().map(Signer::public_key).collect();
    let mut client = LightClient::new(net.first.clone(), (Height(0), Digest::ZERO));
    let mut headers: Vec<Bytes> = vec![];
    let mut seen = 0;
    for height in 1..=3 * SPAN + 2 {
        let entry = net.entry(9, height);
        headers.extend(entry.sealed.iter().map(|block| block.encoded_header().clone()));
        let proof = match &entry.closing {
            Some(closing) => {
                headers.extend(closing.blocks.iter().map(|block| block.encoded_header().clone()));
                Some(closing.certificate.clone())
            }
            None => entry.certificate.clone().filter(|certificate| certificate.kind == Kind::Commit),
        };
        let Some(proof) = proof else { continue };
        // Less than all, more than all, or with another certificate: nothing is believed.
        let before = client.tip();
        assert!(client.advance(&headers[1..], &proof).is_err());
        assert!(client.advance(&headers[..headers.len() - 1], &proof).is_err());
        let few = Certificate { signatures: proof.signatures.slice(..64), ..proof.clone() };
        assert!(client.advance(&headers, &few).is_err());
        assert_eq!(client.next_term(client.committee().again(), &proof), Err(LightError::Term));
        assert_eq!(client.tip(), before);
        seen += client.advance(&headers, &proof).unwrap().len();
        assert_eq!(client.tip(), (Height(height), entry.block.digest));
        headers.clear();
        if client.is_over() {
            assert_eq!(client.advance(&[], &proof), Err(LightError::Term));
            let ended = client.committee().clone();
            let handover = net.nodes[9].storage.handover(ended.term()).unwrap().unwrap();
            let next = net.nodes[9].storage.committee(ended.term().next()).unwrap().unwrap();
            assert_eq!(next, rotate(&ended, &keys));
            let refused = |client: &mut LightClient, next: &Committee, handover: &Certificate| {
                let outcome = client.next_term(next.clone(), handover);
                assert_eq!(client.committee(), &ended);
                outcome.unwrap_err()
            };
            // What somebody made up, with the true proof and with one by fewer than a quorum; another term's; another statement.
            assert_eq!(refused(&mut client, &ended, &handover), LightError::Committee);
            let forged = ended.next(keys[6..10].to_vec(), keys[7..9].to_vec(), Some(SPAN)).unwrap();
            assert_eq!(refused(&mut client, &forged, &handover), LightError::Committee);
            let last = ended.last().unwrap();
            let sign = |place: u16, kind, digest| {
                let key = net.keys.iter().find(|key| Some(key.public_key()) == ended.validator(place)).unwrap();
                Vote::cast(&ended, place, key, kind, last, digest)
            };
            let prove = |kind, votes: u16, digest| {
                let votes: Vec<_> = (0..votes).map(|place| sign(place, kind, digest)).collect();
                Certificate::from_votes(&ended, kind, last, digest, &votes)
            };
            let few = prove(Kind::Handover, 2, forged.digest());
            assert!(matches!(refused(&mut client, &forged, &few), LightError::Certificate(_)));
            let stolen = Certificate { digest: forged.digest(), ..handover.clone() };
            assert!(matches!(refused(&mut client, &forged, &stolen), LightError::Certificate(_)));
            let other_kind = prove(Kind::Commit, 4, next.digest());
            assert_eq!(refused(&mut client, &next, &other_kind), LightError::Committee);
            client.next_term(next, &handover).unwrap();
        }
    }
    assert_eq!(client.committee().term(), Term(3));
    let blocks = net.nodes[9].finals.range(..=client.tip().0).filter(|(_, block)| !block.impeached).count();
    assert_eq!(seen, blocks);
    assert!(net.entry(9, SPAN).block.impeached, "the first term ends with an impeached height");
}

#[test]
fn messages_of_other_terms_are_nobodys_fault() {
    let mut net = Net::new(9);
    net.filter = Box::new(|flight| flight.to != 6);
    net.start();
    net.reach_but(6, SPAN + 2);
    let ahead = net.nodes[0].storage.final_entry(Height(SPAN + 1)).unwrap().unwrap();
    let from = net.keys[0].public_key();
    let late = net.nodes[6].core.as_mut().unwrap();
    for message in ahead.messages() {
        let outputs = late.step(Input::Message { from, message });
        assert!(!outputs.iter().any(|o| matches!(o, Output::Blame { .. })), "{outputs:?}");
    }
    // It pulls what it lacks, and only heights of its own term.
    let past = net.nodes[0].storage.final_entry(Height(1)).unwrap().unwrap();
    let early = net.nodes[0].core.as_mut().unwrap();
    for message in past.messages() {
        assert!(early.step(Input::Message { from, message }).is_empty());
    }
}

#[test]
fn a_closing_block_with_a_payload_is_impeached() {
    let mut net = Net::new(10);
    let last = Height(1);
    net.first =
        Committee::new(net.first.chain(), Term(0), net.first.validators().to_vec(), net.first.proposers().to_vec())
            .unwrap()
            .until(last)
            .unwrap();
    let config =
        Config { committee: net.first.clone(), timeout: Duration::from_secs(1), timeout_cap: Duration::from_secs(9) };
    let (mut core, _) = Lbft::new(config, Arc::new(net.keys[0].clone()), net.cache.clone(), Restored::default());
    let from = net.keys[1].public_key();
    let votes: Vec<_> = (0..3)
        .map(|i| Vote::cast(&net.first, i, &net.keys[i as usize], Kind::ImpeachPrepare, last, Digest::ZERO))
        .collect();
    let certificate = Certificate::from_votes(&net.first, Kind::ImpeachPrepare, last, Digest::ZERO, &votes[1..]);
    assert!(certificate.verify(&net.first, &net.cache).is_err());
    let others: Vec<_> = (1..4)
        .map(|i| Vote::cast(&net.first, i, &net.keys[i as usize], Kind::ImpeachPrepare, last, Digest::ZERO))
        .collect();
    let certificate = Certificate::from_votes(&net.first, Kind::ImpeachPrepare, last, Digest::ZERO, &others);
    core.step(Input::Message { from, message: Message::Certificate(certificate) });
    assert_eq!(core.height(), Height(2));
    let seal = |payload| {
        let block = Block::seal(&net.first, &net.keys[8], Height(2), Height(0), Digest::ZERO, payload);
        Message::Block(Arc::new(block))
    };
    let outputs = core.step(Input::Message { from, message: seal(Bytes::from_static(b"reward")) });
    let asks = |outputs: &[Output], kind| {
        outputs.iter().any(|o| matches!(o, Output::Send { message: Message::Vote(vote), .. } if vote.kind == kind))
    };
    assert!(asks(&outputs, Kind::ImpeachPrepare));
}

#[test]
fn a_committee_that_does_not_follow_is_a_fault() {
    let mut net = Net::new(11);
    // One validator and proposer: it ends its terms alone.
    let me = vec![net.keys[0].public_key()];
    net.first = Committee::new(net.first.chain(), Term(0), me.clone(), me).unwrap().until(Height(1)).unwrap();
    let config =
        Config { committee: net.first.clone(), timeout: Duration::from_secs(1), timeout_cap: Duration::from_secs(9) };
    let (mut core, _) = Lbft::new(config, Arc::new(net.keys[0].clone()), net.cache.clone(), Restored::default());
    core.step(Input::Propose { height: Height(1) });
    let outputs = core.step(Input::Payload { height: Height(1), payload: Bytes::from_static(b"x") });
    let Some(Output::Verify { digest, .. }) = outputs.last() else { panic!("{outputs:?}") };
    let outputs = core.step(Input::Verified { digest: *digest, verdict: Ok(()) });
    let ended = outputs.iter().find_map(|o| match o {
        Output::TermEnded(ended) => Some(ended.clone()),
        _ => None,
    });
    assert_eq!(ended.as_ref(), Some(&net.first));
    let height = core.height();
    assert!(core.step(Input::Timeout { height }).is_empty(), "no vote before the next committee is known");
    core.step(Input::NextTerm(net.first.clone()));
    assert_eq!(core.fault(), Some(Fault::Committee(Term(0))));
}

/// A member of a first term with heights 1 to 5 that has ended, with the next committee, and the proof of that.
fn handed_over(net: &mut Net) -> (Committee, Committee, Certificate) {
    net.start();
    net.reach(SPAN + 1, 60_000);
    let next = net.nodes[0].storage.committee(Term(1)).unwrap().unwrap();
    (net.first.clone(), next, net.nodes[0].storage.handover(Term(0)).unwrap().unwrap())
}

#[test]
fn hand_overs_are_proven_or_punished() {
    let mut net = Net::new(13);
    let (ended, next, proof) = handed_over(&mut net);
    assert!(net.nodes.iter().all(|node| node.storage.handover(Term(0)).unwrap().as_ref().is_some_and(|held| {
        (held.kind, held.height, held.digest) == (Kind::Handover, Height(SPAN), next.digest())
    })));
    let other = Digest([7; 32]);
    let cast = |net: &Net, place: u16, height, digest| {
        Vote::cast(&ended, place, &net.keys[usize::from(place)], Kind::Handover, Height(height), digest)
    };
    let from = net.keys[1].public_key();
    let tell = |net: &mut Net, message| net.nodes[4].core.as_mut().unwrap().step(Input::Message { from, message });
    let blames = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Blame { .. }));
    // One that is known, by its signer: it wants the proof.
    let known = proof.votes().find(|vote| vote.signer == 1);
    let outputs = tell(&mut net, Message::Vote(known.unwrap_or_else(|| cast(&Net::new(13), 1, SPAN, next.digest()))));
    assert!(!blames(&outputs) && net.nodes[4].core.as_ref().unwrap().fault().is_none());
    // A second committee by one key.
    let vote = cast(&net, 1, SPAN, other);
    let outputs = tell(&mut net, Message::Vote(vote));
    let accused = outputs.iter().find_map(|output| match output {
        Output::Evidence(proof) => Some(*proof),
        _ => None,
    });
    assert!(accused.is_some_and(|proof| proof.verify() && proof.key == from), "{outputs:?}");
    assert!(tell(&mut net, Message::Vote(vote)).iter().all(|output| !matches!(output, Output::Evidence(_))), "once");
    // Another height, a forgery, a proof by too few.
    let vote = cast(&net, 2, SPAN + 1, next.digest());
    assert!(blames(&tell(&mut net, Message::Vote(vote))));
    let forged = Vote { signer: 2, ..cast(&net, 3, SPAN, other) };
    assert!(blames(&tell(&mut net, Message::Vote(forged))));
    let few = Certificate::from_votes(&ended, Kind::Handover, Height(SPAN), other, &[cast(&net, 2, SPAN, other)]);
    assert!(blames(&tell(&mut net, Message::Certificate(few))));
    // Of another term: nobody's fault, and no block is certified by any of it.
    let core = net.nodes[4].core.as_ref().unwrap();
    let (height, last) = (core.height(), core.final_height());
    let strange = Vote::cast(&next, 0, &net.keys[1], Kind::Handover, height, other);
    assert!(tell(&mut net, Message::Vote(strange)).is_empty());
    let core = net.nodes[4].core.as_ref().unwrap();
    assert_eq!((core.height(), core.final_height(), core.fault()), (height, last, None));
}

/// A node with the first committee in its configuration starts at a height of the third term: who followed the first is
/// true, and says nothing about its own committee.
#[test]
fn a_snapshot_of_a_later_term_knows_no_ended_term() {
    let mut net = Net::new(15);
    let (_, _, proof) = handed_over(&mut net);
    net.reach(3 * SPAN, 60_000);
    let proved = |entry: &FinalEntry| entry.certificate.as_ref().is_some_and(|c| c.kind == Kind::Commit);
    let entry = (2 * SPAN + 1..3 * SPAN).map(|height| net.entry(9, height)).find(proved).unwrap();
    let committee = net.nodes[9].storage.committee(Term(2)).unwrap().unwrap();
    let start = entry.block.height;
    let mut store = MemoryStorage::new();
    store.append(&Snapshot { committee, entry }.records(&net.cache).unwrap(), true).unwrap();
    let config =
        Config { committee: net.first.clone(), timeout: Duration::from_secs(1), timeout_cap: Duration::from_secs(9) };
    let signer = Arc::new(net.keys[9].clone());
    let (mut core, _) = Lbft::new(config, signer, net.cache.clone(), store.restore().unwrap());
    assert_eq!((core.committee().term(), core.final_height()), (Term(2), start));
    let from = net.keys[1].public_key();
    let outputs = core.step(Input::Message { from, message: Message::Certificate(proof) });
    assert!(outputs.is_empty() && core.fault().is_none(), "{outputs:?}");
}

/// A quorum of the ended term names another committee than the own application: one of the two is wrong, and it is silent.
#[test]
fn a_hand_over_to_another_committee_is_a_fault() {
    for early in [true, false] {
        let mut net = Net::new(14);
        // Nobody tells the follower who follows.
        net.filter = Box::new(|flight| match &flight.message {
            Message::Vote(vote) => vote.kind != Kind::Handover,
            Message::Certificate(certificate) => certificate.kind != Kind::Handover,
            _ => true,
        });
        net.start();
        net.reach(SPAN, 60_000);
        let votes: Vec<_> = (0..3)
            .map(|place: u16| {
                let key = &net.keys[usize::from(place)];
                Vote::cast(&net.first, place, key, Kind::Handover, Height(SPAN), Digest([7; 32]))
            })
            .collect();
        let other = Certificate::from_votes(&net.first, Kind::Handover, Height(SPAN), Digest([7; 32]), &votes);
        // A node that has everything up to the end of the term, before or after its application said who follows.
        let config = Config {
            committee: net.first.clone(),
            timeout: Duration::from_secs(1),
            timeout_cap: Duration::from_secs(9),
        };
        let tip = Some(net.entry(9, SPAN));
        let restored = Restored { tip, ..Restored::default() };
        let (mut core, outputs) = Lbft::new(config, Arc::new(net.keys[4].clone()), net.cache.clone(), restored);
        assert!(outputs.iter().any(|output| matches!(output, Output::TermEnded(_))));
        let keys: Vec<_> = net.keys.iter().map(Signer::public_key).collect();
        let proof = Input::Message { from: keys[1], message: Message::Certificate(other) };
        let next = Input::NextTerm(rotate(&net.first, &keys));
        let inputs = if early { [proof, next] } else { [next, proof] };
        for input in inputs {
            assert_eq!(core.fault(), None);
            core.step(input);
        }
        assert_eq!(core.fault(), Some(Fault::Committee(Term(1))));
    }
}

/// Gossip is faster than the chain: the proof comes while the term still goes on here.
#[test]
fn a_proof_before_the_end_of_the_term_is_kept() {
    let mut net = Net::new(13);
    let (ended, next, proof) = handed_over(&mut net);
    let config =
        Config { committee: ended.clone(), timeout: Duration::from_secs(1), timeout_cap: Duration::from_secs(9) };
    let (mut core, _) = Lbft::new(
        config,
        Arc::new(cpchain_crypto::SigningKey::from_seed(&[77; 32])),
        net.cache.clone(),
        Restored::default(),
    );
    let from = net.keys[1].public_key();
    let vote = |place: u16, digest| {
        Vote::cast(&ended, place, &net.keys[usize::from(place)], Kind::Handover, Height(SPAN), digest)
    };
    let few =
        Certificate::from_votes(&ended, Kind::Handover, Height(SPAN), Digest([7; 32]), &[vote(2, Digest([7; 32]))]);
    let outputs = core.step(Input::Message { from, message: Message::Certificate(few) });
    assert!(outputs.iter().any(|output| matches!(output, Output::Blame { .. })), "{outputs:?}");
    assert!(core.step(Input::Message { from, message: Message::Certificate(proof.clone()) }).is_empty());
    let mut kept = vec![];
    for height in 1..=SPAN {
        for message in net.entry(0, height).messages() {
            for output in core.step(Input::Message { from, message }) {
                match output {
                    Output::Persist { records, .. } => kept.extend(records),
                    Output::TermEnded(_) => drop(core.step(Input::NextTerm(next.clone()))),
                    _ => {}
                }
            }
        }
    }
    assert_eq!(core.committee(), &next);
    assert!(kept.iter().any(|record| matches!(record, Record::Handover(held) if *held == proof)), "{kept:?}");
}
