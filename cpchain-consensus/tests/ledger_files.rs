//! What a node keeps in files beside its log: the pool and the state.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_common;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cpchain_consensus::{
    Application, Height,
    ledger::{
        Amount, Cursor, EventsPruned, Genesis, GenesisError, Ledger, LedgerFileError, PoolFile, PoolLimits, Reloaded,
        StateFile, Transaction,
    },
};
use ledger_common::{EMIT, HOLD, ROOM, Till, WRITE, chain, genesis, id, ledger, pay, run, signed};

const MOST: u64 = 1 << 20;
const CHILD: &str = "CPCHAIN_TEST_STATE_FILE";

/// The transactions of block `height`, the same in each run.
fn block_of(height: u64) -> Vec<Transaction> {
    let nonce = height - 1;
    let step = |with: u8, step: u8| with * ledger_common::STEPS + step;
    let with = (height % 9) as u8;
    vec![
        pay(1, nonce, 4, Amount(height.into())),
        signed(2, nonce, "till", vec![step(with, WRITE), step(with, EMIT), step(0, HOLD)]),
    ]
}

fn go_on(ledger: &mut Ledger, to: u64) {
    while ledger.last_height().0 < to {
        let next = ledger.last_height().0 + 1;
        run(ledger, &block_of(next));
    }
}

fn resumed(file: &StateFile) -> Ledger {
    let checkpoint = file.load().unwrap().unwrap();
    Ledger::builder(chain(), genesis()).module(Till).resume(checkpoint).build().unwrap()
}

#[test]
fn a_resumed_ledger_comes_to_the_same_roots() {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::new(folder.path().join("state"), MOST);
    assert!(file.load().unwrap().is_none(), "no file is no checkpoint");
    let mut whole = ledger();
    go_on(&mut whole, 10);
    assert_eq!(file.save(&whole.view()), Ok(Height(10)));
    let mut resumed = resumed(&file);
    assert_eq!(resumed.last_height(), Height(10), "the engine shows it what comes after");
    for height in 11..=30 {
        go_on(&mut whole, height);
        go_on(&mut resumed, height);
        assert_eq!(resumed.view().height_and_root(), whole.view().height_and_root());
    }
    // What was executed before the checkpoint is not executed again, and not told again.
    let again = block_of(5);
    let before = resumed.view().balance(&id(4));
    assert_eq!(run(&mut resumed, &again), run(&mut whole, &again));
    assert_eq!(resumed.view().balance(&id(4)), before);
    assert!(whole.view().receipt(&block_of(9)[0].id()).is_some());
    assert_eq!(resumed.view().receipt(&block_of(9)[0].id()), None);
    let start = Cursor { height: Height(1), index: 0 };
    assert_eq!(resumed.view().events(None, start, 9), Err(EventsPruned { oldest: Height(11) }));
    let from = Cursor { height: Height(11), index: 0 };
    assert_eq!(resumed.view().events(None, from, 99), whole.view().events(None, from, 99));
    assert_eq!(resumed.view().supply(), whole.view().supply());
}

#[test]
fn a_checkpoint_is_of_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::new(folder.path().join("state"), MOST);
    file.save(&ledger().view()).unwrap();
    let other = Genesis::new().chain_id("other");
    let build = Ledger::builder(other, Genesis::new()).resume(file.load().unwrap().unwrap()).build();
    assert_eq!(build.map(drop), Err(GenesisError::OtherChain));
    let small = StateFile::new(folder.path().join("state"), 40);
    assert_eq!(small.save(&ledger().view()), Err(LedgerFileError::TooLarge(40)));
    assert!(matches!(small.load(), Err(LedgerFileError::TooLarge(40))));
    assert!(file.load().is_ok(), "what could not be written left the file as it was");
    let nowhere = StateFile::new(folder.path().join("no/such/folder/state"), MOST);
    assert!(matches!(nowhere.save(&ledger().view()), Err(LedgerFileError::Io(_))));
}

#[test]
fn a_pool_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = PoolFile::new(folder.path().join("pool"), MOST);
    let mut one = ledger();
    assert_eq!(file.load(&mut one, chain()), Ok(Reloaded::default()), "no file is an empty one");
    let waiting = [pay(2, 0, 1, Amount(5)), pay(1, 1, 2, Amount(1)), pay(1, 0, 2, Amount(2)), pay(3, 0, 1, Amount(7))];
    for transaction in &waiting {
        one.submit(transaction.bytes().clone()).unwrap();
    }
    let block = one.propose(Height(1), &[], ROOM);
    assert_eq!(file.save(&one.view()), Ok(4));
    let mut two = ledger();
    assert_eq!(file.load(&mut two, chain()).unwrap().taken, 4);
    assert_eq!(two.propose(Height(1), &[], ROOM), block, "in the order in which they came");
    // Some were executed meanwhile.
    let mut three = ledger();
    run(&mut three, &[waiting[2].clone(), waiting[3].clone()]);
    let reloaded = file.load(&mut three, chain()).unwrap();
    assert_eq!((reloaded.taken, reloaded.refused.len(), three.view().waiting()), (2, 2, 2));
    // A pool with less room takes what fits, a file with less room keeps the first.
    let limits = PoolLimits { transactions: 1, ..PoolLimits::default() };
    let mut small = Ledger::builder(chain(), genesis()).pool(limits).build().unwrap();
    let reloaded = file.load(&mut small, chain()).unwrap();
    assert_eq!((reloaded.taken, reloaded.refused.len()), (1, 3));
    let length = waiting[0].bytes().len() as u64;
    let narrow = PoolFile::new(folder.path().join("narrow"), 32 + 2 * (4 + length) + 3);
    assert_eq!(narrow.save(&one.view()), Ok(2));
    let mut four = ledger();
    assert_eq!(narrow.load(&mut four, chain()).unwrap().taken, 2);
    assert_eq!(file.load(&mut ledger(), Genesis::new().chain_id("other")), Err(LedgerFileError::OtherChain));
}

/// A forged transaction in a file that is whole gets no further than one that a client sends.
#[test]
fn a_pool_file_is_judged_like_a_client() {
    let folder = tempfile::tempdir().unwrap();
    let file = PoolFile::new(folder.path().join("pool"), MOST);
    let poor = Genesis::new().account(id(1), Amount::cpc(1));
    // The same name of chain with another genesis: its transactions are signed for that one.
    let mut other = Ledger::builder(chain(), poor).build().unwrap();
    other.submit(pay(1, 0, 2, Amount(1)).bytes().clone()).unwrap();
    file.save(&other.view()).unwrap();
    let mut strange = Ledger::builder(chain(), Genesis::new()).build().unwrap();
    let reloaded = file.load(&mut strange, chain()).unwrap();
    assert_eq!((reloaded.taken, strange.view().waiting()), (0, 0));
    assert!(reloaded.refused[0].to_string().contains("no account"));
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (pool_path, state_path) = (folder.path().join("pool"), folder.path().join("state"));
    let (pool, state) = (PoolFile::new(&pool_path, MOST), StateFile::new(&state_path, MOST));
    let mut one = ledger();
    one.submit(pay(1, 0, 2, Amount(1)).bytes().clone()).unwrap();
    pool.save(&one.view()).unwrap();
    state.save(&one.view()).unwrap();
    let refused = |path: &Path, load: &dyn Fn() -> Option<LedgerFileError>| {
        let good = fs::read(path).unwrap();
        assert_eq!(load(), None);
        for place in 0..good.len() {
            let mut bent = good.clone();
            bent[place] ^= 0x10;
            fs::write(path, &bent).unwrap();
            assert_eq!(load(), Some(LedgerFileError::Damaged), "byte {place}");
        }
        for length in 0..good.len() {
            fs::write(path, &good[..length]).unwrap();
            assert_eq!(load(), Some(LedgerFileError::Damaged), "{length} bytes");
        }
    };
    let mut two = ledger();
    let view = two.view();
    let two = std::cell::RefCell::new(&mut two);
    refused(&state_path, &|| state.load().err());
    refused(&pool_path, &|| pool.load(&mut **two.borrow_mut(), chain()).err());
    assert_eq!(view.waiting(), 1, "of the whole file alone");
    // One kind is not the other.
    fs::copy(&state_path, &pool_path).unwrap();
    assert_eq!(pool.load(&mut **two.borrow_mut(), chain()), Err(LedgerFileError::Damaged));
}

/// Executes blocks and saves the state after each, until it is killed.
#[test]
#[ignore = "the child of `a_killed_writer_leaves_a_whole_file`"]
fn a_child_that_saves_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let file = StateFile::new(path, MOST);
    let mut ledger = match file.load().unwrap() {
        Some(checkpoint) => {
            let builder = Ledger::builder(chain(), genesis()).module(Till);
            builder.resume(checkpoint).build().unwrap()
        }
        None => ledger(),
    };
    for height in ledger.last_height().0 + 1..900 {
        go_on(&mut ledger, height);
        file.save(&ledger.view()).unwrap();
    }
}

/// `kill -9` at any moment: the next start finds the state after some block, whole, and goes on from there.
#[test]
fn a_killed_writer_leaves_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let file = StateFile::new(&path, MOST);
    let mut reached = Height(0);
    for round in 0..5u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "a_child_that_saves_until_it_is_killed"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while file.load().unwrap().is_none_or(|found| found.height() <= reached) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(7 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = file.load().unwrap().unwrap();
        assert!(found.height() > reached, "round {round}: {} after {reached}", found.height());
        reached = found.height();
        let mut whole = ledger();
        go_on(&mut whole, reached.0);
        assert_eq!(whole.view().height_and_root(), (reached, found.root()));
    }
    let mut on = resumed(&file);
    go_on(&mut on, reached.0 + 3);
    let mut whole = ledger();
    go_on(&mut whole, reached.0 + 3);
    assert_eq!(on.view().height_and_root(), whole.view().height_and_root());
}
