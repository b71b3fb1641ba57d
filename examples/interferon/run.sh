#!/usr/bin/env bash
# Control and interferon-stimulated PBMC of some donors -> one model -> both conditions of others.
#   bash examples/interferon/run.sh DATA OUT
# DATA holds sc/pbmc_kang_ctrl_stim.h5ad as README.md beside this script says; OUT is made.
set -euo pipefail
data=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"

python "$here/split.py" "$data/sc/pbmc_kang_ctrl_stim.h5ad" "$out/cells"

# Five donors, both conditions.
bluebatch simulate --config "$here/train.toml" --out "$out/pseudobulk.zarr" \
  --reference "$out/cells/train_control.h5ad" --reference "$out/cells/train_stimulated.h5ad"
bluebatch train "$out/pseudobulk.zarr" --config "$here/train.toml" \
  --genes "$out/cells/genes.txt" --out "$out/model"

# Three others: each sample is drawn from the control or from the stimulated cells.
bluebatch simulate --config "$here/test.toml" --seed 1 --out "$out/test.zarr" \
  --reference "$out/cells/test_control.h5ad" --reference "$out/cells/test_stimulated.h5ad"
bluebatch infer "$out/test.zarr" --model "$out/model" --out "$out/results.zarr"

# Predicted and true differences between the conditions, per cell type.
bluebatch evaluate "$out/results.zarr" --truth "$out/test.zarr" --model "$out/model" \
  --contrast source --groups test_control,test_stimulated --out "$out/evaluation"
python "$here/genes.py" "$out"
