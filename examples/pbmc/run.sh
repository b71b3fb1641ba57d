#!/usr/bin/env bash
# Two PBMC references -> one model -> held-out cells, an unseen study, and real bulk with known truth.
#   bash examples/pbmc/run.sh DATA OUT
# DATA holds sc/*.h5ad and bulk/* as README.md beside this script lists them; OUT is made.
set -euo pipefail
data=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"

five=(--keep-types B,CD4T,CD8T,Mono,NK)

# One model, from the two references alone.
bluebatch simulate --config pbmc "${five[@]}" --out "$out/pseudobulk.zarr" \
  --reference "$data/sc/pbmc3k_10x.h5ad" --reference "$data/sc/pbmc4k_10x.h5ad"
bluebatch train "$out/pseudobulk.zarr" --config pbmc --out "$out/model"

# Held-out cells of the same two studies.
bluebatch ingest "$out/pseudobulk.zarr" --split test --out "$out/within.zarr"
bluebatch infer "$out/within.zarr" --model "$out/model" --out "$out/within_results.zarr"
bluebatch evaluate "$out/within_results.zarr" --truth "$out/pseudobulk.zarr" \
  --model "$out/model" --out "$out/within"

# A study the model has never seen: pseudobulks of all its cells.
bluebatch simulate --config "$here/unseen.toml" "${five[@]}" --n-samples 1000 --seed 1 \
  --reference "$data/sc/pbmc_kang_ctrl_stim.h5ad" --out "$out/kang.zarr"
bluebatch infer "$out/kang.zarr" --model "$out/model" --out "$out/kang_results.zarr"
bluebatch evaluate "$out/kang_results.zarr" --truth "$out/kang.zarr" \
  --model "$out/model" --out "$out/kang"

# Real bulk RNA-seq, with flow cytometry of the same tubes as truth; mean predicted profiles beside
# those of cells sorted in the same study.
python "$here/sorted_cells.py" "$data/bulk/pbmc_monaco_s4_signature_17types_tpm.csv.gz" \
  "$out/sorted_cells.csv"
bluebatch ingest "$data/bulk/pbmc_monaco_s13_tpm.h5ad" --model "$out/model" --out "$out/monaco.zarr"
bluebatch infer "$out/monaco.zarr" --model "$out/model" --out "$out/monaco_results.zarr"
bluebatch evaluate "$out/monaco_results.zarr" --truth "$data/bulk/pbmc_monaco_s13_truth.csv" \
  --renormalise --cohort "$out/monaco.zarr" --model "$out/model" --out "$out/monaco" \
  --profiles "$out/sorted_cells.csv"
