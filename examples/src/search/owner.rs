//! What the owner keeps: a secret, and the state of the three indexes.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use cpchain_crypto::{
    Digest, Domain, Entropy as _, Key, SystemEntropy,
    counter::{FileCounter, SealCounter},
    search::{
        aggregate::{AggregateIndex, Bins},
        keyword::{KeywordClient, KeywordIndex, ParameterSet},
        plan::Indexes,
        scan::ScanIndex,
    },
};

use super::readings::{edges, schema};
use crate::share::{During as _, ShareError};

const SECRET: Domain = Domain::new("cpchain/examples/search-secret/v1");
const KEYWORD: &str = "keyword-index";
const SCAN: &str = "scan-index";
const TOTALS: &str = "totals-index";
/// Written last: what came before it is whole.
const WHOLE: &str = "whole";
/// Buckets that each keyword query fetches.
const FETCHES: usize = 8;

/// The owner of the records.
pub(super) struct Owner {
    folder: PathBuf,
    secret: [u8; 32],
    pub(super) keyword: KeywordIndex,
    pub(super) scan: ScanIndex,
    pub(super) totals: AggregateIndex,
}

impl Owner {
    /// Was an index built here to its end?
    pub(super) fn is_whole(folder: &Path) -> bool {
        folder.join("owner").join(WHOLE).exists()
    }

    /// A new owner with empty indexes; what a build that did not end left is removed.
    pub(super) fn create(state: &Path) -> Result<Self, ShareError> {
        for part in ["owner", "host-keyword", "host-scan", "host-totals"] {
            match fs::remove_dir_all(state.join(part)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ShareError::while_doing("removing an unfinished index")(error));
                }
                _ => {}
            }
        }
        let folder = state.join("owner");
        fs::create_dir_all(&folder).during("making the folder of the state")?;
        let mut secret = [0; 32];
        SystemEntropy.fill(&mut secret).during("making a secret")?;
        write(&folder.join("secret"), &secret)?;
        let key = |purpose: &[u8]| derive(&secret, purpose);
        let keyword = KeywordIndex::new(key(KEYWORD.as_bytes()), ParameterSet::Bucket1K, FETCHES);
        let scan = ScanIndex::new(key(SCAN.as_bytes()), &schema()?.digits());
        let bins = Bins::new(&edges()).during("cutting the temperature into bins")?;
        let totals = AggregateIndex::new(key(TOTALS.as_bytes()), bins).during("making an index")?;
        let (keyword, scan) = (keyword.during("making an index")?, scan.during("making an index")?);
        Ok(Self { folder, secret, keyword, scan, totals })
    }

    /// The owner of an index that was built before.
    pub(super) fn open(state: &Path) -> Result<Self, ShareError> {
        let folder = state.join("owner");
        let read = |name: &str| fs::read(folder.join(name)).during("reading the owner's state");
        let secret: [u8; 32] = read("secret")?.try_into().ok().during("reading the owner's secret")?;
        let keyword = KeywordIndex::from_bytes(derive(&secret, KEYWORD.as_bytes()), &read(KEYWORD)?);
        let scan = ScanIndex::from_bytes(derive(&secret, SCAN.as_bytes()), &read(SCAN)?);
        let totals = AggregateIndex::from_bytes(derive(&secret, TOTALS.as_bytes()), &read(TOTALS)?);
        let (keyword, scan) = (keyword.during("opening an index")?, scan.during("opening an index")?);
        Ok(Self { folder, secret, keyword, scan, totals: totals.during("opening an index")? })
    }

    /// Keeps the indexes as they are: before any of their updates is sent.
    pub(super) fn save(&self) -> Result<(), ShareError> {
        write(&self.folder.join(KEYWORD), &self.keyword.to_bytes())?;
        write(&self.folder.join(TOTALS), &self.totals.to_bytes())?;
        write(&self.folder.join(SCAN), &self.scan.to_bytes())
    }

    /// Says that all of it is with the host.
    pub(super) fn finish(&self) -> Result<(), ShareError> {
        write(&self.folder.join(WHOLE), b"")
    }

    /// The seed of the owner's, or of the host's, key on the network.
    pub(super) fn seed(&self, of: &str) -> [u8; 32] {
        Digest::of(SECRET, &[&self.secret, b"network", of.as_bytes()]).0
    }

    /// The indexes, ready to ask: queries are numbered in the folder.
    pub(super) fn into_indexes(self) -> Result<Indexes<FileCounter>, ShareError> {
        let counter = FileCounter::open(self.folder.join("counter")).during("opening the counter of queries")?;
        let counter = SealCounter::open(counter).during("opening the counter of queries")?;
        let client = KeywordClient::new(self.keyword, derive(&self.secret, b"asker"), counter);
        Ok(Indexes::new().with_keyword(client).with_scan(self.scan).with_aggregate(self.totals))
    }
}

fn derive(secret: &[u8; 32], purpose: &[u8]) -> Key {
    Key::from_bytes(Digest::of(SECRET, &[secret, purpose]).0)
}

/// For the owner's eyes alone, and durable when it returns.
fn write(path: &Path, bytes: &[u8]) -> Result<(), ShareError> {
    let aside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&aside).during("writing the owner's state")?;
    file.write_all(bytes).and_then(|()| file.sync_all()).during("writing the owner's state")?;
    fs::rename(&aside, path).during("writing the owner's state")
}
