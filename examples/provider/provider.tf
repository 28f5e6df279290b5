terraform {
  required_providers {
    akash = { source = "vaultmesh/akash" }
  }
}

# The wallet's mnemonic comes from AKASH_MNEMONIC, so that it is in no file.
provider "akash" {
  network = "sandbox"
}

# Nodes of one's own choice, in order of preference. The chain id is checked.
provider "akash" {
  alias     = "own_nodes"
  endpoints = ["grpcs://grpc.example.com:443", "https://rest.example.com"]
  chain_id  = "akashnet-2"
  max_fee   = "50000uakt"
}
