//! The local network as a process of its own, for the commands that need one. It ends with this process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::Value;

pub(crate) struct Local {
    child: Child,
    pub(crate) endpoint: String,
    pub(crate) chain_id: String,
    pub(crate) mnemonic: String,
    control: String,
}

impl Local {
    /// Starts the program on free ports, with these further arguments, and waits for the line in which it says what
    /// it is.
    pub(crate) fn start(binary: &Path, args: &[&str]) -> Result<Local> {
        let mut child = Command::new(binary)
            .args(["--ports", "free", "--exit-with-parent"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the local network")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let said: Value =
            serde_json::from_str(&line).with_context(|| format!("the local network said {line:?}"))?;
        let text = |key: &str| {
            let value = said.get(key).and_then(Value::as_str).map(str::to_owned);
            value.with_context(|| format!("the local network did not say its {key}"))
        };
        let (endpoint, chain_id) = (text("grpc")?, text("chain_id")?);
        let (mnemonic, control) = (text("mnemonic")?, text("control")?);
        Ok(Local { child, endpoint, chain_id, mnemonic, control })
    }

    /// Waits until it ends.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.child.wait().map(|_| ()).context("the local network")
    }

    /// How many requests its node has answered since it was started, over all carriers.
    pub(crate) fn requests(&self) -> Result<u64> {
        let address = self.control.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).context("the local network's control address")?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET /counters HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let counted: Value = serde_json::from_str(body).context("the local network's counters")?;
        let requests = counted.get("requests").and_then(Value::as_object).context("no counters")?;
        Ok(requests.values().filter_map(Value::as_u64).sum())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
