//! Client of an Akash provider gateway.
