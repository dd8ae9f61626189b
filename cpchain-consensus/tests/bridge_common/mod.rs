//! Two kinds of chains in one process: four validators with a ledger each, which propose, judge, vote and execute as the engine has them do, and
//! certificates of real votes.

// Each test program uses its part.
#![allow(dead_code)]

use bytes::Bytes;
use cpchain_consensus::{
    Application, ChainId, FinalBlock, Height, Term,
    lbft::{Block, Certificate, Committee, Kind, Vote},
    ledger::{
        AccountId, Amount, Genesis, Ledger, LedgerView, Transaction, TransactionDraft, TransactionId,
        bridge::{Bridge, BridgeCall, BridgeView},
    },
    proof::StateKey,
};
use cpchain_crypto::{Digest, PublicKey, Signer, SigningKey};

use crate::ledger_common::{ROOM, Till, id, key};

pub(crate) const DEPOSIT: Amount = Amount::cpc(20);
pub(crate) const RESERVE: Amount = Amount::cpc(1_000);
pub(crate) const MAIN: [u8; 4] = [101, 102, 103, 104];
pub(crate) const SIDE: [u8; 4] = [111, 112, 113, 114];

pub(crate) fn public(seeds: &[u8]) -> Vec<PublicKey> {
    seeds.iter().map(|seed| id(*seed)).collect()
}

/// A quorum of these validators signs.
pub(crate) fn certificate(
    committee: &Committee,
    seeds: &[u8],
    kind: Kind,
    height: Height,
    digest: Digest,
) -> Certificate {
    let votes: Vec<Vote> =
        (0..).zip(seeds).map(|(place, seed)| Vote::cast(committee, place, &key(*seed), kind, height, digest)).collect();
    Certificate::from_votes(committee, kind, height, digest, &votes)
}

/// A chain.
pub(crate) struct Net {
    pub(crate) id: ChainId,
    pub(crate) committee: Committee,
    pub(crate) seeds: Vec<u8>,
    ledgers: Vec<Ledger>,
    pub(crate) view: LedgerView,
    pub(crate) bridge: BridgeView,
    /// By height, from 1 on: header, certificate.
    pub(crate) blocks: Vec<(Bytes, Certificate)>,
    tip: (Height, Digest),
}

impl Net {
    pub(crate) fn new(id: ChainId, genesis: &Genesis, deposit: Amount, seeds: &[u8], last: Option<u64>) -> Self {
        let ledger = || Ledger::builder(id, genesis.clone()).module(Bridge::new(deposit)).module(Till).build().unwrap();
        let ledgers: Vec<_> = seeds.iter().map(|_| ledger()).collect();
        let committee = Committee::new(id, Term(0), public(seeds), public(seeds)).unwrap();
        let committee = last.map_or(committee.clone(), |last| committee.until(Height(last)).unwrap());
        let view = ledgers[0].view();
        let (bridge, seeds) = (BridgeView::new(view.clone()), seeds.to_vec());
        Self { id, committee, seeds, ledgers, view, bridge, blocks: Vec::new(), tip: (Height(0), Digest::ZERO) }
    }

    /// Accounts 1 to 3 with 100 CPC each.
    pub(crate) fn main() -> Self {
        let genesis = (1..=3).fold(Genesis::new(), |genesis, seed| genesis.account(id(seed), Amount::cpc(100)));
        Self::new(genesis.chain_id("main"), &genesis, DEPOSIT, &MAIN, None)
    }

    /// A side chain of a main chain that has just begun. Accounts 1 to 3 exist and have nothing.
    pub(crate) fn side(main: &Self, name: &str, last: Option<u64>) -> Self {
        let genesis = (1..=3).fold(Genesis::new(), |genesis, seed| genesis.account(id(seed), Amount::ZERO));
        let genesis = Bridge::found(genesis, &main.committee, (Height(0), Digest::ZERO), RESERVE);
        Self::new(genesis.chain_id(name), &genesis, Amount::ZERO, &SIDE, last)
    }

    pub(crate) fn height(&self) -> Height {
        self.tip.0
    }

    pub(crate) fn sign(&self, seed: u8, kind: &str, payload: Bytes) -> Transaction {
        let (nonce, expires) = (self.view.next_nonce(&id(seed)), Height(1_000_000));
        TransactionDraft { chain: self.id, nonce, expires, kind: kind.into(), payload }.sign(&key(seed)).unwrap()
    }

    /// One block of what waits: proposed by whose turn it is, judged and executed by all.
    pub(crate) fn step(&mut self) {
        let height = self.tip.0.next();
        let turn = (height.0 as usize - 1) % self.ledgers.len();
        let payload = self.ledgers[turn].propose(height, &[], ROOM);
        for ledger in &mut self.ledgers {
            ledger.verify(height, &[], &payload).unwrap();
        }
        let proposer: SigningKey = key(self.seeds[turn]);
        let block = Block::seal(&self.committee, &proposer, height, self.tip.0, self.tip.1, payload.clone());
        let signed = certificate(&self.committee, &self.seeds, Kind::Commit, height, block.digest());
        let (digest, parent, proposer) = (block.digest(), self.tip.1, proposer.public_key());
        let last = FinalBlock { height, digest, parent, proposer, impeached: false, payload };
        let roots: Vec<_> = self.ledgers.iter_mut().map(|ledger| ledger.finalised(&last)).collect();
        assert!(roots.iter().all(|root| *root == roots[0]), "the validators disagree");
        self.blocks.push((block.encoded_header().clone(), signed));
        self.tip = (height, digest);
    }

    /// Orders a transaction, and says why it failed, if it did.
    pub(crate) fn run(&mut self, transaction: &Transaction) -> Result<(), String> {
        for ledger in &mut self.ledgers {
            ledger.admit(transaction.bytes().clone()).map_err(|error| error.to_string())?;
        }
        self.step();
        self.outcome(&transaction.id())
    }

    fn outcome(&self, transaction: &TransactionId) -> Result<(), String> {
        let receipt = self.view.receipt(transaction).unwrap();
        if receipt.is_applied() { Ok(()) } else { Err(format!("{:?}", receipt.outcome)) }
    }

    pub(crate) fn call(&mut self, seed: u8, call: &BridgeCall) -> Result<(), String> {
        let transaction = self.sign(seed, Bridge::KIND, call.encode());
        self.run(&transaction)
    }

    /// The committee of the next term, and the old one's hand-over to it.
    pub(crate) fn hand_over(&mut self, seeds: &[u8], heights: Option<u64>) -> BridgeCall {
        let next = self.committee.next(public(seeds), public(seeds), heights).unwrap();
        let last = self.committee.last().unwrap();
        let handover = certificate(&self.committee, &self.seeds, Kind::Handover, last, next.digest());
        (self.committee, self.seeds) = (next.clone(), seeds.to_vec());
        BridgeCall::NextTerm { committee: Box::new(next), handover }
    }

    /// What brings this chain's headers after `known` to another one, up to the last block, with its root.
    pub(crate) fn news(&self, known: Height) -> BridgeCall {
        let new = &self.blocks[known.0 as usize..];
        let headers = new.iter().map(|(header, _)| header.clone()).collect();
        let certificate = new.last().unwrap().1.clone();
        let head = self.view.prove_certified(&StateKey::account(&id(1))).unwrap().head;
        BridgeCall::Advance { chain: self.id, headers, certificate, head: Some(head) }
    }

    /// Proves a transfer to another chain by the state below the last block.
    pub(crate) fn receive(&self, to: ChainId, sequence: u64, account: AccountId, amount: Amount) -> BridgeCall {
        let answer = self.view.prove_certified(&BridgeView::transfer_key(&to, sequence)).unwrap();
        BridgeCall::Receive { chain: self.id, block: answer.block, sequence, to: account, amount, proof: answer.proof }
    }
}

/// Makes a block, so that what was executed stands below it, and anchors it on the other chain.
pub(crate) fn anchor(from: &mut Net, to: &mut Net) {
    from.step();
    let known = to.bridge.tip(&from.id).unwrap().0;
    let news = from.news(known);
    to.call(3, &news).unwrap();
}

/// A main chain and a side chain that is registered there.
pub(crate) fn pair() -> (Net, Net) {
    let mut main = Net::main();
    let side = Net::side(&main, "side", None);
    register(&mut main, &side).unwrap();
    (main, side)
}

pub(crate) fn register(main: &mut Net, side: &Net) -> Result<(), String> {
    main.call(1, &BridgeCall::Register { committee: Box::new(side.committee.clone()), deposit: DEPOSIT })
}

/// Sends on one chain and receives on the other.
pub(crate) fn cross(from: &mut Net, to: &mut Net, sender: u8, receiver: u8, amount: Amount) {
    let sequence = from.bridge.sent(&to.id);
    from.call(sender, &BridgeCall::Send { chain: to.id, to: id(receiver), amount }).unwrap();
    anchor(from, to);
    let receive = from.receive(to.id, sequence, id(receiver), amount);
    to.call(3, &receive).unwrap();
}
