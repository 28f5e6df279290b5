//! `cargo xtask sdl FILE...`: the network's verdict on SDL files, one JSON line a file: `path`, `valid`, `hash`,
//! `groups`, `manifest`, `errors`, `warnings`.

use std::{
    fs,
    io::{self, BufRead, BufWriter, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::Parser;
use serde_json::json;

#[derive(Parser)]
pub(crate) struct Args {
    /// SDL files; without any, their names are read from stdin, one a line
    files: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    if !args.files.is_empty() {
        for file in &args.files {
            report(&mut out, file)?;
        }
    } else if io::stdin().is_terminal() {
        bail!("no files: give them as arguments, or their names on stdin, one a line");
    } else {
        for line in io::stdin().lock().lines() {
            report(&mut out, line?.trim_end())?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A file that can't be read is a line like that of an invalid one, so that one line answers each name.
fn report(out: &mut impl Write, path: &str) -> Result<()> {
    let line = match fs::read(path) {
        Ok(bytes) => akash_sdl::report(path, &akash_sdl::compile_bytes(&bytes)),
        Err(error) => json!({
            "path": path, "valid": false, "hash": null, "groups": null, "manifest": null,
            "errors": [{"message": format!("cannot read the file: {error}")}], "warnings": [],
        }),
    };
    writeln!(out, "{line}")?;
    Ok(())
}
