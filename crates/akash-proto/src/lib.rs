//! Messages and clients of Akash Network and the Cosmos SDK as far as the provider uses them.
