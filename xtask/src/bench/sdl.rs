//! `bench sdl [DIR]`: how long one SDL takes from text to groups, manifest and hash, and how long it took before the
//! crate had a YAML parser of its own.
//!
//! The old compiler is gone, but what it did first is still to be had: the events of `saphyr-parser`. Their time is
//! taken in the same run on the same files, turn by turn, so that the machine and its load count for both. The old
//! compiler needed `OLD_PER_MILLE` of that, measured when it was replaced (docs/adr/0006-own-yaml-parser.md).

use std::{fs, hint::black_box, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use saphyr_parser::Event;

use super::{median, micros};
use crate::cargo;

/// The old compiler's time for a file, in thousandths of the time for that file's events alone.
const OLD_PER_MILLE: u128 = 1835;

#[derive(Parser)]
pub(crate) struct Args {
    /// A directory of .yaml and .yml files
    dir: Option<PathBuf>,
    /// How often the whole directory is gone through
    #[arg(long, default_value_t = 50)]
    rounds: usize,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => xtask::root().join("../shared/sdl-corpus/cases"),
    };
    // A figure of an unoptimised build would mean nothing.
    if cfg!(debug_assertions) {
        let mut command = cargo::command();
        command.args(["run", "--release", "--bin", "xtask", "--", "bench", "sdl"]).arg(dir.canonicalize()?);
        command.args(["--rounds", &args.rounds.to_string()]);
        return cargo::pass_through(&mut command);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(fs::read(path)?);
        }
    }
    if files.is_empty() {
        bail!("no .yaml or .yml files in {}", dir.display());
    }

    let rounds = args.rounds.max(1);
    let (mut compiler, mut events) = (Times::new(files.len()), Times::new(files.len()));
    for _ in 0..rounds {
        compiler.round(&files, compile);
        events.round(&files, saphyr_events);
    }
    let accepted = files.iter().filter(|file| compile(file)).count();
    println!(
        "{} SDL files, {accepted} accepted, {rounds} rounds: parse, groups, manifest, hash",
        files.len()
    );
    let (now, events) = (compiler.figures(), events.figures());
    let before = events.map(|nanos| nanos * OLD_PER_MILLE / 1000);
    println!("                           {:>9} {:>12} {:>24}", "now", "before", "(saphyr-parser's events)");
    let line = |name: &str, at: usize| {
        let [now, before, events] = [now, before, events].map(|figures| micros(figures[at]));
        println!("  {name:<24} {now:>9} us {before:>9} us {events:>21} us");
    };
    line("a file, best round", 0);
    line("a file, median round", 1);
    line("the median file", 2);
    line("the slowest file", 3);
    println!("  files per second         {:>9}", 1_000_000_000 / now[1].max(1));
    Ok(ExitCode::SUCCESS)
}

fn compile(file: &[u8]) -> bool {
    let compiled = akash_sdl::compile_bytes(black_box(file));
    if let Some(sdl) = &compiled.sdl {
        black_box(sdl.hash());
    }
    black_box(compiled).sdl.is_some()
}

/// Reads the first document's events, as the old compiler did.
fn saphyr_events(file: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(black_box(file)) else { return false };
    let mut parser = saphyr_parser::Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match black_box(event) {
            Ok((Event::DocumentEnd, _)) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}

/// What each file and each round took, in nanoseconds.
struct Times {
    of_file: Vec<Vec<u128>>,
    of_round: Vec<u128>,
}

impl Times {
    fn new(files: usize) -> Self {
        Self { of_file: vec![Vec::new(); files], of_round: Vec::new() }
    }

    fn round(&mut self, files: &[Vec<u8>], work: fn(&[u8]) -> bool) {
        let round = Instant::now();
        for (file, times) in files.iter().zip(&mut self.of_file) {
            let begun = Instant::now();
            work(file);
            times.push(begun.elapsed().as_nanos());
        }
        self.of_round.push(round.elapsed().as_nanos() / files.len().max(1) as u128);
    }

    /// A file in the best and in the median round; the median and the slowest file.
    fn figures(mut self) -> [u128; 4] {
        let best = self.of_round.iter().min().copied().unwrap_or_default();
        let mut medians: Vec<u128> = self.of_file.iter_mut().map(|times| median(times)).collect();
        let slowest = medians.iter().max().copied().unwrap_or_default();
        [best, median(&mut self.of_round), median(&mut medians), slowest]
    }
}
