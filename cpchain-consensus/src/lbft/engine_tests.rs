//! The core alone, input by input.

use bytes::Bytes;
use cpchain_crypto::SigningKey;

use super::*;
use crate::{
    application::InvalidPayload,
    ids::{ChainId, Term},
    lbft::{Kind, Proposal, Pull, Vote},
};

/// Four validators; the fifth key proposes every height.
struct Four {
    keys: Vec<SigningKey>,
    committee: Committee,
    cache: Arc<SignatureCache>,
}

impl Four {
    fn new() -> Self {
        let keys: Vec<_> = (1..=6).map(|i| SigningKey::from_seed(&[i; 32])).collect();
        let public: Vec<_> = keys.iter().map(Signer::public_key).collect();
        let chain = ChainId::new("core", b"");
        let committee = Committee::new(chain, Term(0), public[..4].to_vec(), public[4..5].to_vec()).unwrap();
        Self { keys, committee, cache: Arc::new(SignatureCache::new(1000)) }
    }

    fn node(&self, who: usize, restored: Restored) -> (Lbft, Vec<Output>) {
        let timeout = Duration::from_secs(1);
        let config = Config { committee: self.committee.clone(), timeout, timeout_cap: timeout * 8 };
        Lbft::new(config, Arc::new(self.keys[who].clone()), self.cache.clone(), restored)
    }

    fn vote(&self, who: u16, kind: Kind, height: u64, digest: Digest) -> Vote {
        Vote::cast(&self.committee, who, &self.keys[usize::from(who)], kind, Height(height), digest)
    }

    fn certificate(&self, kind: Kind, height: u64, digest: Digest) -> Certificate {
        let votes: Vec<_> = (1..4).map(|who| self.vote(who, kind, height, digest)).collect();
        Certificate::from_votes(&self.committee, kind, Height(height), digest, &votes)
    }

    fn block(&self, height: u64, text: &'static str) -> Arc<Block> {
        let (parent, payload) = (Digest::ZERO, Bytes::from_static(text.as_bytes()));
        Arc::new(Block::seal(&self.committee, &self.keys[4], Height(height), Height(0), parent, payload))
    }

    fn tell(&self, node: &mut Lbft, message: Message) -> Vec<Output> {
        node.step(Input::Message { from: self.keys[4].public_key(), message })
    }
}

fn propose(block: &Arc<Block>) -> Message {
    Message::Propose(Proposal { block: block.clone(), parent: None, impeachment: None })
}

fn votes(outputs: &[Output]) -> Vec<Kind> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Send { message: Message::Vote(vote), .. } => Some(vote.kind),
        _ => None,
    });
    sent.collect()
}

fn logged(outputs: &[Output]) -> Vec<Record> {
    match outputs.first() {
        Some(Output::Persist { records, .. }) => records.clone(),
        _ => vec![],
    }
}

fn restored(records: Vec<Record>) -> Restored {
    let mut state = Restored::default();
    for record in records {
        match record {
            Record::Vote(vote) => state.votes.push(vote),
            Record::Sealed(block) => state.sealed.push(block),
            Record::Block(block) => state.blocks.push(block),
            Record::Certificate(certificate) => state.certificates.push(certificate),
            Record::Final(entry) => state.tip = Some(entry),
            Record::Fault(fault) => state.fault = Some(fault),
            Record::Committee(committee) => state.committee = Some(committee),
            Record::Handover(proof) => state.handover = Some(proof),
            Record::Evidence(_) => {}
        }
    }
    state
}

#[test]
fn log_before_send() {
    let net = Four::new();
    let (mut node, _) = net.node(0, Restored::default());
    let block = net.block(1, "a");
    net.tell(&mut node, propose(&block));
    let outputs = node.step(Input::Verified { digest: block.digest(), verdict: Ok(()) });
    assert_eq!(votes(&outputs), [Kind::Prepare]);
    let Some(Output::Persist { records, sync: true }) = outputs.first() else { panic!("{outputs:?}") };
    assert!(matches!(&records[..], [Record::Block(b), Record::Vote(v)] if *b == block && v.kind == Kind::Prepare));
    assert!(!outputs[1..].iter().any(|output| matches!(output, Output::Persist { .. })));
}

#[test]
fn states_follow_the_table_and_survive_a_restart() {
    let net = Four::new();
    let (mut node, _) = net.node(0, Restored::default());
    let block = net.block(1, "a");
    let digest = block.digest();
    let mut log = vec![];
    assert_eq!(node.state(Height(1)), State::Idle);
    log.extend(logged(&net.tell(&mut node, propose(&block))));
    log.extend(logged(&node.step(Input::Verified { digest, verdict: Ok(()) })));
    assert_eq!(node.state(Height(1)), State::Prepare);
    // The same votes again after a restart, and nothing else.
    let (back, outputs) = net.node(0, restored(log.clone()));
    assert_eq!((back.state(Height(1)), votes(&outputs)), (State::Prepare, vec![Kind::Prepare]));
    let outputs = net.tell(&mut node, Message::Certificate(net.certificate(Kind::Prepare, 1, digest)));
    log.extend(logged(&outputs));
    assert_eq!((node.state(Height(1)), node.height(), votes(&outputs)), (State::Commit, Height(2), vec![Kind::Commit]));
    // COMMIT excludes IMPEACH PREPARE, also after a restart and at any timer.
    let (mut back, outputs) = net.node(0, restored(log));
    assert_eq!((back.height(), votes(&outputs)), (Height(2), vec![Kind::Commit]));
    assert!(votes(&back.step(Input::Timeout { height: Height(1) })).is_empty());
    assert_eq!(votes(&back.step(Input::Timeout { height: Height(2) })), [Kind::ImpeachPrepare]);
}

#[test]
fn impeach_prepare_never_commits() {
    let net = Four::new();
    let (mut node, _) = net.node(0, Restored::default());
    let block = net.block(1, "a");
    let log = logged(&node.step(Input::Timeout { height: Height(1) }));
    for mut node in [node, net.node(0, restored(log)).0] {
        assert_eq!(node.state(Height(1)), State::ImpeachPrepare);
        net.tell(&mut node, propose(&block));
        let outputs = net.tell(&mut node, Message::Certificate(net.certificate(Kind::Prepare, 1, block.digest())));
        assert!(!votes(&outputs).contains(&Kind::Commit));
        assert_eq!((node.height(), node.state(Height(1))), (Height(2), State::ImpeachPrepare));
        assert!(!outputs.iter().any(|output| matches!(output, Output::Verify { .. })), "nothing to check it for");
    }
}

#[test]
fn illicit_and_second_blocks_are_impeached() {
    let net = Four::new();
    let (a, b) = (net.block(1, "a"), net.block(1, "b"));
    let (mut node, _) = net.node(0, Restored::default());
    net.tell(&mut node, propose(&a));
    let verdict = Err(InvalidPayload("no".into()));
    assert_eq!(votes(&node.step(Input::Verified { digest: a.digest(), verdict })), [Kind::ImpeachPrepare]);

    let (mut node, _) = net.node(0, Restored::default());
    net.tell(&mut node, propose(&a));
    net.tell(&mut node, propose(&a));
    assert_eq!(node.state(Height(1)), State::Idle, "the same block again is the same proposal");
    let outputs = net.tell(&mut node, propose(&b));
    assert_eq!(votes(&outputs), [Kind::ImpeachPrepare]);
    assert!(
        outputs.iter().any(|o| matches!(o, Output::Evidence(e) if e.verify() && e.key == net.keys[4].public_key()))
    );

    // A parent that is not below the block is wrong in itself; a block without the seal is nobody's.
    let (mut node, _) = net.node(0, Restored::default());
    let bent = Block::seal(&net.committee, &net.keys[4], Height(1), Height(1), a.digest(), Bytes::new());
    assert_eq!(votes(&net.tell(&mut node, propose(&Arc::new(bent)))), [Kind::ImpeachPrepare]);
    let (mut node, _) = net.node(0, Restored::default());
    let forged = Block::seal(&net.committee, &net.keys[5], Height(1), Height(0), Digest::ZERO, Bytes::new());
    let outputs = net.tell(&mut node, propose(&Arc::new(forged)));
    assert!(matches!(outputs[..], [Output::Blame { .. }]));
}

#[test]
fn unjustified_blocks_wait_and_pull() {
    let net = Four::new();
    let (mut node, _) = net.node(0, Restored::default());
    net.tell(&mut node, Message::Certificate(net.certificate(Kind::ImpeachPrepare, 1, Digest::ZERO)));
    let outputs = net.tell(&mut node, Message::Certificate(net.certificate(Kind::ImpeachPrepare, 3, Digest::ZERO)));
    assert_eq!(node.height(), Height(4));
    assert!(votes(&outputs).is_empty(), "a jump votes nowhere");
    // A block on genesis needs height 2 impeached too.
    let block = net.block(4, "on genesis");
    let outputs = net.tell(&mut node, propose(&block));
    let pulled = outputs.iter().any(
        |output| matches!(output, Output::Send { message: Message::Pull(pull), .. } if pull.heights == [Height(2)]),
    );
    assert!(pulled && !outputs.iter().any(|o| matches!(o, Output::Verify { .. })), "{outputs:?}");
    let outputs = net.tell(&mut node, Message::Certificate(net.certificate(Kind::ImpeachPrepare, 2, Digest::ZERO)));
    assert!(outputs.iter().any(|o| matches!(o, Output::Verify { height: Height(4), .. })), "{outputs:?}");
}

#[test]
fn a_proposer_seals_once_per_height() {
    let net = Four::new();
    let (mut node, outputs) = net.node(4, Restored::default());
    assert!(outputs.iter().any(|o| matches!(o, Output::MayPropose { height: Height(1) })));
    node.step(Input::Propose { height: Height(1) });
    let outputs = node.step(Input::Payload { height: Height(1), payload: Bytes::from_static(b"once") });
    let Some(Output::Persist { records, sync: true }) = outputs.first() else { panic!("{outputs:?}") };
    let [Record::Sealed(sealed)] = &records[..] else { panic!() };
    // Before and after a restart: no second seal, the same block again.
    for (mut node, start) in [(node, vec![]), net.node(4, restored(records.clone()))] {
        assert!(!start.iter().any(|o| matches!(o, Output::MayPropose { .. })));
        assert!(node.step(Input::Propose { height: Height(1) }).is_empty());
        assert!(node.step(Input::Payload { height: Height(1), payload: Bytes::from_static(b"twice") }).is_empty());
        node.step(Input::Retry);
        let outputs = node.step(Input::Retry);
        let again = outputs.iter().find_map(|o| match o {
            Output::Send { message: Message::Propose(proposal), .. } => Some(&proposal.block),
            _ => None,
        });
        assert_eq!(again, Some(sealed));
    }
}

#[test]
fn faults_stop_votes_and_nothing_else() {
    let net = Four::new();
    let digest = net.block(1, "a").digest();
    let certify = |kind, digest| Message::Certificate(net.certificate(kind, 1, digest));
    let with_own = |kind, height, digest| {
        let votes: Vec<_> = (0..3).map(|who| net.vote(who, kind, height, digest)).collect();
        Message::Certificate(Certificate::from_votes(&net.committee, kind, Height(height), digest, &votes))
    };
    let cases: [(Vec<Message>, Fault); 7] = [
        (
            vec![certify(Kind::Prepare, digest), certify(Kind::Prepare, Digest([9; 32]))],
            Fault::Contradiction(Height(1)),
        ),
        (
            vec![certify(Kind::Commit, digest), certify(Kind::ImpeachPrepare, Digest::ZERO)],
            Fault::Contradiction(Height(1)),
        ),
        (
            vec![certify(Kind::ImpeachPrepare, Digest::ZERO), certify(Kind::Commit, digest)],
            Fault::Contradiction(Height(1)),
        ),
        (vec![Message::Vote(net.vote(0, Kind::Prepare, 1, digest))], Fault::LostLog(Height(1))),
        // A certificate knows better than the log what this key has said.
        (vec![with_own(Kind::Prepare, 1, digest)], Fault::LostLog(Height(1))),
        (vec![with_own(Kind::ImpeachPrepare, 3, Digest::ZERO)], Fault::LostLog(Height(3))),
        (vec![with_own(Kind::Commit, 700, digest)], Fault::LostLog(Height(700))),
    ];
    for (messages, fault) in cases {
        let (mut node, _) = net.node(0, Restored::default());
        let outputs: Vec<_> = messages.into_iter().flat_map(|message| net.tell(&mut node, message)).collect();
        assert!(outputs.iter().any(|o| matches!(o, Output::Fault(f) if *f == fault)), "{fault}");
        assert_eq!(node.fault(), Some(fault));
        // For ever: it is in the log, made durable at once.
        let promised = outputs.iter().any(|output| match output {
            Output::Persist { records, sync } => *sync && records.contains(&Record::Fault(fault)),
            _ => false,
        });
        assert!(promised, "{outputs:?}");
        let log = outputs.iter().flat_map(|output| logged(std::slice::from_ref(output))).collect();
        let (mut back, start) = net.node(0, restored(log));
        assert!(start.iter().any(|o| matches!(o, Output::Fault(f) if *f == fault)));
        let height = back.height();
        assert!(votes(&start).is_empty() && votes(&back.step(Input::Timeout { height })).is_empty());
        let height = node.height();
        assert!(votes(&node.step(Input::Timeout { height })).is_empty());
        // It still serves.
        let pull = Message::Pull(Pull { digests: vec![digest], ..Pull::default() });
        assert!(matches!(net.tell(&mut node, pull)[..], [.., Output::Serve { .. }]));
    }
}

#[test]
fn a_proposer_that_meets_a_forgotten_seal_of_its_own_is_silent() {
    let net = Four::new();
    let (mut node, _) = net.node(4, Restored::default());
    let outputs = net.tell(&mut node, propose(&net.block(1, "forgotten")));
    assert!(outputs.iter().any(|o| matches!(o, Output::Fault(Fault::LostLog(Height(1))))), "{outputs:?}");
    assert!(node.step(Input::Propose { height: Height(1) }).is_empty());
}

#[test]
fn a_certified_block_that_fails_the_own_check_is_a_fault() {
    let net = Four::new();
    let (mut node, _) = net.node(0, Restored::default());
    let block = net.block(1, "a");
    net.tell(&mut node, Message::Certificate(net.certificate(Kind::Prepare, 1, block.digest())));
    net.tell(&mut node, propose(&block));
    let verdict = Err(InvalidPayload("no".into()));
    node.step(Input::Verified { digest: block.digest(), verdict });
    assert_eq!(node.fault(), Some(Fault::OwnCheck(Height(1))));
}

#[test]
fn certificates_are_judged_alone() {
    // Signer 3 showed this node another PREPARE; the certificate with signer 3 counts all the same.
    let net = Four::new();
    let (mut node, _) = net.node(0, Restored::default());
    net.tell(&mut node, Message::Vote(net.vote(3, Kind::Prepare, 1, Digest([9; 32]))));
    net.tell(&mut node, Message::Certificate(net.certificate(Kind::Prepare, 1, Digest([8; 32]))));
    assert_eq!((node.height(), node.fault()), (Height(2), None));
}

#[test]
fn votes_out_of_the_window_are_not_kept() {
    let net = Four::new();
    let (mut node, _) = net.node(0, Restored::default());
    for height in 1..=1000 {
        for who in 1..3 {
            net.tell(&mut node, Message::Vote(net.vote(who, Kind::Prepare, height, Digest([7; 32]))));
        }
    }
    assert!(node.held().0 <= FUTURE as usize + 1, "{:?}", node.held());
    for height in 1..=200 {
        for text in ["a", "b", "c"] {
            net.tell(&mut node, Message::Block(net.block(height, text)));
        }
    }
    let (rounds, blocks) = node.held();
    assert!(rounds <= CATCH_UP as usize && blocks <= 2 * CATCH_UP as usize, "{rounds} {blocks}");
}

/// A certificate between the offer and its acceptance gives the block another parent, which is not here yet.
#[test]
fn a_height_is_offered_again_once_its_parent_is_here() {
    let mut net = Four::new();
    let public: Vec<_> = net.keys.iter().map(Signer::public_key).collect();
    let (chain, me) = (net.committee.chain(), public[4]);
    net.committee = Committee::new(chain, Term(0), public[..4].to_vec(), public[4..6].to_vec()).unwrap();
    let own = (2..4).find(|height| net.committee.proposer(Height(*height)) == me).unwrap();
    let (mut node, _) = net.node(4, Restored::default());
    let offers = |outputs: &[Output]| {
        outputs.iter().any(|output| matches!(output, Output::MayPropose { height } if *height == Height(own)))
    };
    let builds = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::BuildPayload { .. }));
    let from = public[0];
    let tell = |node: &mut Lbft, message| node.step(Input::Message { from, message });
    let impeached = net.certificate(Kind::ImpeachPrepare, own - 1, Digest::ZERO);
    for height in 1..own - 1 {
        tell(&mut node, Message::Certificate(net.certificate(Kind::ImpeachPrepare, height, Digest::ZERO)));
    }
    assert!(offers(&tell(&mut node, Message::Certificate(impeached))));
    let payload = Bytes::from_static(b"late");
    let below = Block::seal(&net.committee, &net.keys[5], Height(own - 1), Height(0), Digest::ZERO, payload);
    tell(&mut node, Message::Certificate(net.certificate(Kind::Prepare, own - 1, below.digest())));
    let outputs = node.step(Input::Propose { height: Height(own) });
    assert!(!builds(&outputs) && !offers(&outputs), "{outputs:?}");
    assert!(offers(&tell(&mut node, Message::Block(Arc::new(below)))));
    assert!(builds(&node.step(Input::Propose { height: Height(own) })));
}
