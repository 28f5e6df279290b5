# By the wallet's address:
terraform import akash_act.wallet akash1g4ksw7rvm3jegyt7j4rrxyutpg82jh2nkhsvdh
