//! `cargo xtask sdl FILE...`: the network's verdict on SDL files, one JSON line a file: `path`, `valid`, `hash`,
//! `groups`, `manifest`, `reclamation`, `errors`, `warnings`.

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
            "path": path, "valid": false, "hash": null, "groups": null, "manifest": null, "reclamation": null,
            "errors": [{"message": format!("cannot read the file: {error}")}], "warnings": [],
        }),
    };
    writeln!(out, "{line}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_file_has_a_line_of_one_shape() {
        let dir = tempfile::tempdir().unwrap();
        let web = akash_sdl::template("web", &Default::default()).unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name).display().to_string();
            fs::write(&path, text).unwrap();
            path
        };
        let files = [
            write("plain.yaml", &web),
            write("reclamation.yaml", &format!("{web}reclamation:\n  min_window: 24h\n")),
            write("bad.yaml", "version: 2.0\n"),
            dir.path().join("missing.yaml").display().to_string(),
        ];
        let mut out = Vec::new();
        files.iter().for_each(|file| report(&mut out, file).unwrap());
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let windows: Vec<Value> =
            lines.iter().map(|line| line["reclamation"]["min_window"].clone()).collect();
        assert_eq!(windows, [Value::Null, 86_400_000_000_000_u64.into(), Value::Null, Value::Null]);
        let keys = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert!(lines.iter().all(|line| keys(line) == keys(&lines[0])));
    }
}
