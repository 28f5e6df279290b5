//! Addresses of nodes: what a user writes, and which carrier it stands for.
//!
//! This file must not open connections; [`super::node`] does.

use std::{fmt, str::FromStr};

use http::Uri;

/// How messages travel to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web, which a node's REST address serves.
    GrpcWeb,
    /// The RPC address: `abci_query`, `broadcast_tx_sync`.
    Rpc,
    /// The REST address: JSON.
    Rest,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "gRPC",
            Self::GrpcWeb => "gRPC-Web",
            Self::Rpc => "RPC",
            Self::Rest => "REST",
        })
    }
}

/// The address of a node.
///
/// `grpc://` and `grpcs://` are gRPC; `http://` and `https://` are whatever is found there; a prefix `web+`, `rpc+` or
/// `rest+` forces the carrier. A path is kept as a prefix of every request. A bare `HOST:PORT` is refused: whether it
/// is plain or encrypted must be said.
///
/// [`fmt::Display`] is safe for logs: the user part, the password and the query are not shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `None` where it has to be found out.
    carrier: Option<Carrier>,
    /// With the scheme `http` or `https`, without a slash at its end.
    base: String,
    shown: String,
}

/// Why an address is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No known scheme in front.
    #[error(
        "`{0}` is not an endpoint: it must begin with grpc://, grpcs://, http://, https:// or, to force how it is used, web+https://, rpc+https:// or rest+https://"
    )]
    Scheme(String),
    /// Not a URL with a host.
    #[error("`{0}` is not an endpoint: after the scheme it needs a host, and may have a port and a path")]
    Host(String),
}

impl Endpoint {
    /// The carrier, if the address says so.
    pub fn carrier(&self) -> Option<Carrier> {
        self.carrier
    }

    /// `http(s)://HOST[:PORT][/PATH]` with all that the user wrote: not for logs.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        let scheme_error = || EndpointError::Scheme(redacted(text));
        let (scheme, rest) = text.split_once("://").ok_or_else(scheme_error)?;
        let (carrier, secure) = match scheme.to_ascii_lowercase().as_str() {
            "grpc" => (Some(Carrier::Grpc), false),
            "grpcs" => (Some(Carrier::Grpc), true),
            "http" | "tcp" => (None, false),
            "https" => (None, true),
            "web+http" => (Some(Carrier::GrpcWeb), false),
            "web+https" => (Some(Carrier::GrpcWeb), true),
            "rpc+http" => (Some(Carrier::Rpc), false),
            "rpc+https" => (Some(Carrier::Rpc), true),
            "rest+http" => (Some(Carrier::Rest), false),
            "rest+https" => (Some(Carrier::Rest), true),
            _ => return Err(scheme_error()),
        };
        let base = format!("{}://{}", if secure { "https" } else { "http" }, rest.trim_end_matches('/'));
        let uri: Uri = base.parse().map_err(|_| EndpointError::Host(redacted(text)))?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(EndpointError::Host(redacted(text)));
        }
        Ok(Self { carrier, base, shown: redacted(text) })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.shown)
    }
}

/// `text` without user part, query and fragment: an API key may be in any of them.
fn redacted(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    // The last `@`: a password may hold anything, also slashes.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, carrier, base, shown) in [
            (
                "grpc://127.0.0.1:19090",
                Some(Carrier::Grpc),
                "http://127.0.0.1:19090",
                "grpc://127.0.0.1:19090",
            ),
            ("grpcs://a.example:443/", Some(Carrier::Grpc), "https://a.example:443", "grpcs://a.example:443"),
            ("https://rpc.akt.dev/rest", None, "https://rpc.akt.dev/rest", "https://rpc.akt.dev/rest"),
            ("HTTP://[::1]:1317", None, "http://[::1]:1317", "HTTP://[::1]:1317"),
            ("tcp://localhost:26657", None, "http://localhost:26657", "tcp://localhost:26657"),
            ("web+https://a/b/", Some(Carrier::GrpcWeb), "https://a/b", "web+https://a/b"),
            ("rpc+http://a", Some(Carrier::Rpc), "http://a", "rpc+http://a"),
            ("rest+https://a", Some(Carrier::Rest), "https://a", "rest+https://a"),
            ("https://me:pw@a/p?key=secret#x", None, "https://me:pw@a/p?key=secret#x", "https://a/p"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(
                (endpoint.carrier(), endpoint.base(), endpoint.to_string().as_str()),
                (carrier, base, shown)
            );
            assert!(!format!("{endpoint:?}").contains("secret"));
        }
    }

    #[test]
    fn refused() {
        for text in ["", "localhost:9090", "ftp://a", "grpc://", "https:///path", "https://", "https://a b"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        let error = "ftp://me:secret@a/?key=secret".parse::<Endpoint>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
