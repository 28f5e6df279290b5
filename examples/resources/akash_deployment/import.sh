# By dseq, of the wallet's own deployments:
terraform import akash_deployment.web 4711

# By owner and dseq:
terraform import akash_deployment.web akash1g4ksw7rvm3jegyt7j4rrxyutpg82jh2nkhsvdh/4711
