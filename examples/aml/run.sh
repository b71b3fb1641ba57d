#!/usr/bin/env bash
# Groups of acute myeloid leukaemia by cell composition: found in TCGA, tested frozen in TARGET.
#   bash examples/aml/run.sh DATA OUT
# DATA holds bulk/ and clinical/ as the README of this folder lists them.
set -euo pipefail
data=$1 out=$2 here=$(dirname "$0")
types=GMP-like,LSPC-Cycle,LSPC-Primed,LSPC-Quiescent,Mono-like,cDC-like
mkdir -p "$out"
python "$here/tables.py" "$data" "$out"

# Published compositions of both cohorts, one store.
bluebatch ingest "$data/clinical/aml_zeng2022_cibersortx_composition.csv" \
  --kind proportion --sample-column mixture --out "$out/composition.zarr"

# All patients, those without acute promyelocytic leukaemia (M3), and within cytogenetic risk.
for name in all no_m3 within_risk; do
  case $name in
    all) flags=() second=() ;;
    no_m3) flags=(--leave-out fab=m3) second=(--leave-out fab=m3) ;;
    within_risk) flags=(--strata risk) second=(--strata risk) ;;
  esac
  bluebatch subtype "$out/composition.zarr" --clinical "$out/tcga.csv" --cell-types "$types" \
    --covariates age,risk "${flags[@]}" --out "$out/tcga_$name"
  # Cut-offs, votes and directions frozen; nothing is fitted to TARGET.
  bluebatch transfer "$out/tcga_$name" "$out/composition.zarr" --clinical "$out/target.csv" \
    --covariates risk "${second[@]}" --out "$out/target_$name"
done

# Bulk expression alone, as if it were the one profile.
bluebatch ingest "$data/bulk/tcga_laml_rsem_1195genes.h5ad" --unit RSEM --out "$out/laml.zarr"
bluebatch subtype "$out/laml.zarr" --clinical "$out/tcga.csv" --covariates age,risk \
  --out "$out/bulk"
