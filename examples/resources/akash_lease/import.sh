# By owner, dseq and gseq (the number of the group, in order of placement names, from 1):
terraform import akash_lease.web akash1g4ksw7rvm3jegyt7j4rrxyutpg82jh2nkhsvdh/4711/1
