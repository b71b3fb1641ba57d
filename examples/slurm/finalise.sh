#!/usr/bin/env bash
# After the tasks of an array: completes the store, or lists the partitions that are missing.
#   sbatch --dependency=afterany:ARRAY examples/slurm/finalise.sh infer|simulate STORE
#SBATCH --job-name=finalise
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=00:30:00
#SBATCH --output=%x-%j.log
##SBATCH --partition=standard
##SBATCH --account=project
#SBATCH --requeue
set -euo pipefail

# module load python && source ~/bluebatch/bin/activate

exec bluebatch "$1-finalise" "$2"
