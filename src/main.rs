//! Terraform provider for Akash Network.
fn main() {}
