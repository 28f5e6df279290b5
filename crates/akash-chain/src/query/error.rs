//! Why a question has no answer.
//!
//! This file must not know how questions are asked.

use crate::{ChainError, nodes::fault::Fault};

/// Why a question has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// No endpoint answered.
    #[error("{what}: no endpoint answered: {}. Check `endpoints`, and that this machine can reach them", list(.faults))]
    Endpoints {
        /// What was asked for.
        what: &'static str,
        /// The last fault of each endpoint.
        faults: Vec<Fault>,
    },
    /// A node answered with an error.
    #[error("{what}: {endpoint} answered: {error}")]
    Node {
        /// What was asked for.
        what: &'static str,
        /// The address, without secrets.
        endpoint: String,
        /// The chain's error; where the node gives no codespace, `grpc` and the status code.
        error: ChainError,
    },
    /// The endpoints are of another chain.
    #[error(
        "`chain_id` is {expected}, but {endpoint} is a node of {}: check `network`, `chain_id` and `endpoints`; nothing was changed",
        plain_text::line(found)
    )]
    ChainId {
        /// The address, without secrets.
        endpoint: String,
        /// What the configuration says.
        expected: String,
        /// What the node says.
        found: String,
    },
    /// The chain runs modules that this version does not know.
    #[error(
        "{endpoint} (node {}) does not serve {missing}, which this version of the provider needs: the network was upgraded, or is older than Akash v2.1; look for a version of the provider that fits",
        plain_text::line(node_version)
    )]
    Modules {
        /// The address, without secrets.
        endpoint: String,
        /// The node's version, if it says so.
        node_version: String,
        /// The modules that are missing.
        missing: String,
    },
    /// What asks for others has ended by an error of its own.
    #[error(
        "{0}: an error inside the provider ended what asks for it; the log has more. Nothing was changed"
    )]
    Broken(&'static str),
    /// An answer lacks what it must have.
    #[error("{what}: {endpoint} answered without {missing}")]
    Malformed {
        /// What was asked for.
        what: &'static str,
        /// The address, without secrets; empty where any endpoint may have answered.
        endpoint: String,
        /// What is not there.
        missing: &'static str,
    },
}

fn list(faults: &[Fault]) -> String {
    if faults.is_empty() {
        return "none is configured".into();
    }
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
