//! What Terraform says in the environment when it starts a plugin, and the one line that the plugin answers.

use std::fmt;

/// The protocol's major version that we speak.
pub(super) const PROTOCOL: u32 = 6;

/// What every provider's environment holds when Terraform or OpenTofu started it. Not a secret: it tells a plugin
/// that it was not started by hand.
const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// Why the plugin does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// A person ran the binary.
    #[error(
        "This program is a provider plugin. It is not run by hand: `terraform` or `tofu` starts it. Name it in the \
         `required_providers` block of a configuration and run `terraform init` or `tofu init`."
    )]
    NotStartedByTerraform,
    /// The client speaks other versions only.
    #[error(
        "This provider speaks version 6 of the plugin protocol, the client offers {0}: a newer Terraform is needed."
    )]
    OtherProtocol(String),
}

/// What the client asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Invitation {
    /// The client's certificate as PEM; without one the connection is not encrypted.
    pub(super) client_certificate: Option<String>,
    /// Where the socket should be.
    pub(super) socket_directory: Option<String>,
    /// The ports to choose from, where there are no sockets.
    pub(super) ports: Option<(u16, u16)>,
    /// The client wants to be told whether connections can be shared.
    pub(super) asks_for_multiplexing: bool,
}

impl Invitation {
    /// Reads the environment.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Refusal> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if variable(COOKIE.0).as_deref() != Some(COOKIE.1) {
            return Err(Refusal::NotStartedByTerraform);
        }
        if let Some(offered) = variable("PLUGIN_PROTOCOL_VERSIONS")
            && !offered.split(',').any(|version| version.trim().parse() == Ok(PROTOCOL))
        {
            return Err(Refusal::OtherProtocol(offered));
        }
        let port = |name: &str| variable(name).and_then(|port| port.parse().ok());
        Ok(Self {
            client_certificate: variable("PLUGIN_CLIENT_CERT"),
            socket_directory: variable("PLUGIN_UNIX_SOCKET_DIR"),
            ports: port("PLUGIN_MIN_PORT").zip(port("PLUGIN_MAX_PORT")),
            asks_for_multiplexing: variable("PLUGIN_MULTIPLEX_GRPC").is_some(),
        })
    }
}

/// The plugin's answer: `1|6|unix|/tmp/x/s|grpc|BASE64`.
pub(super) struct Line<'a> {
    /// `unix` or `tcp`.
    pub(super) network: &'a str,
    /// The socket's path or host and port.
    pub(super) address: &'a str,
    /// Our certificate, or nothing.
    pub(super) certificate: &'a str,
    /// Only a client that asked understands a seventh field.
    pub(super) tells_multiplexing: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1|{PROTOCOL}|{}|{}|grpc|{}", self.network, self.address, self.certificate)?;
        if self.tells_multiplexing { f.write_str("|false") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Invitation, Refusal> {
        Invitation::read(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_the_cookie_nothing_starts() {
        assert_eq!(read(&[]), Err(Refusal::NotStartedByTerraform));
        assert_eq!(read(&[("TF_PLUGIN_MAGIC_COOKIE", "x")]), Err(Refusal::NotStartedByTerraform));
    }

    #[test]
    fn version_6_must_be_offered() {
        for (offered, fits) in
            [("5,6", true), ("6,5", true), ("6", true), ("5", false), ("60", false), ("", true)]
        {
            let read = read(&[COOKIE, ("PLUGIN_PROTOCOL_VERSIONS", offered)]);
            assert_eq!(read.is_ok(), fits, "{offered}");
        }
        assert_eq!(
            read(&[COOKIE, ("PLUGIN_PROTOCOL_VERSIONS", "4,5")]),
            Err(Refusal::OtherProtocol("4,5".to_owned()))
        );
    }

    #[test]
    fn the_line_has_six_fields_or_seven_when_asked() {
        let line = |tells_multiplexing| {
            Line { network: "unix", address: "/tmp/x/s", certificate: "QUJD", tells_multiplexing }.to_string()
        };
        assert_eq!(line(false), "1|6|unix|/tmp/x/s|grpc|QUJD");
        assert_eq!(line(true), "1|6|unix|/tmp/x/s|grpc|QUJD|false");
    }
}
