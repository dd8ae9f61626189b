//! The boundary between terms.

use core::time::Duration;

use bytes::Bytes;
use cpchain_crypto::{Digest, Signer};

use super::{
    net::{Net, SPAN, is_vote, rotate},
    *,
};
use crate::{
    lbft::{Config, Input, Kind, LightClient, LightError, Restored, Vote},
    storage::Storage,
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
    net.reach(2 * SPAN + 2, 60_000);
    let keys: Vec<_> = net.keys.iter().map(Signer::public_key).collect();
    let mut client = LightClient::new(net.first.clone(), (Height(0), Digest::ZERO));
    let mut headers: Vec<Bytes> = vec![];
    let mut seen = 0;
    for height in 1..=2 * SPAN + 2 {
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
        assert_eq!(client.next_term(client.committee().again()), Err(LightError::Term));
        assert_eq!(client.tip(), before);
        seen += client.advance(&headers, &proof).unwrap().len();
        assert_eq!(client.tip(), (Height(height), entry.block.digest));
        headers.clear();
        if client.is_over() {
            assert_eq!(client.advance(&[], &proof), Err(LightError::Term));
            assert_eq!(client.next_term(client.committee().clone()), Err(LightError::Committee));
            let next = rotate(client.committee(), &keys);
            client.next_term(next).unwrap();
        }
    }
    assert_eq!(client.committee().term(), Term(2));
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
