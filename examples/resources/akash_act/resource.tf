resource "akash_act" "wallet" {
  minimum = "20000000uact" # mint when the wallet holds less than 20 ACT
  target  = "50000000uact" # up to 50 ACT
  reason  = "funds for the web deployment"
}

resource "akash_deployment" "web" {
  sdl        = file("${path.module}/web.yaml")
  deposit    = "5000000uact"
  depends_on = [akash_act.wallet] # after the mint, and destroyed before it
}

output "act" {
  description = "uact in the wallet after the last mint"
  value       = akash_act.wallet.balance
}
