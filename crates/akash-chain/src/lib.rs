//! Endpoints, wallet, transactions and queries of Akash Network.
