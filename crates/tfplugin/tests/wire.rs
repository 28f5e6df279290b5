//! The plugin's process as seen from the other end of the socket: handshake, who may connect, what ends it. The
//! client here is raw HTTP/2, so that it can do what a well-behaved one would not.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P521_SHA512};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate as Terraform makes it: self-signed, P-521, marked as an authority.
struct Credentials {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Credentials {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }
}

/// A running plugin.
struct Plugin {
    process: Child,
    line: String,
    directory: tempfile::TempDir,
}

fn command(program: &str) -> Command {
    let mut command = Command::new(support::example(program));
    for variable in ["TF_LOG", "TF_LOG_PROVIDER", "TF_LOG_PROVIDER_FIXTURE", "PLUGIN_CLIENT_CERT"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Plugin {
    async fn start(client: Option<&Credentials>) -> Self {
        Self::start_with(client, &[]).await
    }

    async fn start_with(client: Option<&Credentials>, variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = command("fixture");
        command
            .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
            .env("PLUGIN_PROTOCOL_VERSIONS", "6,5")
            .env("PLUGIN_UNIX_SOCKET_DIR", directory.path())
            .envs(variables.iter().copied());
        if let Some(client) = client {
            command.env("PLUGIN_CLIENT_CERT", &client.pem);
        }
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        timeout(PATIENCE, stdout.read_line(&mut line)).await.unwrap().unwrap();
        Self { process, line: line.trim_end().to_owned(), directory }
    }

    fn socket(&self) -> PathBuf {
        PathBuf::from(self.line.split('|').nth(3).unwrap())
    }

    fn certificate(&self) -> CertificateDer<'static> {
        STANDARD_NO_PAD.decode(self.line.split('|').nth(5).unwrap()).unwrap().into()
    }

    /// Connects as the holder of `client`, or without any certificate.
    async fn connect(
        &self,
        client: Option<&Credentials>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Client, Box<dyn std::error::Error>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_root_certificates(roots);
        let mut config = match client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(client.key.serialize_der()));
                let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)?;
                // Unlike the usual way, this one does not check that they belong together.
                let certified = CertifiedKey::new(vec![client.certificate.clone()], key);
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let io = UnixStream::connect(self.socket()).await?;
        let io = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?, io).await?;
        Client::over(io).await
    }

    async fn ends(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.process.wait()).await.expect("the plugin does not end").unwrap()
    }

    async fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
        text
    }

    fn signal(&self, name: &str) {
        let process = self.process.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &process]).status().unwrap().success());
    }

    /// What is left of the plugin in its socket directory.
    fn leftovers(&self) -> usize {
        std::fs::read_dir(self.directory.path()).unwrap().count()
    }
}

/// gRPC by hand.
struct Client(h2::client::SendRequest<Bytes>);

impl Client {
    async fn over<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        io: IO,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let (client, connection) = h2::client::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Self(client))
    }

    /// The status and the message of a call. An empty message is a valid request of every kind.
    async fn call(&self, path: &str, message: &[u8]) -> Result<(i32, Vec<u8>), Box<dyn std::error::Error>> {
        let request = http::Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let mut client = self.0.clone().ready().await?;
        let (response, mut body) = client.send_request(request, false)?;
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len())?);
        frame.put_slice(message);
        body.send_data(frame.freeze(), true)?;
        let response = timeout(PATIENCE, response).await??;
        let status = |headers: &http::HeaderMap| {
            headers.get("grpc-status").map(|status| status.to_str().unwrap().parse::<i32>().unwrap())
        };
        if let Some(status) = status(response.headers()) {
            return Ok((status, Vec::new()));
        }
        let mut body = response.into_body();
        let mut message = Vec::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            message.extend_from_slice(&data);
        }
        let trailers = body.trailers().await?.ok_or("no trailers")?;
        message.drain(..5.min(message.len()));
        Ok((status(&trailers).ok_or("no status")?, message))
    }

    async fn schema_status(&self) -> Result<i32, Box<dyn std::error::Error>> {
        Ok(self.call("/tfplugin6.Provider/GetProviderSchema", &[]).await?.0)
    }
}

#[tokio::test]
async fn run_by_hand_it_explains_itself() {
    let output = timeout(PATIENCE, command("fixture").output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("It is not run by hand") && text.lines().count() == 1, "{text}");
}

#[tokio::test]
async fn a_client_of_another_protocol_is_told() {
    let mut command = command("fixture");
    command.env("TF_PLUGIN_MAGIC_COOKIE", COOKIE).env("PLUGIN_PROTOCOL_VERSIONS", "4,5");
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("the client offers 4,5"));
}

#[tokio::test]
async fn a_broken_client_certificate_is_refused_at_start() {
    let mut command = command("fixture");
    command.env("TF_PLUGIN_MAGIC_COOKIE", COOKIE).env("PLUGIN_CLIENT_CERT", "nonsense");
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "above all it does not serve unencrypted");
}

#[tokio::test]
async fn the_handshake_is_one_line_and_the_socket_private() {
    let client = Credentials::new();
    let plugin = Plugin::start(Some(&client)).await;
    let fields: Vec<_> = plugin.line.split('|').collect();
    assert_eq!(fields.len(), 6, "{}", plugin.line);
    assert_eq!((fields[0], fields[1], fields[2], fields[4]), ("1", "6", "unix", "grpc"));
    assert!(!fields[5].contains('=') && fields[5].len() > 50, "{}", fields[5]);
    let directory = plugin.socket().parent().unwrap().to_owned();
    assert_eq!(std::fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn the_client_that_started_it_is_served() {
    let client = Credentials::new();
    let plugin = Plugin::start(Some(&client)).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let connection = plugin.connect(Some(&client), &[version]).await.unwrap();
        assert_eq!(connection.schema_status().await.unwrap(), 0, "{version:?}");
    }
}

#[tokio::test]
async fn nobody_else_is_served() {
    let client = Credentials::new();
    let plugin = Plugin::start(Some(&client)).await;
    let stranger = Credentials::new();
    // The right certificate, but without its key.
    let thief = Credentials { certificate: client.certificate.clone(), ..Credentials::new() };
    for (who, credentials) in [("nobody", None), ("a stranger", Some(&stranger)), ("a thief", Some(&thief))] {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            // In TLS 1.3 the client learns only at its first read that it is refused.
            let served = match plugin.connect(credentials, &[version]).await {
                Ok(connection) => connection.schema_status().await.is_ok(),
                Err(_) => false,
            };
            assert!(!served, "{who} was served over {version:?}");
        }
    }
    let plain = Client::over(UnixStream::connect(plugin.socket()).await.unwrap()).await.unwrap();
    assert!(plain.schema_status().await.is_err(), "served without TLS");
    let connection = plugin.connect(Some(&client), rustls::ALL_VERSIONS).await.unwrap();
    assert_eq!(connection.schema_status().await.unwrap(), 0, "the right client is still served");
}

#[tokio::test]
async fn silent_connections_block_nobody() {
    let client = Credentials::new();
    let plugin = Plugin::start(Some(&client)).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(UnixStream::connect(plugin.socket()).await.unwrap());
    }
    let connection =
        timeout(Duration::from_secs(5), plugin.connect(Some(&client), rustls::ALL_VERSIONS)).await;
    assert_eq!(connection.expect("blocked").unwrap().schema_status().await.unwrap(), 0);
    drop(silent);
}

#[tokio::test]
async fn without_a_client_certificate_the_socket_is_plain() {
    let plugin = Plugin::start(None).await;
    assert!(plugin.line.ends_with("|grpc|"), "{}", plugin.line);
    let client = Client::over(UnixStream::connect(plugin.socket()).await.unwrap()).await.unwrap();
    assert_eq!(client.schema_status().await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_not_served_is_unimplemented() {
    let plugin = Plugin::start(None).await;
    let client = Client::over(UnixStream::connect(plugin.socket()).await.unwrap()).await.unwrap();
    for path in [
        "/tfplugin6.Provider/OpenEphemeralResource",
        "/tfplugin6.Provider/ListResource",
        "/tfplugin6.Provider/InvokeAction",
        "/tfplugin6.Provider/Nothing",
        "/other.Service/Call",
    ] {
        assert_eq!(client.call(path, &[]).await.unwrap().0, 12, "{path}");
    }
    assert_eq!(client.call("/tfplugin6.Provider/ReadResource", b"\x0a\x04none").await.unwrap().0, 3);
    assert_eq!(
        client.call("/grpc.health.v1.Health/Check", b"\x0a\x06plugin").await.unwrap(),
        (0, vec![8, 1])
    );
    assert_eq!(client.call("/grpc.health.v1.Health/Check", b"\x0a\x05other").await.unwrap().0, 5);
}

#[tokio::test]
async fn malformed_values_are_errors_and_not_the_end() {
    let plugin = Plugin::start(None).await;
    let client = Client::over(UnixStream::connect(plugin.socket()).await.unwrap()).await.unwrap();
    for msgpack in
        [&b"\xc1"[..], b"\xdd\xff\xff\xff\xff", b"\x81\xa4name", &[0x91; 4000], b"\xa1", b"\xc0\xc0"]
    {
        // type_name = "fixture_thing", config = { msgpack }
        let mut message = b"\x0a\x0dfixture_thing\x12".to_vec();
        let mut value = vec![0x0a];
        prost::encoding::encode_varint(msgpack.len() as u64, &mut value);
        value.extend_from_slice(msgpack);
        prost::encoding::encode_varint(value.len() as u64, &mut message);
        message.extend_from_slice(&value);
        let (status, answer) =
            client.call("/tfplugin6.Provider/ValidateResourceConfig", &message).await.unwrap();
        assert_eq!(status, 0);
        assert!(String::from_utf8_lossy(&answer).contains("Value of the wrong type"), "{msgpack:?}");
    }
    assert_eq!(client.schema_status().await.unwrap(), 0);
}

#[tokio::test]
async fn shutdown_is_answered_and_then_done() {
    let client = Credentials::new();
    let mut plugin = Plugin::start(Some(&client)).await;
    let connection = plugin.connect(Some(&client), rustls::ALL_VERSIONS).await.unwrap();
    let (_, stdio) = tokio::join!(
        connection.call("/plugin.GRPCController/Shutdown", &[]),
        // A client keeps this stream open all the time; it ends with the plugin.
        connection.call("/plugin.GRPCStdio/StreamStdio", &[]),
    );
    drop(stdio);
    assert!(plugin.ends().await.success());
    assert_eq!(plugin.leftovers(), 0);
}

#[tokio::test]
async fn sigint_is_ignored_and_sigterm_obeyed() {
    let client = Credentials::new();
    let mut plugin = Plugin::start(Some(&client)).await;
    plugin.signal("-INT");
    plugin.signal("-INT");
    let connection = plugin.connect(Some(&client), rustls::ALL_VERSIONS).await.unwrap();
    assert_eq!(connection.schema_status().await.unwrap(), 0);
    plugin.signal("-TERM");
    assert!(plugin.ends().await.success());
    assert_eq!(plugin.leftovers(), 0, "the socket is removed");
    assert!(Path::new(plugin.directory.path()).exists());
}

#[tokio::test]
async fn logs_are_json_lines_and_silent_unless_asked_for() {
    for (variables, expected) in
        [(&[][..], 0), (&[("TF_LOG", "TRACE"), ("TF_LOG_PROVIDER_FIXTURE", "DEBUG")], 1)]
    {
        let client = Credentials::new();
        let mut plugin = Plugin::start_with(Some(&client), variables).await;
        let connection = plugin.connect(Some(&client), rustls::ALL_VERSIONS).await.unwrap();
        assert_eq!(connection.call("/tfplugin6.Provider/ValidateProviderConfig", &[]).await.unwrap().0, 0);
        connection.call("/plugin.GRPCController/Shutdown", &[]).await.unwrap();
        plugin.ends().await;
        let text = plugin.stderr().await;
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let answers = lines.iter().filter(|line| line["rpc"] == "ValidateProviderConfig").count();
        assert_eq!(answers, expected, "{text}");
        assert!(
            lines
                .iter()
                .all(|line| ["@level", "@message", "@timestamp"].iter().all(|key| line[*key].is_string()))
        );
        assert!(lines.iter().all(|line| line["@level"] != "trace"), "{text}");
        assert_eq!(lines.is_empty(), expected == 0, "{text}");
    }
}
