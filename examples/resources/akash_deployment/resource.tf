resource "akash_deployment" "web" {
  name    = "web" # one active deployment of this name in the wallet
  deposit = "5000000uact"
  reason  = "web server for the docs"

  sdl = <<-YAML
    version: "2.0"
    services:
      web:
        image: nginx:1.27-alpine
        expose:
          - port: 80
            as: 80
            to:
              - global: true
    profiles:
      compute:
        web:
          resources:
            cpu:
              units: 0.5
            memory:
              size: 256Mi
            storage:
              size: 512Mi
      placement:
        anywhere:
          pricing:
            web:
              denom: uact
              amount: 1000
    deployment:
      web:
        anywhere:
          profile: web
          count: 1
  YAML

  timeouts = {
    create = "10m"
  }
}

output "transactions" {
  description = "Of the last receipts: what was done, and the transaction that proves it"
  value = [for receipt in nonsensitive(akash_deployment.web.receipts) : {
    action  = jsondecode(receipt).action
    tx_hash = jsondecode(receipt).response.tx_hash
  }]
}

output "ceiling" {
  description = "What the deployment may cost at most, in USD a month"
  value       = akash_deployment.web.cost.per_month
}
