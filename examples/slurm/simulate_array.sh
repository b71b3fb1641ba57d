#!/usr/bin/env bash
# One task of `bluebatch simulate`: the partitions of the store that SLURM_ARRAY_TASK_ID stands for.
#   sbatch --array=0-N%K examples/slurm/simulate_array.sh STORE
# `bluebatch simulate-init` prints this line with its N; K tasks run at the same time.
#SBATCH --job-name=simulate
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --output=%x-%A_%a.log
#SBATCH --open-mode=append
##SBATCH --partition=standard
##SBATCH --account=project
# Two minutes before the limit, and before a preemption that gives notice: finish nothing more,
# exit with 3. Partitions that are marked are kept, and skipped by the next task of this number.
#SBATCH --signal=B:TERM@120
# Begun again by Slurm after the failure of a node or a preemption.
#SBATCH --requeue
set -euo pipefail

# module load python && source ~/bluebatch/bin/activate

# exec: the signal is for this process, so bluebatch must be this process.
exec bluebatch simulate-partition "$@"
