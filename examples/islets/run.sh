#!/usr/bin/env bash
# Islets of Langerhans: a single-cell reference -> proportions of 77 bulk donors -> beta cells and HbA1c.
#   bash examples/islets/run.sh DATA OUT
# DATA holds sc/islet_baron_* and bulk/islet_fadista_* as README.md beside this script says.
set -euo pipefail
data=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"

bluebatch ingest "$data/bulk/islet_fadista_gse50244_counts.h5ad" --out "$out/fadista.zarr"

# Once from the measured cells, once from cells drawn from the mean profiles of more types.
python "$here/draw_cells.py" "$data/sc/islet_baron_profiles_14types.h5ad" "$out/drawn.h5ad"
cp "$data/sc/islet_baron_human_175cells.h5ad" "$out/cells.h5ad"
for name in cells drawn; do
  bluebatch simulate --config "$here/$name.toml" --reference "$out/$name.h5ad" \
    --out "$out/$name.zarr"
  bluebatch train "$out/$name.zarr" --config "$here/$name.toml" --cohort "$out/fadista.zarr" \
    --out "$out/$name-model"
  bluebatch infer "$out/fadista.zarr" --model "$out/$name-model" --out "$out/$name-results.zarr"
done

python "$here/hba1c.py" "$data" "$out"
