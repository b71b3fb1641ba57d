#!/usr/bin/env bash
# From a laptop to a job array by one line: in place of
#   bluebatch infer cohort.zarr --model model --out results.zarr
# say
#   bash examples/slurm/submit.sh infer cohort.zarr --model model --out results.zarr
# and likewise for simulate. Said again after a failure, it goes on where the tasks stopped.
#
#   AT_ONCE=20                       tasks that run at the same time; 8 by default
#   BEGIN="srun --mem=8G --time=30"  in front of the first stage, where login nodes must not work
#   SBATCH_PARTITION, SBATCH_ACCOUNT as sbatch knows them
set -euo pipefail

verb=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Checks every input, writes the empty store and its plan, and tells how many tasks there are.
begun=$(${BEGIN:-} bluebatch "$verb-init" "$@" --json)
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<<"$begun"; }
store=$(field path)
last=$(($(field n_tasks) - 1))

mkdir -p logs
array=$(sbatch --parsable --array="0-$last%${AT_ONCE:-8}" --output="logs/%x-%A_%a.log" \
  "$here/${verb}_array.sh" "$store")
# afterany: if a task failed, this job lists the partitions that are missing, and exits with 3.
finish=$(sbatch --parsable --dependency="afterany:$array" --output="logs/%x-%j.log" \
  "$here/finalise.sh" "$verb" "$store")
echo "array $array of $((last + 1)) tasks, then job $finish completes $store; see logs/"
