//! The two clients that load a provider, `terraform` and `tofu`: which of them this machine has, and how `tofu` is
//! built from its Go module where it has none. Knows nothing of what they are used for.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// HashiCorp Terraform.
    Terraform,
    /// OpenTofu.
    Tofu,
}

impl Kind {
    /// Both clients, in the order in which one is chosen.
    pub const ALL: [Kind; 2] = [Kind::Terraform, Kind::Tofu];

    /// The command's name: `terraform` or `tofu`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Terraform => "terraform",
            Kind::Tofu => "tofu",
        }
    }

    /// The environment variable that names the binary: `TF_BIN` or `TOFU_BIN`.
    pub fn variable(self) -> &'static str {
        match self {
            Kind::Terraform => "TF_BIN",
            Kind::Tofu => "TOFU_BIN",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A client that was found and answered `version`.
#[derive(Clone, Debug)]
pub struct Client {
    /// Which client it is, by its own word.
    pub kind: Kind,
    /// Its binary.
    pub path: PathBuf,
    /// Its version, such as `1.11.4`.
    pub version: String,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.kind, self.version, self.path.display())
    }
}

impl Client {
    /// The client at `path`.
    ///
    /// # Errors
    /// The binary does not run, or is neither Terraform nor OpenTofu.
    pub fn at(path: &Path) -> Result<Client> {
        let output = Command::new(path)
            .arg("version")
            .env("CHECKPOINT_DISABLE", "1")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} does not run", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        // Warnings about the user's own setup may come first.
        let said = text.lines().find_map(|line| match line.split_once(" v") {
            Some(("Terraform", version)) => Some((Kind::Terraform, version)),
            Some(("OpenTofu", version)) => Some((Kind::Tofu, version)),
            _ => None,
        });
        let Some((kind, version)) = said else {
            bail!("{} is neither Terraform nor OpenTofu: `version` prints {text:?}", path.display());
        };
        Ok(Client { kind, path: path.to_owned(), version: version.trim().to_owned() })
    }

    /// Looks for a client: its environment variable, else `PATH`, else (for `tofu`) the binary that
    /// [`build_tofu`] has left in the cache. `None` when there is none.
    ///
    /// # Errors
    /// The environment variable names something that is not that client.
    pub fn find(kind: Kind) -> Result<Option<Client>> {
        if let Some(path) = std::env::var_os(kind.variable()).filter(|v| !v.is_empty()) {
            let client =
                Client::at(Path::new(&path)).with_context(|| format!("{} is set", kind.variable()))?;
            if client.kind != kind {
                bail!("{} names {client}", kind.variable());
            }
            return Ok(Some(client));
        }
        let file = format!("{kind}{}", std::env::consts::EXE_SUFFIX);
        let on_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|dir| dir.join(&file))
            .find(|path| path.is_file());
        let cached = (kind == Kind::Tofu).then(cached_tofu).filter(|path| path.is_file());
        // A wrapper on PATH that does not run (a version manager without a version) counts as none.
        Ok(on_path.or(cached).and_then(|path| Client::at(&path).ok()))
    }
}

/// Builds OpenTofu from its Go module at the version that `tools/tofu/go.mod` pins, once: the binary stays in the
/// cache until that file changes. `None` when there is no `go`. Takes minutes; says so on stderr.
///
/// # Errors
/// The build fails, for want of a network or of disk space.
pub fn build_tofu() -> Result<Option<PathBuf>> {
    let module = crate::root().join("tools/tofu");
    let pins = fs::read_to_string(module.join("go.mod"))? + &fs::read_to_string(module.join("go.sum"))?;
    let binary = cached_tofu();
    let dir = crate::cache_dir().join("tofu");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    // Two commands started at once build it once.
    let lock = File::create(dir.join("lock"))?;
    lock.lock()?;
    let stamp = dir.join("stamp");
    if binary.is_file() && fs::read_to_string(&stamp).is_ok_and(|built| built == pins) {
        return Ok(Some(binary));
    }
    let version = pins
        .lines()
        .find_map(|line| line.trim().strip_prefix("github.com/opentofu/opentofu "))
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_default();
    eprintln!("building OpenTofu {version} from its Go module, once; this takes some minutes");
    let unfinished = dir.join("unfinished");
    let status = Command::new("go")
        .current_dir(&module)
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .args(["-ldflags", "-s -w -X github.com/opentofu/opentofu/version.dev=no", "-o"])
        .arg(&unfinished)
        .arg("github.com/opentofu/opentofu/cmd/tofu")
        .env("CGO_ENABLED", "0")
        .status();
    match status {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("cannot run go"),
        Ok(status) if !status.success() => bail!("building OpenTofu failed: {status}"),
        Ok(_) => {}
    }
    fs::rename(&unfinished, &binary)?;
    fs::write(stamp, pins)?;
    Ok(Some(binary))
}

fn cached_tofu() -> PathBuf {
    crate::cache_dir().join("tofu").join(format!("tofu{}", std::env::consts::EXE_SUFFIX))
}
