//! What the binary does when a person runs it: `version`, and `sdl` to check SDL files in an editor or in CI without
//! Terraform.

use std::io::{IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use akash_sdl::{Compilation, Diagnostic, Kind, Severity};
use clap::{Parser, Subcommand};

/// Terraform and OpenTofu provider for Akash Network. Terraform starts it without arguments.
#[derive(Debug, Parser)]
#[command(name = "terraform-provider-akash", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the version.
    Version,
    /// Checks or compiles SDL files.
    #[command(subcommand)]
    Sdl(SdlCommand),
}

#[derive(Debug, Subcommand)]
enum SdlCommand {
    /// Says what is wrong with SDL files; exit code 1 if one of them can't be deployed.
    Validate {
        /// SDL files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// One JSON object a file, on a line of its own.
        #[arg(long)]
        json: bool,
    },
    /// Prints what an SDL compiles to: hash, price ceiling, groups and manifest, as JSON.
    Render {
        /// The SDL file.
        file: PathBuf,
        /// On one line.
        #[arg(long)]
        json: bool,
    },
}

/// Whether these arguments are a person's, and not a plugin's start.
pub(crate) fn is_for(first: &str) -> bool {
    matches!(first, "version" | "sdl" | "help" | "--version" | "-V" | "--help" | "-h")
}

/// Runs the command that the process's arguments name.
pub(crate) fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Version => {
            writeln!(stdout(), "terraform-provider-akash {}", env!("CARGO_PKG_VERSION")).map(|()| true)
        }
        Command::Sdl(SdlCommand::Validate { files, json }) => validate(&files, json),
        Command::Sdl(SdlCommand::Render { file, json }) => render(&file, json),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // A closed pipe is the reader's choice.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "terraform-provider-akash: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Larger files are not read: no SDL comes near, and the compiler would refuse it.
const LARGEST: u64 = 16 << 20;

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let named =
        |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let size = std::fs::metadata(path).map_err(named)?.len();
    if size > LARGEST {
        return Err(std::io::Error::other(format!(
            "{}: {size} bytes are more than an SDL has",
            path.display()
        )));
    }
    std::fs::read(path).map_err(named)
}

/// A denomination that the chain refuses is an error for whoever is about to deploy, though the parser takes it.
fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error || diagnostic.kind == Kind::Denom
}

/// Writes the diagnostics. Whether the file can be deployed.
fn tell(
    compilation: &Compilation,
    text: &str,
    name: &str,
    out: &mut impl Write,
    colour: bool,
) -> std::io::Result<bool> {
    for diagnostic in &compilation.diagnostics {
        let shown = if is_error(diagnostic) && diagnostic.severity != Severity::Error {
            Diagnostic { severity: Severity::Error, ..diagnostic.clone() }
        } else {
            diagnostic.clone()
        };
        let rendered = akash_sdl::render(&shown, text, name);
        let (before, after) = match (colour, is_error(diagnostic)) {
            (false, _) => ("", ""),
            (true, true) => ("\u{1b}[31m", "\u{1b}[0m"),
            (true, false) => ("\u{1b}[33m", "\u{1b}[0m"),
        };
        // Only the first line, which says what is wrong; the source below it keeps the terminal's own colour.
        let (first, rest) = rendered.split_once('\n').unwrap_or((&rendered, ""));
        writeln!(out, "{before}{first}{after}")?;
        if !rest.is_empty() {
            writeln!(out, "{rest}")?;
        }
        writeln!(out)?;
    }
    Ok(!compilation.diagnostics.iter().any(is_error))
}

fn validate(files: &[PathBuf], json: bool) -> std::io::Result<bool> {
    let mut out = stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut good = true;
    for path in files {
        let bytes = read(path)?;
        let name = path.display().to_string();
        let compilation = akash_sdl::compile_bytes(&bytes);
        let deployable = if json {
            let report = akash_sdl::report(&name, &bytes);
            let verdict = ["path", "valid", "hash", "errors", "warnings"];
            let line: serde_json::Map<String, serde_json::Value> = verdict
                .into_iter()
                .map(|key| (key.to_owned(), report.get(key).cloned().unwrap_or_default()))
                .collect();
            writeln!(out, "{}", serde_json::Value::Object(line))?;
            !compilation.diagnostics.iter().any(is_error)
        } else {
            let deployable = tell(&compilation, &String::from_utf8_lossy(&bytes), &name, &mut out, colour)?;
            let hash = compilation.sdl.as_ref().map(akash_sdl::Sdl::hash_hex);
            match hash.filter(|_| deployable) {
                Some(hash) => writeln!(out, "{name}: valid, hash {hash}")?,
                None => writeln!(out, "{name}: can't be deployed")?,
            }
            deployable
        };
        good &= deployable;
    }
    Ok(good)
}

fn render(path: &Path, one_line: bool) -> std::io::Result<bool> {
    let bytes = read(path)?;
    let compilation = akash_sdl::compile_bytes(&bytes);
    let Some(sdl) = &compilation.sdl else {
        let mut err = std::io::stderr().lock();
        let colour = err.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        return tell(
            &compilation,
            &String::from_utf8_lossy(&bytes),
            &path.display().to_string(),
            &mut err,
            colour,
        );
    };
    let ceiling = crate::resources::deployment::model::ceiling(&sdl.groups);
    let rendered = serde_json::json!({
        "hash": sdl.hash_hex(),
        "max_price": ceiling.to_string(),
        "max_monthly_price": crate::lifecycle::cost::per_month(ceiling).map(|price| price.to_string()),
        "groups": sdl.groups,
        "manifest": sdl.manifest,
    });
    let mut out = stdout().lock();
    if one_line { writeln!(out, "{rendered}") } else { writeln!(out, "{rendered:#}") }?;
    Ok(true)
}
