//! `vehicles` in short: the crossing is safe and nobody is stuck, whatever one gateway does. How fast it is shows the program itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;

use clap::Parser as _;
use cpchain_examples::vehicles::{Options, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_vehicles_meet_whatever_one_gateway_does() {
    let mut options = Options::parse_from(["vehicles", "--vehicles", "4", "--crossings", "3", "--drive-ms", "5"]);
    // What disks cost is not the question here.
    options.logs = Some(PathBuf::from("/dev/shm")).filter(|memory| memory.is_dir());
    let summary = tokio::time::timeout(std::time::Duration::from_secs(120), run(&options)).await.unwrap().unwrap();
    assert_eq!(summary.scenes.len(), 3);
    for scene in &summary.scenes {
        assert!(scene.is_safe(), "{scene:#?}");
        // Three drive three times, the fourth falls silent at its third grant.
        assert_eq!((scene.grants, scene.crossings), (12, 11), "{scene:#?}");
    }
    assert!(summary.scenes[1].impeached > 0 && summary.scenes[2].impeached > 0, "the faulty gateway had its turns");
}
