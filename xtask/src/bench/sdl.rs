//! `bench sdl [DIR]`: how long one SDL takes from text to groups, manifest and hash.

use std::{fs, hint::black_box, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;

use super::{median, micros};
use crate::cargo;

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
    let count = files.len() as u128;
    if count == 0 {
        bail!("no .yaml or .yml files in {}", dir.display());
    }

    let rounds = args.rounds.max(1);
    let mut of_file = vec![Vec::with_capacity(rounds); files.len()];
    let mut of_round = Vec::with_capacity(rounds);
    let mut accepted = 0;
    for _ in 0..rounds {
        accepted = 0;
        let round = Instant::now();
        for (file, times) in files.iter().zip(&mut of_file) {
            let begun = Instant::now();
            let compiled = akash_sdl::compile_bytes(black_box(file));
            if let Some(sdl) = &compiled.sdl {
                black_box(sdl.hash());
                accepted += 1;
            }
            black_box(compiled);
            times.push(begun.elapsed().as_nanos());
        }
        of_round.push(round.elapsed().as_nanos() / count);
    }
    let best = of_round.iter().min().copied().unwrap_or_default();
    let middle = median(&mut of_round);
    let mut medians: Vec<u128> = of_file.iter_mut().map(|times| median(times)).collect();
    let slowest = medians.iter().max().copied().unwrap_or_default();
    let typical = median(&mut medians);
    println!("{count} SDL files, {accepted} accepted, {rounds} rounds: parse, groups, manifest, hash");
    println!("  files per second         {:>9}", 1_000_000_000 / middle.max(1));
    println!("  a file, best round       {:>9} us", micros(best));
    println!("  a file, median round     {:>9} us", micros(middle));
    println!("  the median file          {:>9} us", micros(typical));
    println!("  the slowest file         {:>9} us", micros(slowest));
    Ok(ExitCode::SUCCESS)
}
