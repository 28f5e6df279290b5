//! A local Akash network in one process: chain, three providers, faults.
