//! What the binary does when a person runs it: `version`, and `sdl` to check SDL files in an editor or in CI without
//! Terraform.

use std::io::{IsTerminal, Read, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use akash_sdl::{Compilation, Severity};
use clap::{Parser, Subcommand};
use serde_json::{Map, Value, json};

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
    /// Prints what an SDL compiles to: hash, price ceiling, groups, manifest and reclamation window (in nanoseconds), as
    /// JSON; exit code 1 if it can't be deployed.
    Render {
        /// The SDL file.
        file: PathBuf,
        /// On one line, with errors and warnings in it too; without, they are text on stderr.
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
        Command::Sdl(SdlCommand::Validate { files, json }) => {
            let mut out = stdout().lock();
            let colour = is_coloured(&out);
            validate(&files, json, &mut out, colour)
        }
        Command::Sdl(SdlCommand::Render { file, json }) => render(&file, json, &mut stdout().lock()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // A closed pipe is the reader's choice.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "terraform-provider-akash: {error}");
            ExitCode::FAILURE
        }
    }
}

/// No more than this is read: it is beyond what the compiler takes, in any encoding, so the verdict is the same.
const LARGEST: u64 = 16 << 20;

fn compile(path: &Path) -> std::io::Result<(Vec<u8>, Compilation)> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let compilation = akash_sdl::compile_bytes(&bytes).for_chain();
    Ok((bytes, compilation))
}

fn is_deployable(compilation: &Compilation) -> bool {
    compilation.errors().next().is_none()
}

/// Whether a terminal takes colour.
fn is_coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Writes the diagnostics with their source lines.
fn tell(
    compilation: &Compilation,
    bytes: &[u8],
    name: &str,
    out: &mut impl Write,
    colour: bool,
) -> std::io::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    for diagnostic in &compilation.diagnostics {
        let rendered = akash_sdl::render(diagnostic, &text, name);
        // Only the first line, which says what is wrong; the source below it keeps the terminal's own colour.
        let (first, rest) = rendered.split_once('\n').unwrap_or((&rendered, ""));
        match (colour, diagnostic.severity) {
            (false, _) => writeln!(out, "{first}")?,
            (true, Severity::Error) => writeln!(out, "\u{1b}[31m{first}\u{1b}[0m")?,
            (true, Severity::Warning) => writeln!(out, "\u{1b}[33m{first}\u{1b}[0m")?,
        }
        writeln!(out, "{rest}\n")?;
    }
    Ok(())
}

/// The compiler's report, where `errors` has what the chain refuses too; `valid` stays the network parser's verdict.
fn report(compilation: &Compilation, name: &str) -> Map<String, Value> {
    let mut report = match akash_sdl::report(name, compilation) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    report.insert("deployable".into(), is_deployable(compilation).into());
    report
}

/// Checks every file, also after one that is bad. Whether all can be deployed.
fn validate(files: &[PathBuf], json: bool, out: &mut impl Write, colour: bool) -> std::io::Result<bool> {
    let mut good = true;
    for path in files {
        let name = path.display().to_string();
        let (bytes, compilation) = match compile(path) {
            Ok(compiled) => compiled,
            Err(error) => {
                good = false;
                if json {
                    let errors = json!([{ "message": error.to_string() }]);
                    let line = json!({
                        "path": name, "valid": false, "deployable": false, "hash": null, "errors": errors, "warnings": [],
                    });
                    writeln!(out, "{line}")?;
                } else {
                    writeln!(out, "error: {error}")?;
                }
                continue;
            }
        };
        good &= is_deployable(&compilation);
        if json {
            let mut report = report(&compilation, &name);
            report.retain(|key, _| !matches!(key.as_str(), "groups" | "manifest" | "reclamation"));
            writeln!(out, "{}", Value::Object(report))?;
            continue;
        }
        tell(&compilation, &bytes, &name, out, colour)?;
        match compilation.sdl.as_ref().filter(|_| is_deployable(&compilation)) {
            Some(sdl) => writeln!(out, "{name}: valid, hash {}", sdl.hash_hex())?,
            None => writeln!(out, "{name}: can't be deployed")?,
        }
    }
    Ok(good)
}

fn render(path: &Path, one_line: bool, out: &mut impl Write) -> std::io::Result<bool> {
    let name = path.display().to_string();
    let (bytes, compilation) = compile(path)?;
    if !one_line {
        let mut err = stderr().lock();
        let colour = is_coloured(&err);
        tell(&compilation, &bytes, &name, &mut err, colour)?;
    }
    let mut report = report(&compilation, &name);
    if let Some(sdl) = &compilation.sdl {
        let ceiling = crate::resources::deployment::model::ceiling(&sdl.groups);
        let monthly = crate::lifecycle::cost::per_month(ceiling).map(|price| price.to_string());
        report.insert("max_price".into(), ceiling.to_string().into());
        report.insert("max_monthly_price".into(), monthly.into());
    }
    let rendered = Value::Object(report);
    if one_line {
        writeln!(out, "{rendered}")?;
    } else if compilation.sdl.is_some() {
        writeln!(out, "{rendered:#}")?;
    }
    Ok(is_deployable(&compilation))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = include_str!("../examples/quickstart/web.yaml");

    /// A directory with `good.yaml`, `denom.yaml` (which only the chain refuses) and `bad.yaml`.
    fn files() -> (tempfile::TempDir, Vec<PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        let texts = [
            ("good.yaml", WEB.to_owned()),
            ("denom.yaml", WEB.replace("denom: uact", "denom: uakt")),
            ("bad.yaml", "version: 2.0\nservices: 1\n".to_owned()),
        ];
        let write = |(name, text): (&str, String)| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let files = texts.map(write).to_vec();
        (dir, files)
    }

    /// What `validate` says, and whether all can be deployed.
    fn validated(files: &[PathBuf], json: bool, colour: bool) -> (String, bool) {
        let mut out = Vec::new();
        let good = validate(files, json, &mut out, colour).unwrap();
        (String::from_utf8(out).unwrap(), good)
    }

    #[test]
    fn json_tells_valid_from_deployable() {
        let (dir, mut files) = files();
        files.insert(0, dir.path().join("missing.yaml"));
        let (out, good) = validated(&files, true, false);
        assert!(!good);
        let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let verdict = |line: &Value| {
            let has_errors = line["errors"].as_array().is_some_and(|errors| !errors.is_empty());
            (line["valid"] == true, line["deployable"] == true, line["hash"].is_string(), has_errors)
        };
        let verdicts: Vec<_> = lines.iter().map(verdict).collect();
        let no = (false, false, false, true);
        assert_eq!(verdicts, [no, (true, true, true, false), (true, false, true, true), no]);
        assert_eq!(lines[2]["errors"][0]["kind"], "denom");
        assert!(lines.iter().all(|line| line.get("manifest").is_none()), "env values stay out");
    }

    #[test]
    fn text_has_source_lines_and_colour_only_where_asked() {
        let (_dir, files) = files();
        let (plain, good) = validated(&files, false, false);
        assert!(!good && !plain.contains('\u{1b}'));
        assert!(plain.contains("error: the price is in `uakt`, which the chain refuses"), "{plain}");
        assert!(plain.contains("^^^^") && plain.contains("bad.yaml:2:11"), "{plain}");
        let (coloured, _) = validated(&files, false, true);
        assert!(coloured.contains("\u{1b}[31merror: "), "{coloured}");
        assert_eq!(
            coloured.replace("\u{1b}[31m", "").replace("\u{1b}[33m", "").replace("\u{1b}[0m", ""),
            plain
        );
        assert!(validated(&files[..1], false, false).1);
    }

    #[test]
    fn render_compiles_and_says_what_the_chain_refuses() {
        let (_dir, files) = files();
        for (file, deployable) in files.iter().zip([true, false, false]) {
            let mut out = Vec::new();
            assert_eq!(render(file, true, &mut out).unwrap(), deployable);
            let object: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(object["deployable"], deployable);
            assert_eq!(object["max_monthly_price"].is_string(), object["valid"] == true);
            assert_eq!(object["groups"].is_array(), object["valid"] == true);
            assert_eq!(object["reclamation"], Value::Null);
        }
    }

    #[test]
    fn render_has_the_reclamation_window() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reclamation.yaml");
        std::fs::write(&path, format!("{WEB}reclamation:\n  min_window: 24h\n")).unwrap();
        let mut out = Vec::new();
        assert!(render(&path, true, &mut out).unwrap());
        let object: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(object["reclamation"], json!({ "min_window": 86_400_000_000_000_u64 }));
    }
}
