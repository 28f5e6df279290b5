//! A configuration and its state under one client: running commands with a deadline, and reading what they say as
//! data (`-json`), never as text laid out for people.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};
use xtask::{
    client::Client,
    workdir::{Install, Workdir},
};

use crate::{config, network::Network, suite::Skip};

/// One command's longest time. On a real network a lease takes a minute.
const DEADLINE: Duration = Duration::from_secs(600);

pub(crate) struct Workspace {
    dir: Mutex<Workdir>,
    network: Network,
}

impl Workspace {
    pub(crate) fn new(
        client: &Client,
        provider: &Path,
        install: Install,
        network: &Network,
    ) -> Result<Workspace> {
        let dir = Workdir::new(client, provider, install)?;
        let workspace = Workspace { dir: Mutex::new(dir), network: network.clone() };
        workspace.point_at(network);
        Ok(workspace)
    }

    /// The network that the workspace was made for.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Endpoints, chain id and wallet for every command from now on.
    pub(crate) fn point_at(&self, network: &Network) {
        self.env("AKASH_ENDPOINTS", Some(&network.endpoints));
        self.env("AKASH_CHAIN_ID", Some(&network.chain_id));
        self.env("AKASH_MNEMONIC", Some(&network.mnemonic));
    }

    /// Sets a variable for every command from now on; `None` takes it away.
    pub(crate) fn env(&self, name: &str, value: Option<&str>) {
        self.dir.lock().unwrap().set_env(name, value);
    }

    /// Writes a file of the configuration.
    pub(crate) fn write(&self, name: &str, text: &str) {
        self.dir.lock().unwrap().write(name, text).unwrap();
    }

    /// Where the configuration is.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.lock().unwrap().path()
    }

    pub(crate) fn keep(&self) -> PathBuf {
        self.dir.lock().unwrap().keep()
    }

    /// Starts a command, in a process group of its own as a terminal would.
    pub(crate) fn start(&self, args: &[&str]) -> Result<Running> {
        let command = self.dir.lock().unwrap().command(args);
        let mut command = Command::from(command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", args.join(" ")))?;
        let stdout = child.stdout.take().context("no stdout")?;
        let stderr = child.stderr.take().context("no stderr")?;
        let lines = std::sync::Arc::new(tokio::sync::watch::Sender::new(String::new()));
        let seen = lines.subscribe();
        let stdout = tokio::spawn(async move {
            let mut reader = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                lines.send_modify(|all| {
                    all.push_str(&line);
                    all.push('\n');
                });
            }
            lines.borrow().clone()
        });
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            let _ = BufReader::new(stderr).read_to_string(&mut text).await;
            text
        });
        Ok(Running { command: args.join(" "), child, stdout, stderr, seen })
    }

    /// Runs a command to its end, whatever that is.
    pub(crate) async fn run(&self, args: &[&str]) -> Result<Output> {
        self.start(args)?.end().await
    }

    /// `init`, needed only where the provider is installed from a mirror.
    pub(crate) async fn init(&self) -> Result<()> {
        self.run(&["init", "-no-color"]).await?.succeeded().map(|_| ())
    }

    /// `validate`.
    pub(crate) async fn validate(&self) -> Result<Output> {
        self.run(&["validate", "-json"]).await
    }

    /// `plan` with these further arguments, saved; fails if the plan fails.
    pub(crate) async fn plan_with(&self, args: &[&str]) -> Result<Plan> {
        let output = self.try_plan(args).await?;
        ensure!(matches!(output.code, Some(0 | 2)), "a plan failed: {output}");
        let shown = self.run(&["show", "-json", "plan.bin"]).await?.succeeded()?;
        let json = serde_json::from_str(&shown.stdout).context("show -json plan.bin")?;
        Ok(Plan { output, json })
    }

    pub(crate) async fn plan(&self) -> Result<Plan> {
        self.plan_with(&[]).await
    }

    /// `plan` that may fail.
    pub(crate) async fn try_plan(&self, args: &[&str]) -> Result<Output> {
        let fixed = ["plan", "-json", "-out=plan.bin", "-detailed-exitcode"];
        self.run(&[&fixed[..], args].concat()).await
    }

    /// `apply` that must work. Where nobody bids on a real network the case is skipped.
    pub(crate) async fn apply_with(&self, args: &[&str]) -> Result<Output> {
        let output = self.try_apply(args).await?;
        let unwanted = output.diagnostics.iter().find(|d| d.severity == "error" && d.says("nobody bid"));
        if let Some(order) = unwanted.filter(|_| !self.network.is_local()) {
            bail!(Skip(format!("no bids for {}", order.address)));
        }
        output.succeeded()
    }

    pub(crate) async fn apply(&self) -> Result<Output> {
        self.apply_with(&[]).await
    }

    /// `apply` that may fail.
    pub(crate) async fn try_apply(&self, args: &[&str]) -> Result<Output> {
        self.run(&[&["apply", "-json", "-auto-approve"], args].concat()).await
    }

    /// Applies with these further arguments until the plugin is killed at this point of `src/kill.rs`.
    pub(crate) async fn kill(&self, point: &str, args: &[&str]) -> Result<Output> {
        let mark = self.path().join("../killed");
        self.env("AKASH_KILL_AT", Some(point));
        self.env("AKASH_KILL_MARK", Some(&mark.to_string_lossy()));
        let output = self.try_apply(args).await?;
        self.env("AKASH_KILL_AT", None);
        ensure!(mark.is_file(), "{point} was not reached: {output}");
        Ok(output)
    }

    /// `destroy` that must work.
    pub(crate) async fn destroy(&self) -> Result<Output> {
        self.run(&["apply", "-destroy", "-json", "-auto-approve"]).await?.succeeded()
    }

    /// The state as last saved.
    pub(crate) async fn state(&self) -> Result<State> {
        let shown = self.run(&["show", "-json"]).await?.succeeded()?;
        Ok(State { json: serde_json::from_str(&shown.stdout).context("show -json")? })
    }

    /// A plan must find nothing to do.
    pub(crate) async fn expect_no_changes(&self) -> Result<()> {
        let plan = self.plan().await?;
        ensure!(plan.output.code == Some(0), "expected no changes, got {}", plan.changes());
        Ok(())
    }

    /// Destroys what is in state, whatever the case has left: with a configuration without resources, on the
    /// network and with the wallet it was made with.
    pub(crate) async fn clean(&self) -> Result<()> {
        if !self.path().join("terraform.tfstate").is_file() {
            return Ok(());
        }
        for entry in std::fs::read_dir(self.path())? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "tf") {
                std::fs::remove_file(path)?;
            }
        }
        self.point_at(&self.network);
        self.write("main.tf", config::HEAD);
        if self.path().join(".terraform.lock.hcl").is_file() {
            self.init().await?;
        }
        // A second try is for what was still pending at the first.
        for attempt in 1.. {
            let output = self.try_apply(&[]).await?;
            if output.code == Some(0) || attempt == 2 {
                return output.succeeded().map(|_| ());
            }
        }
        Ok(())
    }
}

/// A command on its way.
pub(crate) struct Running {
    command: String,
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    seen: tokio::sync::watch::Receiver<String>,
}

impl Running {
    /// Waits until the command has printed this.
    pub(crate) async fn until(&mut self, text: &str) -> Result<()> {
        let seen = timeout(DEADLINE, self.seen.wait_for(|all| all.contains(text))).await;
        match seen {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(anyhow!("{} ended without printing {text:?}", self.command)),
            Err(_) => Err(anyhow!("{} did not print {text:?} in time", self.command)),
        }
    }

    /// Ctrl-C as a terminal sends it: to the client and to the plugin.
    pub(crate) fn interrupt_group(&self) -> Result<()> {
        Ok(kill_process_group(self.pid()?, Signal::INT)?)
    }

    /// An interrupt to the client alone, as a supervisor sends it.
    pub(crate) fn interrupt_client(&self) -> Result<()> {
        Ok(kill_process(self.pid()?, Signal::INT)?)
    }

    fn pid(&self) -> Result<Pid> {
        let id = self.child.id().with_context(|| format!("{} has ended", self.command))?;
        Pid::from_raw(i32::try_from(id)?).context("no process id")
    }

    /// Waits for the command's end.
    pub(crate) async fn end(mut self) -> Result<Output> {
        let Ok(status) = timeout(DEADLINE, self.child.wait()).await else {
            if let Ok(pid) = self.pid() {
                let _ = kill_process_group(pid, Signal::KILL);
            }
            let printed = self.stdout.await.unwrap_or_default();
            bail!("{} did not end in {} s; it printed\n{printed}", self.command, DEADLINE.as_secs());
        };
        let (stdout, stderr) = (self.stdout.await?, self.stderr.await?);
        Ok(Output {
            command: self.command,
            code: status?.code(),
            diagnostics: diagnostics(&stdout),
            stdout,
            stderr,
        })
    }
}

/// How a command ended and what it said.
pub(crate) struct Output {
    pub(crate) command: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

#[derive(Clone, Debug)]
pub(crate) struct Diagnostic {
    pub(crate) severity: String,
    pub(crate) summary: String,
    pub(crate) detail: String,
    pub(crate) address: String,
}

impl Output {
    /// Itself, if the command's exit code was 0.
    pub(crate) fn succeeded(self) -> Result<Output> {
        ensure!(self.code == Some(0), "{self}");
        Ok(self)
    }

    /// Fails unless the command failed with an error that says each of these, in any case of letters. They must be
    /// in one diagnostic.
    pub(crate) fn expect_error(&self, words: &[&str]) -> Result<&Self> {
        ensure!(!matches!(self.code, Some(0 | 2)), "expected an error with {words:?}: {self}");
        self.expect("error", words)
    }

    /// Fails unless a warning says each of these.
    pub(crate) fn expect_warning(&self, words: &[&str]) -> Result<&Self> {
        self.expect("warning", words)
    }

    fn expect(&self, severity: &str, words: &[&str]) -> Result<&Self> {
        let found =
            self.diagnostics.iter().any(|d| d.severity == severity && words.iter().all(|w| d.says(w)));
        ensure!(found, "expected {severity} with {words:?}: {self}");
        Ok(self)
    }

    /// Fails if the provider warns of anything but addresses that a network's provider need not report; what the
    /// client itself warns of does not count.
    pub(crate) fn expect_no_warning(&self) -> Result<&Self> {
        let harmless = |d: &Diagnostic| d.is_the_clients() || d.says("does not report every address");
        let warned = self.diagnostics.iter().any(|d| d.severity == "warning" && !harmless(d));
        ensure!(!warned, "expected no warning: {self}");
        Ok(self)
    }

    /// Whether any diagnostic says this, in any case of letters.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.says(words))
    }
}

impl Diagnostic {
    /// Whether it is the client's own word about how the provider is installed.
    fn is_the_clients(&self) -> bool {
        self.summary.contains("development overrides")
    }

    fn says(&self, words: &str) -> bool {
        let text = format!("{}\n{}", self.summary, self.detail).to_lowercase();
        text.contains(&words.to_lowercase())
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "`{}` ended with {:?}", self.command, self.code)?;
        for line in self.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if let Some(message) = line.get("@message").filter(|_| line.get("diagnostic").is_none()) {
                writeln!(f, "  {}", message.as_str().unwrap_or_default())?;
            }
        }
        for d in self.diagnostics.iter().filter(|d| !d.is_the_clients()) {
            let detail = d.detail.replace('\n', "\n    ");
            writeln!(f, "  {} [{}] {}\n    {detail}", d.severity, d.address, d.summary)?;
        }
        if self.diagnostics.is_empty() {
            write!(f, "{}", self.stdout)?;
        }
        write!(f, "{}", self.stderr)
    }
}

/// Diagnostics of the line-by-line JSON of plan and apply, and of validate's one document.
fn diagnostics(stdout: &str) -> Vec<Diagnostic> {
    let read = |value: &Value| {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Diagnostic {
            severity: text("severity"),
            summary: text("summary"),
            detail: text("detail"),
            address: text("address"),
        }
    };
    if let Ok(document) = serde_json::from_str::<Value>(stdout)
        && let Some(all) = document.get("diagnostics").and_then(Value::as_array)
    {
        return all.iter().map(read).collect();
    }
    let lines = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line.get("diagnostic").map(read)).collect()
}

/// A saved plan.
pub(crate) struct Plan {
    pub(crate) output: Output,
    json: Value,
}

impl Plan {
    fn change(&self, address: &str) -> Result<&Value> {
        let changes = self.json.get("resource_changes").and_then(Value::as_array);
        let mut changes = changes.into_iter().flatten();
        let found = changes.find(|c| c.get("address").and_then(Value::as_str) == Some(address));
        found.with_context(|| format!("the plan has no {address}"))
    }

    /// What is planned for a resource, such as `["update"]` or `["delete", "create"]`.
    pub(crate) fn actions(&self, address: &str) -> Result<Vec<String>> {
        let actions = self.change(address)?.pointer("/change/actions").cloned();
        Ok(serde_json::from_value(actions.context("no actions")?)?)
    }

    /// Fails unless this is planned, for example `"update"` or `"delete create"`.
    pub(crate) fn expect(&self, address: &str, actions: &str) -> Result<()> {
        let planned = self.actions(address)?.join(" ");
        ensure!(planned == actions, "expected {actions} of {address}, got {planned}: {}", self.changes());
        Ok(())
    }

    /// Fails unless exactly these leaves are unknown in the planned value of a resource that is updated.
    pub(crate) fn expect_unknown(&self, address: &str, expected: &[&str]) -> Result<()> {
        let mut unknown = BTreeSet::new();
        if let Some(value) = self.change(address)?.pointer("/change/after_unknown") {
            leaves(value, String::new(), &mut unknown);
        }
        let expected: BTreeSet<String> = expected.iter().map(|path| (*path).to_owned()).collect();
        ensure!(unknown == expected, "unknown in {address}: {unknown:?}, expected {expected:?}");
        Ok(())
    }

    /// Whether a leaf is unknown.
    pub(crate) fn is_unknown(&self, address: &str, pointer: &str) -> Result<bool> {
        let value = self.change(address)?.pointer(&format!("/change/after_unknown{pointer}"));
        Ok(value.and_then(Value::as_bool).unwrap_or_default())
    }

    /// The paths that force a replacement, dotted.
    pub(crate) fn replace_paths(&self, address: &str) -> Result<Vec<String>> {
        let paths = self.change(address)?.pointer("/change/replace_paths").and_then(Value::as_array);
        let path = |steps: &Value| {
            let steps = steps.as_array().into_iter().flatten();
            let steps: Vec<String> =
                steps.map(|s| s.as_str().map_or_else(|| s.to_string(), str::to_owned)).collect();
            steps.join(".")
        };
        Ok(paths.into_iter().flatten().map(path).collect())
    }

    /// The planned value at a pointer such as `/hash`.
    pub(crate) fn after(&self, address: &str, pointer: &str) -> Result<Value> {
        let value = self.change(address)?.pointer(&format!("/change/after{pointer}"));
        Ok(value.cloned().unwrap_or(Value::Null))
    }

    /// The plan in short, for a failure: what differs at the top level of each resource, and what is unknown.
    pub(crate) fn changes(&self) -> String {
        let changes =
            self.json.get("resource_changes").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut text = String::new();
        for change in changes {
            let field = |pointer: &str| change.pointer(pointer).cloned().unwrap_or(Value::Null);
            text.push_str(&format!("{} {}\n", field("/address"), field("/change/actions")));
            let (before, after) = (field("/change/before"), field("/change/after"));
            for (name, was) in before.as_object().into_iter().flatten() {
                let is = after.get(name);
                if is != Some(was) {
                    let is = is.map_or_else(|| "(unknown)".to_owned(), |is| short(&is.to_string()));
                    text.push_str(&format!("  {name}: {} -> {is}\n", short(&was.to_string())));
                }
            }
            let mut unknown = BTreeSet::new();
            leaves(&field("/change/after_unknown"), String::new(), &mut unknown);
            text.push_str(&format!("  unknown {unknown:?}\n"));
        }
        if let Some(outputs) = self.json.get("output_changes") {
            text.push_str(&format!("outputs {outputs}\n"));
        }
        format!("{text}{}", self.output)
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Paths of the leaves that are `true`.
fn leaves(value: &Value, path: String, found: &mut BTreeSet<String>) {
    let join = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
    match value {
        Value::Bool(true) => drop(found.insert(path)),
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| leaves(inner, join(key), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, inner)| leaves(inner, join(&i.to_string()), found));
        }
        _ => {}
    }
}

/// A state.
pub(crate) struct State {
    json: Value,
}

impl State {
    fn resources(&self) -> impl Iterator<Item = &Value> {
        let resources = self.json.pointer("/values/root_module/resources").and_then(Value::as_array);
        resources.into_iter().flatten()
    }

    /// Addresses of all managed resources.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let managed = self.resources().filter(|r| r.get("mode").and_then(Value::as_str) == Some("managed"));
        managed.filter_map(|r| r.get("address").and_then(Value::as_str).map(str::to_owned)).collect()
    }

    fn resource(&self, address: &str) -> Result<&Value> {
        let found = self.resources().find(|r| r.get("address").and_then(Value::as_str) == Some(address));
        found.with_context(|| format!("no {address} in state, which has {:?}", self.addresses()))
    }

    /// A value of a resource, at a pointer such as `/id`; null where there is none.
    pub(crate) fn get(&self, address: &str, pointer: &str) -> Result<Value> {
        let value = self.resource(address)?.pointer(&format!("/values{pointer}"));
        Ok(value.cloned().unwrap_or(Value::Null))
    }

    /// A text value of a resource.
    pub(crate) fn text(&self, address: &str, pointer: &str) -> Result<String> {
        let value = self.get(address, pointer)?;
        value.as_str().map(str::to_owned).with_context(|| format!("{address}{pointer} is {value}"))
    }

    pub(crate) fn is_tainted(&self, address: &str) -> Result<bool> {
        Ok(self.resource(address)?.get("tainted").and_then(Value::as_bool).unwrap_or_default())
    }

    /// An output's value.
    pub(crate) fn output(&self, name: &str) -> Value {
        self.json.pointer(&format!("/values/outputs/{name}/value")).cloned().unwrap_or(Value::Null)
    }

    /// Receipts of a resource, parsed.
    pub(crate) fn receipts(&self, address: &str) -> Result<Vec<Value>> {
        let receipts = self.get(address, "/receipts")?;
        let receipts = receipts.as_array().cloned().unwrap_or_default();
        receipts
            .iter()
            .map(|r| Ok(serde_json::from_str(r.as_str().context("a receipt is no text")?)?))
            .collect()
    }
}
