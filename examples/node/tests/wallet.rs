//! The wallet's commands as people type them, against a network of real processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    path::Path,
    process::{Command, Output},
};

use cpchain_crypto::Did;
use cpchain_node::{config::BEACON_FILE, genesis::DporTable};
use serde_json::Value;
use support::{Net, plan};

/// The node whose account stands for election; before it are a validator and three default proposers.
const RNODE: usize = 4;

fn node(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_node")).args(arguments).output().unwrap()
}

struct Terminal<'a>(&'a str);

impl Terminal<'_> {
    fn arguments<'b>(&'b self, line: &'b str) -> Vec<&'b str> {
        let mut words = line.split(' ');
        let command = words.next().unwrap();
        [command, "--dir", self.0].into_iter().chain(words).collect()
    }

    /// A command that must do what it says.
    fn does(&self, line: &str) -> Value {
        let output = node(&[self.arguments(line), vec!["--json"]].concat());
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    }

    /// A command that must not, and say why on one line.
    fn fails(&self, line: &str, reason: &str) {
        let output = node(&self.arguments(line));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {error}");
        assert!(output.stdout.is_empty() && error.lines().count() == 1 && error.contains(reason), "{line}: {error}");
    }

    fn text(&self, line: &str) -> String {
        let output = node(&self.arguments(line));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

async fn network() -> Net {
    let dpor = DporTable { seats: 3, rounds: 2, lock: 5, memory_bits: 1, ..DporTable::default() };
    let mut net = Net::of(&plan(1, 3, 0, 1, dpor)).await;
    net.run_all();
    net.all_reach(2).await;
    net
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_against_a_network() {
    let net = network().await;
    let dir = net.nodes[RNODE].to_str().unwrap().to_owned();
    let terminal = Terminal(&dir);
    let account = net.keys[RNODE].to_string();

    // Money, to an account by its number and by its name.
    let sent = terminal.does(&format!("send --to {account} --amount 200100.000000000000000001"));
    assert_eq!((sent["status"].as_str(), sent["applied"].as_bool()), (Some("final"), Some(true)), "{sent}");
    let did = Did::from(net.keys[RNODE]).to_string();
    terminal.does(&format!("tx --to {did} --amount 0.5"));
    terminal.does(&format!("send --to {did} --amount 1 --no-wait"));
    let file = format!("{dir}/node.key");
    terminal.does(&format!("send --to {did} --amount 1 --from {file}"));
    let balance = terminal.does(&format!("balance {did}"));
    assert_eq!((&balance["account"], &balance["rnode"]), (&account.clone().into(), &Value::Null));
    assert_eq!(balance["balance"], "200101.500000000000000001");

    // An RNode: deposit, claim, reputation, election.
    terminal.does("deposit rnode 200000");
    let balance = terminal.does(&format!("balance {account}"));
    assert_eq!(
        (&balance["rnode"]["amount"], &balance["balance"]),
        (&"200000".into(), &"101.500000000000000001".into())
    );
    let before = terminal.does("reputation");
    assert_eq!((&before["is_candidate"], &before["reputation"]), (&false.into(), &Value::Null));
    terminal.does("campaign --terms 2");
    let claimed = terminal.does(&format!("balance {account}"))["rnode"]["claimed_until"].as_u64().unwrap();
    net.reaches(RNODE, 6 * claimed).await;
    let reputation = terminal.does("reputation");
    assert_eq!((&reputation["candidates"], &reputation["is_candidate"]), (&1.into(), &true.into()), "{reputation}");
    let dimensions = reputation["dimensions"].as_array().unwrap();
    let points: u64 = dimensions.iter().map(|row| row["points"].as_u64().unwrap()).sum();
    // The only candidate is the first in everything.
    assert_eq!((points, &reputation["reputation"]), (10_000, &10_000.into()));
    assert_eq!(dimensions[1]["value"], "3", "its transfer, its deposit, its claim: {reputation}");
    let table = terminal.text(&format!("reputation {did}"));
    assert!(
        table.contains("balance") && table.contains("101.500000000000000001 CPC") && table.ends_with("10000\n"),
        "{table}"
    );

    net.reaches(RNODE, 6 * (claimed + 1) + 1).await;
    let term = terminal.does("term");
    assert_eq!(term["last"].as_u64().unwrap(), 6 * (term["term"].as_u64().unwrap() + 1));
    let ahead = terminal.does(&format!("committee --term {}", claimed + 3));
    assert!(ahead["proposers"].as_array().unwrap().contains(&account.clone().into()), "{ahead}");
    assert_eq!(
        ahead["default_proposers"].as_array().unwrap().len(),
        2,
        "they fill the seats that nobody stands for: {ahead}"
    );
    assert_eq!(terminal.does("committee")["term"], terminal.does("term")["term"]);
    terminal.fails("withdraw rnode", "the deposit stays until it ends");

    // The economy pool.
    terminal.does("deposit economy 30000");
    terminal.does("withdraw economy 9999.5");
    let own = terminal.does("balance");
    assert_eq!((&own["economy"]["amount"], &own["phase"]), (&"20000.5".into(), &"raising".into()));
    terminal.fails("interest", "while a season settles");

    // It proposes what it was elected for.
    net.reaches(RNODE, 6 * (claimed + 4)).await;
    let proposed = net.agree().await.iter().filter(|block| block["proposer"] == account.as_str()).count();
    assert!(proposed >= 4, "two terms with two turns each: {proposed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_change_the_chain() {
    let net = network().await;
    let dir = net.nodes[RNODE].to_str().unwrap().to_owned();
    let terminal = Terminal(&dir);

    // Economy nodes, by the weight of their deposits.
    terminal.fails("vote 0 yes", "no such proposal");
    terminal.does("deposit economy 20000");
    let proposed = terminal.does("propose --heights 8 cpu-bits 5");
    terminal.does("vote 0 no");
    terminal.does("vote 0 yes");
    let open = &terminal.does("proposals")["proposals"][0];
    assert_eq!(
        (&open["status"], &open["action"], &open["voters"]),
        (&"open".into(), &"cpu-bits 5".into(), &"economy".into())
    );
    assert_eq!((&open["yes"], &open["no"]), (&"20000 CPC".into(), &"0 CPC".into()), "the vote was changed");
    terminal.fails("withdraw economy 1", "changed nothing");
    net.reaches(RNODE, proposed["height"].as_u64().unwrap() + 9).await;
    assert_eq!(terminal.does("proposals")["proposals"][0]["status"], "passed");
    let asked = net.client(RNODE).call("campaign", serde_json::json!({ "account": net.keys[RNODE].to_string() })).await;
    assert_eq!(asked.unwrap()["cpu_bits"], 5);

    // Validators: the only one takes another in, which is one of two from the next term on.
    let validator = net.nodes[0].to_str().unwrap().to_owned();
    let validator = Terminal(&validator);
    validator.does(&format!("send --to {} --amount 200", net.keys[0]));
    validator.does(&format!("propose add-validator {}", net.keys[RNODE]));
    validator.does("vote 1 yes");
    assert_eq!(validator.does("proposals --after 0")["proposals"][0]["status"], "passed");
    let term = terminal.does("term")["term"].as_u64().unwrap();
    net.reaches(RNODE, 6 * (term + 2)).await;
    let committee = terminal.does("committee");
    assert_eq!(committee["validators"].as_array().unwrap().len(), 2, "{committee}");
    assert_eq!(terminal.does("status")["role"], "validator");
    let height = net.highest().await;
    net.all_reach(height + 3).await;
    net.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_says_why() {
    let mut net = network().await;
    let dir = net.nodes[RNODE].to_str().unwrap().to_owned();
    let terminal = Terminal(&dir);
    let account = net.keys[RNODE].to_string();
    terminal.fails(&format!("send --to {account} --amount 2000000"), "and changed nothing: ");
    terminal.fails("send --to somebody --amount 1", "64 hexadecimal digits or a did:key");
    terminal.fails("deposit rnode 200000", "an account exists once it has received money");
    terminal.does(&format!("send --to {account} --amount 1000"));
    terminal.fails("deposit rnode 100", "at least 200000 CPC");
    terminal.fails("campaign", "deposit first");
    terminal.fails("campaign --terms 4", "1 to 3 terms");
    terminal.fails("withdraw rnode", "not an RNode");
    terminal.fails("withdraw rnode 5", "leave the amount out");
    terminal.fails("withdraw economy", "say how much");
    terminal.fails("committee --term 99", "three ahead");
    terminal.fails("reputation nobody", "did:key");
    for wrong in ["1e3", "0.0000000000000000001", "-1", "1,5"] {
        let output = node(&terminal.arguments(&format!("deposit economy {wrong}")));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }

    // Keys are for their owner's eyes, and are not overwritten.
    let (file, beacon) = (net.path().join("a.key"), net.path().join("b.key"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    for (file, more) in [(&file, None), (&beacon, Some("--beacon"))] {
        let made = node(&["keys", "new", &path(file)].into_iter().chain(more).collect::<Vec<_>>());
        let shown = node(&["keys", "show", &path(file)].into_iter().chain(more).collect::<Vec<_>>());
        assert!(made.status.success() && made.stdout == shown.stdout);
        let again = node(&["keys", "new", &path(file)].into_iter().chain(more).collect::<Vec<_>>());
        assert_eq!(again.status.code(), Some(1));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        let secret = std::fs::read_to_string(file).unwrap();
        assert!(!String::from_utf8(shown.stdout).unwrap().contains(secret.trim()));
    }
    terminal.fails(&format!("campaign --beacon {dir}/no-such.key"), "no such beacon key");
    assert!(net.nodes[RNODE].join(BEACON_FILE).is_file());

    // No quorum: accepted, and not final in time; and a node that is away.
    net.kill(0);
    terminal.fails(&format!("send --to {account} --amount 1 --timeout 1"), "do not send it again");
    net.kill(RNODE);
    terminal.fails("term", "is the node running?");
}
