//! One process for each node: the program runs itself again as `lab consensus-node`, and talks with each over its pipes, a line
//! of JSON at a time.
//!
//! | from | line |
//! | --- | --- |
//! | parent | [`Order::Start`]: the plan, the number, a folder |
//! | node | [`Answer::Listening`]: its address |
//! | parent | [`Order::Meet`]: all addresses |
//! | node | [`Answer::Ready`]: the chain moves |
//! | parent | [`Order::Go`] |
//! | node | [`Answer::Done`]: the report |
//!
//! A node ends when its pipe is closed, so none outlives a parent that was stopped or killed
//! (`a_node_ends_with_its_parent`).

use std::{
    error::Error,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use cpchain_consensus::network::{Libp2pConfig, Libp2pNetwork, Multiaddr};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    load::{Source, chain},
    local::{Outcome, PATIENCE, meet},
    member::{Member, Report},
    plan::{Plan, key},
};
use crate::measure::ProcessClock;

/// The hidden subcommand of a node's process.
const NODE: &str = "consensus-node";

/// What the parent says.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    Start { plan: Plan, number: usize, folder: PathBuf },
    Meet { addresses: Vec<Multiaddr> },
    Go,
}

/// What a node says.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Listening(Multiaddr),
    Ready,
    Done(Report),
    Failed(String),
}

type Failure = Box<dyn Error + Send + Sync>;

fn write(to: &mut impl io::Write, what: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)?;
    Ok(to.flush()?)
}

fn say(answer: &Answer) -> Result<(), Failure> {
    write(&mut io::stdout().lock(), answer)
}

/// A node's process; dropped, it is killed and waited for.
struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    answers: mpsc::Receiver<String>,
}

impl Process {
    fn spawn(program: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(program).arg(NODE).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = child.stdin.take();
        let output = child.stdout.take().ok_or("a process without output")?;
        let (lines, answers) = mpsc::channel();
        // Ends with the process, whose pipe it reads.
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        Ok(Self { child, orders, answers })
    }

    fn order(&mut self, order: &Order) -> Result<(), Failure> {
        write(self.orders.as_mut().ok_or("the process is told to end")?, order)
    }

    fn answer(&self, within: Duration) -> Result<Answer, Failure> {
        let line = self.answers.recv_timeout(within).map_err(|_| "a node's process does not answer")?;
        match serde_json::from_str(&line)? {
            Answer::Failed(reason) => Err(reason.into()),
            answer => Ok(answer),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It ends by itself then; one that hangs must not stay.
        let until = Instant::now() + Duration::from_secs(2);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a plan once, each node in a process of this program.
pub(crate) fn run(plan: &Plan, program: &Path) -> Result<Outcome, Failure> {
    let folder = tempfile::tempdir()?;
    let mut processes = Vec::new();
    for number in 0..plan.members() {
        let mut process = Process::spawn(program)?;
        process.order(&Order::Start { plan: plan.clone(), number, folder: folder.path().to_owned() })?;
        processes.push(process);
    }
    let mut addresses = Vec::new();
    for process in &processes {
        // Transfers are signed before.
        match process.answer(10 * PATIENCE)? {
            Answer::Listening(address) => addresses.push(address),
            other => return Err(format!("{other:?} where an address was due").into()),
        }
    }
    for process in &mut processes {
        process.order(&Order::Meet { addresses: addresses.clone() })?;
    }
    for process in &processes {
        process.answer(PATIENCE)?;
    }
    for process in &mut processes {
        process.order(&Order::Go)?;
    }
    let mut reports = Vec::new();
    for process in &processes {
        match process.answer(plan.whole() + PATIENCE)? {
            Answer::Done(report) => reports.push(report),
            other => return Err(format!("{other:?} where a report was due").into()),
        }
    }
    Ok(Outcome { reports, processor: 0.0 })
}

/// What `lab consensus-node` does: one node, told by its parent what to do.
///
/// # Errors
/// Orders that are none, or a node that does not start; the parent is told.
pub fn node() -> Result<(), Box<dyn Error>> {
    let (lines, mut orders) = tokio::sync::mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
        // The parent is gone, or has what it wanted: so has this process.
        std::process::exit(0);
    });
    // One thread: the nodes share the cores already.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(&mut orders));
    let answer = outcome.map_or_else(|error| Answer::Failed(error.to_string()), Answer::Done);
    say(&answer).map_err(|error| error.to_string())?;
    // Until the parent closes the pipe: what it reads is whole then.
    thread::sleep(PATIENCE);
    Ok(())
}

async fn serve(orders: &mut UnboundedReceiver<String>) -> Result<Report, Failure> {
    let Order::Start { plan, number, folder } = next(orders).await? else { return Err("a plan was due".into()) };
    let plan = Arc::new(plan);
    let sends = plan.roles(number).proposes && plan.is_honest(number);
    let source = sends.then(|| Source::prepare(&plan, number).map(Arc::new)).transpose()?;
    let listen = "/ip4/127.0.0.1/tcp/0".parse()?;
    let mut links = Libp2pNetwork::start(&key(number), Libp2pConfig::new(chain(&plan), listen)).await?;
    say(&Answer::Listening(links.address().clone()))?;
    let Order::Meet { addresses } = next(orders).await? else { return Err("addresses were due".into()) };
    meet(&mut links, number, &addresses)?;
    let member = Member::start(&plan, number, Box::new(links), &folder, source, None)?;
    tokio::time::timeout(PATIENCE, member.ready()).await.map_err(|_| "the nodes do not find each other")??;
    say(&Answer::Ready)?;
    let Order::Go = next(orders).await? else { return Err("the start was due".into()) };
    let go = Instant::now();
    let running = member.run(go);
    tokio::time::sleep_until((go + plan.warm_up).into()).await;
    let clock = ProcessClock::now();
    tokio::time::sleep_until((go + plan.whole()).into()).await;
    let processor = clock.elapsed_nanos() / 1e9;
    Ok(Report { processor, ..running.await? })
}

async fn next(orders: &mut UnboundedReceiver<String>) -> Result<Order, Failure> {
    Ok(serde_json::from_str(&orders.recv().await.ok_or("the parent says no more")?)?)
}
