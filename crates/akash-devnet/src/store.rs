//! The file that keeps a devnet over restarts: its transactions and the operator's acts, one JSON line each, which
//! carried out again give the same chain.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::chain::operator::Operator;

/// What happened to the chain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    /// An operator's act, in the block made last.
    Act(Operator),
    /// A block that is not empty.
    Block {
        /// Its height.
        height: u64,
        /// Its time.
        time: OffsetDateTime,
        /// Its transactions.
        txs: Vec<Vec<u8>>,
        /// Whether a fault made them run out of gas.
        out_of_gas: bool,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum Line {
    Act {
        operator: Operator,
    },
    Block {
        height: u64,
        time_ns: String,
        txs: Vec<String>,
        #[serde(default)]
        out_of_gas: bool,
    },
}

impl From<&Entry> for Line {
    fn from(entry: &Entry) -> Self {
        match entry {
            Entry::Act(operator) => Self::Act { operator: operator.clone() },
            Entry::Block { height, time, txs, out_of_gas } => Self::Block {
                height: *height,
                time_ns: time.unix_timestamp_nanos().to_string(),
                txs: txs.iter().map(|tx| STANDARD.encode(tx)).collect(),
                out_of_gas: *out_of_gas,
            },
        }
    }
}

impl Line {
    fn entry(self) -> Option<Entry> {
        match self {
            Self::Act { operator } => Some(Entry::Act(operator)),
            Self::Block { height, time_ns, txs, out_of_gas } => Some(Entry::Block {
                height,
                time: OffsetDateTime::from_unix_timestamp_nanos(time_ns.parse().ok()?).ok()?,
                txs: txs.iter().map(|tx| STANDARD.decode(tx).ok()).collect::<Option<_>>()?,
                out_of_gas,
            }),
        }
    }
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Store {
    file: File,
}

impl Store {
    /// Opens or makes the file; gives what it holds. A half-written last line is dropped.
    ///
    /// # Errors
    /// When the file can't be read or written, or a line that is not the last is not one of ours.
    pub(crate) fn open(path: &Path) -> std::io::Result<(Self, Vec<Entry>)> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut entries = Vec::new();
        let mut valid = 0;
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        loop {
            line.clear();
            let read = reader.read_line(&mut line)?;
            if read == 0 {
                break;
            }
            let entry = serde_json::from_str::<Line>(&line).ok().and_then(Line::entry);
            match entry {
                Some(entry) if line.ends_with('\n') => entries.push(entry),
                _ if line.ends_with('\n') => {
                    let text = format!("{}: line {} is not a devnet's", path.display(), entries.len() + 1);
                    return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
                }
                _ => break,
            }
            valid += u64::try_from(read).unwrap_or(0);
        }
        file.set_len(valid)?;
        Ok((Self { file }, entries))
    }

    /// Adds an entry. A failing write is logged: the chain goes on without its file.
    pub(crate) fn append(&mut self, entry: &Entry) {
        let written = serde_json::to_string(&Line::from(entry))
            .map_err(std::io::Error::other)
            .and_then(|text| self.file.write_all(format!("{text}\n").as_bytes()));
        if let Err(error) = written {
            tracing::error!(%error, "the state file can't be written: this devnet will not be kept");
        }
    }
}
