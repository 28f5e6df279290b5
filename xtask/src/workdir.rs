//! A directory in which a client runs with the provider that was built here and with nothing of the user's own
//! setup: its own home, its own CLI configuration, no variables but those given. Knows nothing of configurations.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::client::Client;

/// The hosts that the short source `vaultmesh/akash` stands for, of Terraform and of OpenTofu.
const HOSTS: [&str; 2] = ["registry.terraform.io", "registry.opentofu.org"];
const SOURCE: &str = "vaultmesh/akash";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How a client comes by the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// From a filesystem mirror by `init`: proves name, version and lock file.
    Mirror,
    /// By `dev_overrides`: no `init` and no lock file, and the binary is not hashed by every command.
    Override,
}

/// A directory of its own for one client and one configuration; removed when dropped.
#[derive(Debug)]
pub struct Workdir {
    dir: TempDir,
    client: Client,
    env: Vec<(String, String)>,
}

impl Workdir {
    /// Makes the directory. `provider` is the provider's binary.
    ///
    /// # Errors
    /// The temporary directory cannot be written.
    pub fn new(client: &Client, provider: &Path, install: Install) -> Result<Workdir> {
        let dir = tempfile::Builder::new().prefix("akash-tf-").tempdir()?;
        fs::create_dir(dir.path().join("home"))?;
        fs::create_dir(dir.path().join("work"))?;
        let cli = match install {
            Install::Mirror => mirror(&dir.path().join("mirror"), provider)?,
            Install::Override => overrides(&dir.path().join("bin"), provider)?,
        };
        fs::write(dir.path().join("cli.tfrc"), cli)?;
        Ok(Workdir { dir, client: client.clone(), env: Vec::new() })
    }

    /// The directory of the configuration and its state.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The client that runs here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sets a variable for every command from now on; `None` takes it away.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        self.env.retain(|(n, _)| n != name);
        self.env.extend(value.map(|v| (name.to_owned(), v.to_owned())));
    }

    /// Writes a file of the configuration.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The environment of every command: `PATH`, a home and a CLI configuration of its own, and what
    /// [`set_env`](Self::set_env) has set. `TF_LOG*` of the caller are passed on, for whoever looks for a fault.
    pub fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.dir.path().join(name).to_string_lossy().into_owned();
        let inherited = std::env::vars().filter(|(name, _)| {
            matches!(name.as_str(), "PATH" | "TMPDIR" | "SystemRoot") || name.starts_with("TF_LOG")
        });
        let mut env: Vec<_> = inherited.collect();
        env.extend(
            [
                ("HOME", path("home")),
                ("TF_CLI_CONFIG_FILE", path("cli.tfrc")),
                ("TF_IN_AUTOMATION", "1".to_owned()),
                ("TF_INPUT", "0".to_owned()),
                ("CHECKPOINT_DISABLE", "1".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        env.extend(self.env.iter().cloned());
        env
    }

    /// The client with these arguments, ready to be started in the configuration's directory.
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(&self.client.path);
        command.current_dir(self.path()).args(args).env_clear().envs(self.environment()).stdin(Stdio::null());
        command
    }

    /// Keeps the directory after this value is gone, and says where it is.
    pub fn keep(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_owned()
    }
}

fn mirror(dir: &Path, provider: &Path) -> Result<String> {
    let platform = format!("{}_{}", os(), arch());
    for host in HOSTS {
        let package = dir.join(host).join(SOURCE).join(VERSION).join(&platform);
        fs::create_dir_all(&package)?;
        let name = format!("terraform-provider-akash_v{VERSION}{}", std::env::consts::EXE_SUFFIX);
        link(provider, &package.join(name))?;
    }
    let ours = HOSTS.map(|host| format!("\"{host}/{SOURCE}\"")).join(", ");
    Ok(format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path    = {}\n    include = [{ours}]\n  }}\n  \
         direct {{\n    exclude = [{ours}]\n  }}\n}}\n",
        quoted(dir)
    ))
}

fn overrides(dir: &Path, provider: &Path) -> Result<String> {
    fs::create_dir_all(dir)?;
    link(provider, &dir.join(format!("terraform-provider-akash{}", std::env::consts::EXE_SUFFIX)))?;
    Ok(format!(
        "provider_installation {{\n  dev_overrides {{\n    \"{SOURCE}\" = {}\n  }}\n}}\n",
        quoted(dir)
    ))
}

/// Links the binary, so that a build that replaces it does not disturb a run; copies it to another file system.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(|_| ()))
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\"))
}

/// The operating system's name as Go, and so a provider package, has it.
fn os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// The processor's name as Go has it.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
