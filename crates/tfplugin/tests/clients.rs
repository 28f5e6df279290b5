//! The plugin under real clients: what `terraform` and `tofu` make of it, end to end. Each test runs under every
//! client that can be had, and says `skipped: no ...` of the others.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "test code")]

mod support;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A configuration in a directory of its own, and the client that works on it.
struct Workspace {
    client: &'static str,
    binary: PathBuf,
    directory: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command said and how it ended.
struct Run {
    code: Option<i32>,
    text: String,
}

impl Run {
    /// Whether the text is in what was printed, whose lines the clients break where they like.
    fn says(&self, text: &str) -> bool {
        let words = |text: &str| {
            text.replace(['\u{2502}', '|', '\u{2577}', '\u{2575}'], " ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        words(&self.text).contains(&words(text))
    }

    #[track_caller]
    fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self
    }

    #[track_caller]
    fn fails_with(self, text: &str) -> Self {
        assert_ne!(self.code, Some(0), "{}", self.text);
        assert!(self.says(text), "no {text:?} in:\n{}", self.text);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Self { code: output.status.code(), text }
    }
}

impl Workspace {
    fn new(client: &'static str, binary: &Path, provider: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plugins = directory.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        std::os::unix::fs::symlink(
            support::example(provider),
            plugins.join(format!("terraform-provider-{provider}")),
        )
        .unwrap();
        let settings = format!(
            "provider_installation {{\n dev_overrides {{ \"test/{provider}\" = {plugins:?} }}\n direct {{}}\n}}\n"
        );
        std::fs::write(directory.path().join("settings.tfrc"), settings).unwrap();
        let requires = format!(
            "terraform {{\n required_providers {{\n {provider} = {{ source = \"test/{provider}\" }}\n }}\n}}\n"
        );
        std::fs::write(directory.path().join("requires.tf"), requires).unwrap();
        Self { client, binary: binary.to_owned(), directory, variables: Vec::new() }
    }

    fn write(&self, configuration: &str) {
        std::fs::write(self.path("main.tf"), configuration).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("TF_CLI_CONFIG_FILE", self.path("settings.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env_remove("TF_LOG")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    fn apply(&self) -> Run {
        self.run(&["apply", "-auto-approve", "-no-color"])
    }

    fn destroy(&self) -> Run {
        self.run(&["destroy", "-auto-approve", "-no-color"])
    }

    #[track_caller]
    fn plan_is_empty(&self) {
        let plan = self.run(&["plan", "-detailed-exitcode", "-no-color"]);
        assert_eq!(plan.code, Some(0), "{}: {}", self.client, plan.text);
    }

    /// The state file's first instance of a resource.
    fn instance(&self, address: &str) -> serde_json::Value {
        let state: serde_json::Value =
            serde_json::from_slice(&std::fs::read(self.path("terraform.tfstate")).unwrap()).unwrap();
        let resources = state["resources"].as_array().unwrap();
        let resource = resources.iter().find(|resource| {
            format!("{}.{}", resource["type"].as_str().unwrap(), resource["name"].as_str().unwrap())
                == address
        });
        resource.map(|resource| resource["instances"][0].clone()).unwrap_or_default()
    }

    fn output(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(self.run(&["output", "-json", name]).succeeds().text.trim()).unwrap()
    }

    /// Starts a command in a process group of its own, as a terminal does.
    fn start_in_group(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

fn each(provider: &str, test: impl Fn(&mut Workspace)) {
    for (client, binary) in support::clients() {
        println!("under {client}");
        test(&mut Workspace::new(client, &binary, provider));
    }
}

fn wait_for(what: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !what.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", what.display());
        wait();
    }
}

#[allow(clippy::disallowed_methods, reason = "no async worker is here to be blocked")]
fn wait() {
    std::thread::sleep(Duration::from_millis(20));
}

fn signal(signal: &str, process: &str) {
    assert!(Command::new("kill").args([signal, "--", process]).status().unwrap().success());
}

#[test]
fn hello_is_applied_replaced_and_destroyed() {
    each("hello", |workspace| {
        let greeting = |name: &str| {
            format!(
                "resource \"hello_greeting\" \"x\" {{ name = \"{name}\" }}\noutput \"text\" {{ value = hello_greeting.x.text }}\n"
            )
        };
        workspace.write(&greeting("World"));
        workspace.apply().succeeds();
        assert_eq!(workspace.output("text"), "Hello, World!");
        workspace.plan_is_empty();
        workspace.write(&greeting("Moon"));
        let run = workspace.apply().succeeds();
        assert!(run.says("1 added, 0 changed, 1 destroyed"), "{}", run.text);
        assert_eq!(workspace.output("text"), "Hello, Moon!");
        workspace.destroy().succeeds();
    });
}

#[test]
fn every_kind_of_value_goes_through() {
    each("fixture", |workspace| {
        workspace.write(
            r#"
            provider "fixture" { region = "here" }
            variable "top" { default = 0.1 }
            resource "fixture_thing" "a" {
              name   = "a"
              select = { max_price = var.top }
              ports  = { web = { number = 80 }, dns = { number = 53 } }
              tags   = ["b", "a", "b"]
              any    = { list = [1, "two", null], flag = true }
              secret = "hidden"
              secret_version = 1
            }
            data "fixture_echo" "e" {
              text  = fixture_thing.a.id
              times = 3
            }
            output "echo" { value = data.fixture_echo.e.echo }
            output "double" { value = provider::fixture::double(0.1) }
            output "kinds" { value = provider::fixture::describe(1, "x", [null, true], {}) }
            "#,
        );
        workspace.apply().succeeds();
        workspace.plan_is_empty();
        let thing = workspace.instance("fixture_thing.a");
        let attributes = &thing["attributes"];
        assert_eq!(attributes["select"], serde_json::json!({"max_price": 0.1, "prefer": "price"}));
        assert_eq!(attributes["ports"]["web"], serde_json::json!({"number": 80, "address": "a:80"}));
        assert_eq!(attributes["tags"], serde_json::json!(["a", "b"]));
        assert_eq!(attributes["any"]["value"], serde_json::json!({"list": [1, "two", null], "flag": true}));
        assert_eq!(attributes["secret"], serde_json::Value::Null, "a write-only value is never stored");
        assert_eq!(attributes["secret_length"], 6, "but it was there to be read");
        assert_eq!(workspace.output("echo"), "thing-athing-athing-a");
        assert_eq!(workspace.output("double"), 0.2);
        let kinds = serde_json::json!(["a number", "a string", "a list", "an object or map"]);
        assert_eq!(workspace.output("kinds"), kinds);
        workspace.variables.push(("TF_VAR_top".to_owned(), "0.25".to_owned()));
        let run = workspace.apply().succeeds();
        assert!(run.says("0 added, 1 changed, 0 destroyed"), "{}", run.text);
        let (_, update) = run.text.split_once("# fixture_thing.a will be updated in-place").unwrap();
        let (update, _) = update.split_once("Plan:").unwrap();
        assert!(
            !update.contains("known after apply"),
            "an update leaves computed values alone: {}",
            run.text
        );
        let run = workspace.destroy().succeeds();
        assert!(
            run.says("Warning: A thing ends"),
            "the plan of a destroy reaches the provider: {}",
            run.text
        );
    });
}

#[test]
fn a_changed_secret_version_is_an_update_of_one_leaf() {
    each("fixture", |workspace| {
        let thing = |secret: &str, version: u8| {
            format!(
                "resource \"fixture_thing\" \"a\" {{\n name = \"a\"\n secret = \"{secret}\"\n secret_version = {version}\n}}\n"
            )
        };
        workspace.write(&thing("short", 1));
        workspace.apply().succeeds();
        workspace.write(&thing("changed but not said", 1));
        workspace.plan_is_empty();
        workspace.write(&thing("longer secret", 2));
        let run = workspace.apply().succeeds();
        assert!(run.says("~ secret_length = 5 -> (known after apply)"), "{}", run.text);
        assert_eq!(workspace.instance("fixture_thing.a")["attributes"]["secret_length"], 13);
    });
}

#[test]
fn a_path_of_the_resource_forces_a_replacement() {
    each("fixture", |workspace| {
        workspace.write("resource \"fixture_thing\" \"a\" { name = \"a\" }\n");
        workspace.apply().succeeds();
        workspace.write("resource \"fixture_thing\" \"a\" {\n name = \"a\"\n mode = \"replaced\"\n}\n");
        let run = workspace.apply().succeeds();
        assert!(run.says("# forces replacement"), "{}", run.text);
        assert!(run.says("1 added, 0 changed, 1 destroyed"), "{}", run.text);
        workspace.plan_is_empty();
        workspace.write("resource \"fixture_thing\" \"a\" {\n name = \"a\"\n mode = \"bad-replace\"\n}\n");
        workspace
            .apply()
            .fails_with("token is said to force a replacement, but its planned value is the prior one");
    });
}

#[test]
fn messages_name_their_attribute() {
    each("fixture", |workspace| {
        let cases = [
            ("name = \"\"", "Invalid value for name"),
            ("name = \"a\"\n token = \"mine\"", "token"),
            (
                "name = \"a\"\n ports = { web = { number = 70000 } }",
                "ports[\"web\"].number: expected a whole number from 0 to 65535, got 70000",
            ),
            ("name = \"a\"\n secret_version = 1.5", "secret_version: expected a whole number"),
            ("name = \"a\"\n mode = \"refused\"\n select = { max_price = 1 }", "Too cheap"),
        ];
        for (body, expected) in cases {
            workspace.write(&format!("resource \"fixture_thing\" \"a\" {{\n {body}\n}}\n"));
            workspace.apply().fails_with(expected);
        }
        workspace.write("resource \"fixture_thing\" \"a\" {\n name = \"a\"\n note = \"old\"\n}\n");
        let run = workspace.run(&["validate", "-no-color"]).succeeds();
        assert!(run.says("deprecated"), "{}", run.text);
        for (region, expected) in [("nowhere", "nowhere is no region"), ("broken", "The region is broken")] {
            workspace.write(&format!(
                "provider \"fixture\" {{ region = \"{region}\" }}\nresource \"fixture_thing\" \"a\" {{ name = \"a\" }}\n"
            ));
            workspace.apply().fails_with(expected);
        }
        workspace.write("output \"x\" { value = provider::fixture::double(0) }\n");
        workspace.apply().fails_with("zero has no double worth asking for");
    });
}

/// Of what a diagnostic points at, clients print the lines.
#[test]
fn no_line_of_something_sensitive_is_printed() {
    each("fixture", |workspace| {
        let body = "resource \"fixture_thing\" \"a\" {\n name = \"a\"\n secret = \"hunter2 bad\"\n}\n";
        for shown in [false, true] {
            // The same complaint about something that is no secret: the client would print it.
            workspace.write(&if shown { body.replace("secret =", "note =") } else { body.to_owned() });
            let run = workspace.apply().fails_with("badness is not taken");
            assert_eq!(run.text.contains("hunter2"), shown, "{}", run.text);
            assert_eq!(run.says("This is about `secret`."), !shown, "{}", run.text);
        }
    });
}

#[test]
fn a_required_null_is_refused_before_anything_is_planned() {
    each("fixture", |workspace| {
        workspace
            .write("variable \"n\" { default = null }\nresource \"fixture_thing\" \"a\" { name = var.n }\n");
        workspace.run(&["validate", "-no-color"]).succeeds();
        workspace.run(&["plan", "-no-color"]).fails_with("name must not be null");
    });
}

#[test]
fn unknown_values_wait_for_apply() {
    each("fixture", |workspace| {
        workspace.write(
            r#"
            resource "fixture_thing" "a" { name = "a" }
            resource "fixture_thing" "b" {
              name   = fixture_thing.a.token
              select = { prefer = fixture_thing.a.id }
              ports  = { web = { number = length(fixture_thing.a.id) } }
            }
            data "fixture_echo" "e" { text = fixture_thing.a.id }
            "#,
        );
        workspace.apply().succeeds();
        assert_eq!(workspace.instance("fixture_thing.b")["attributes"]["select"]["prefer"], "thing-a");
        assert_eq!(workspace.instance("fixture_thing.b")["attributes"]["ports"]["web"]["number"], 7);
        workspace.plan_is_empty();
    });
}

#[test]
fn five_megabytes_go_through() {
    each("fixture", |workspace| {
        workspace.write(
            "resource \"fixture_thing\" \"a\" {\n name = \"a\"\n payload = join(\"\", [for i in range(500) : file(\"payload\")])\n}\n",
        );
        std::fs::write(workspace.path("payload"), "0123456789abcdef".repeat(640)).unwrap();
        workspace.apply().succeeds();
        let stored = workspace.instance("fixture_thing.a")["attributes"]["payload"].as_str().unwrap().len();
        assert_eq!(stored, 500 * 640 * 16);
        workspace.plan_is_empty();
    });
}

#[test]
fn a_panic_is_an_error_of_its_resource_alone() {
    each("fixture", |workspace| {
        workspace.variables.push(("RUST_BACKTRACE".to_owned(), "1".to_owned()));
        workspace.write(
            r#"
            resource "fixture_thing" "bad" {
              name = "bad"
              mode = "panic"
            }
            resource "fixture_thing" "good" { name = "good" }
            "#,
        );
        let run = workspace.apply().fails_with("the fixture was asked to panic");
        assert!(run.says("The provider crashed"), "{}", run.text);
        assert!(!run.says("stack backtrace"), "{}", run.text);
        assert!(run.text.lines().count() < 80, "{}", run.text);
        assert_eq!(workspace.instance("fixture_thing.good")["attributes"]["id"], "thing-good");
        assert_eq!(workspace.instance("fixture_thing.bad"), serde_json::Value::Null);
    });
}

#[test]
fn a_failed_create_leaves_its_state_tainted() {
    each("fixture", |workspace| {
        workspace.write("resource \"fixture_thing\" \"a\" {\n name = \"a\"\n mode = \"partial\"\n}\n");
        workspace.apply().fails_with("The thing exists but is broken");
        let instance = workspace.instance("fixture_thing.a");
        assert_eq!(instance["attributes"]["id"], "thing-a");
        assert_eq!(instance["status"], "tainted");
        workspace.write("resource \"fixture_thing\" \"a\" { name = \"a\" }\n");
        let run = workspace.apply().succeeds();
        assert!(run.says("1 added, 0 changed, 1 destroyed"), "{}", run.text);
    });
}

/// What a terminal does at Ctrl-C: the whole process group gets SIGINT, the plugin too.
#[test]
fn ctrl_c_saves_what_was_created() {
    each("fixture", |workspace| interrupted(workspace, |child| signal("-INT", &format!("-{}", child.id()))));
}

/// What a supervisor does: only the client gets SIGINT, and tells the plugin by StopProvider.
#[test]
fn a_stop_reaches_a_running_create() {
    each("fixture", |workspace| interrupted(workspace, |child| signal("-INT", &child.id().to_string())));
}

fn interrupted(workspace: &mut Workspace, interrupt: impl Fn(&Child)) {
    let started = workspace.path("started");
    workspace.variables.push(("FIXTURE_STARTED".to_owned(), started.to_str().unwrap().to_owned()));
    workspace.write("resource \"fixture_thing\" \"a\" {\n name = \"a\"\n mode = \"slow\"\n}\n");
    let child = workspace.start_in_group(&["apply", "-auto-approve", "-no-color"]);
    wait_for(&started);
    interrupt(&child);
    let run = Run::from(child.wait_with_output().unwrap());
    assert!(!run.says("did not respond"), "{}", run.text);
    let instance = workspace.instance("fixture_thing.a");
    assert_eq!(instance["attributes"]["id"], "thing-a", "{}", run.text);
    assert_eq!(instance["attributes"]["done"], false, "without a stop it sleeps for a minute and is done");
    assert_eq!(instance["status"], serde_json::Value::Null, "a warning does not taint");
    let run = workspace.apply().succeeds();
    assert!(run.says("0 added, 1 changed, 0 destroyed"), "the next apply goes on from there: {}", run.text);
    assert_eq!(workspace.instance("fixture_thing.a")["attributes"]["done"], true);
}

#[test]
fn the_returned_hook_runs_when_the_client_has_the_answer() {
    each("fixture", |workspace| {
        let returned = workspace.path("returned");
        workspace.variables.push(("FIXTURE_RETURNED".to_owned(), returned.to_str().unwrap().to_owned()));
        workspace.write("resource \"fixture_thing\" \"a\" { name = \"a\" }\n");
        workspace.apply().succeeds();
        assert_eq!(std::fs::read_to_string(returned).unwrap(), "a");
    });
}

#[test]
fn what_is_gone_is_created_again_and_what_is_stuck_stays() {
    each("fixture", |workspace| {
        workspace.write("resource \"fixture_thing\" \"a\" { name = \"a\" }\n");
        workspace.apply().succeeds();
        workspace.variables.push(("FIXTURE_GONE".to_owned(), "1".to_owned()));
        let run = workspace.run(&["plan", "-no-color"]).succeeds();
        assert!(run.says("1 to add") && run.says("Somebody took it"), "{}", run.text);
        workspace.variables = vec![("FIXTURE_STUCK".to_owned(), "1".to_owned())];
        workspace.destroy().fails_with("is stuck");
        assert_eq!(workspace.instance("fixture_thing.a")["attributes"]["id"], "thing-a");
    });
}

#[test]
fn things_are_imported_by_id_and_by_identity() {
    each("fixture", |workspace| {
        let resource = "resource \"fixture_thing\" \"a\" { name = \"old\" }\n";
        workspace.write(resource);
        workspace
            .run(&["import", "-no-color", "fixture_thing.a", "nonsense"])
            .fails_with("is not of the form thing-NAME");
        workspace.run(&["import", "-no-color", "fixture_thing.a", "thing-old"]).succeeds();
        assert_eq!(workspace.instance("fixture_thing.a")["attributes"]["token"], "very secret");
        workspace.plan_is_empty();
        let version = workspace.run(&["version", "-json"]).text;
        let version: serde_json::Value = serde_json::from_str(&version).unwrap();
        let version = version["terraform_version"].as_str().unwrap();
        let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
        if minor < 12 {
            println!("skipped: {} {version} has no identity", workspace.client);
            return;
        }
        let instance = workspace.instance("fixture_thing.a");
        assert_eq!(instance["identity"], serde_json::json!({"name": "old", "region": "here"}));
        workspace.run(&["state", "rm", "fixture_thing.a"]).succeeds();
        workspace.write(&format!(
            "{resource}import {{\n to = fixture_thing.a\n identity = {{ name = \"old\" }}\n}}\n"
        ));
        let run = workspace.apply().succeeds();
        assert!(run.says("1 imported, 0 added, 0 changed, 0 destroyed"), "{}", run.text);
        workspace.plan_is_empty();
        workspace.write("resource \"fixture_thing\" \"a\" { name = \"new\" }\n");
        workspace.apply().succeeds();
        let identity = serde_json::json!({"name": "new", "region": "here"});
        assert_eq!(workspace.instance("fixture_thing.a")["identity"], identity, "after a replacement");
        workspace.destroy().succeeds();
    });
}

#[test]
fn an_older_state_is_upgraded() {
    each("fixture", |workspace| {
        workspace.write("resource \"fixture_thing\" \"a\" { name = \"a\" }\n");
        workspace.apply().succeeds();
        let file = workspace.path("terraform.tfstate");
        let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let instance = &mut state["resources"][0]["instances"][0];
        instance["schema_version"] = 1.into();
        let attributes = instance["attributes"].as_object_mut().unwrap();
        let name = attributes.remove("name").unwrap();
        attributes.insert("title".to_owned(), name);
        attributes.insert("dropped".to_owned(), "long ago".into());
        std::fs::write(&file, state.to_string()).unwrap();
        workspace.plan_is_empty();
    });
}

#[test]
fn a_client_attaches_to_a_provider_in_the_debugger() {
    use std::io::{BufRead, BufReader};
    each("fixture", |workspace| {
        let mut provider = Command::new(support::example("fixture"))
            .arg("-debug")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(provider.stdout.take().unwrap()).lines();
        let entries = lines.map(Result::unwrap).find_map(|line| {
            line.trim()
                .strip_prefix("TF_REATTACH_PROVIDERS='")
                .and_then(|line| line.strip_suffix('\'').map(str::to_owned))
        });
        workspace.variables.push(("TF_REATTACH_PROVIDERS".to_owned(), entries.unwrap()));
        workspace.write("resource \"fixture_thing\" \"a\" { name = \"a\" }\n");
        workspace.apply().succeeds();
        workspace.plan_is_empty();
        signal("-INT", &provider.id().to_string());
        assert!(provider.wait().unwrap().success());
    });
}

#[test]
fn logs_reach_the_client() {
    each("fixture", |workspace| {
        workspace.write("resource \"fixture_thing\" \"a\" { name = \"a\" }\n");
        let log = workspace.path("log");
        workspace.variables.push(("TF_LOG_PROVIDER".to_owned(), "INFO".to_owned()));
        workspace.variables.push(("TF_LOG_PATH".to_owned(), log.to_str().unwrap().to_owned()));
        workspace.run(&["plan", "-no-color"]).succeeds();
        let log = std::fs::read_to_string(log).unwrap();
        let line = log.lines().find(|line| line.contains("configured")).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("[INFO]") && line.contains("terraform="), "{line}");
        assert!(!log.contains("answered"), "that is said at DEBUG: {log}");
    });
}
