#!/usr/bin/env bash
# The three bundled models on one GPU: larger and longer than the CPU recipes, same recipes otherwise.
# Not yet run on a GPU. Minutes are guesses to be replaced by measurements: see docs/log.md.
#
#   CLIPS=/data/clips recipes/on-a-gpu.sh            # about 25 minutes were planned for on one H200
#   CLIPS=/data/clips TOY=1 recipes/on-a-gpu.sh      # every stage for two steps on the CPU: does it run at all?
#
# Each model can be interrupted and goes on when the script is run again. Results: runs/NAME-gpu/model.safetensors; then
#   python -m v2vcli.train.bundle runs/NAME-gpu --name NAME -o v2vcli/assets --hardware "..."
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
CLIPS=${CLIPS:-data/clips}
V2V=${V2V:-.venv/bin/v2v}
DEVICE=cuda
[ "${TOY:-}" ] && DEVICE=cpu

train() {  # NAME [SETTING...]
    local name=$1 settings=() stage
    shift
    for setting in "$@"; do settings+=(--set "$setting"); done
    if [ "${TOY:-}" ]; then
        for ((stage = 0; stage < $(grep -c '^\[\[stage\]\]' "recipes/$name.toml"); stage++)); do
            settings+=(--set "stage.$stage.steps=2")
        done
        settings+=(--set "name=$name-toy")
    else
        settings+=(--set "name=$name-gpu")
    fi
    "$V2V" train "recipes/$name.toml" --device "$DEVICE" --set "data.root=$CLIPS" "${settings[@]}"
}

train street-segmenter "stage.0.batch=16" "stage.0.steps=6000"
train seg2street "data.load_size=[528, 296]" "model.width=32" "model.image_width=32" "model.downsamplings=2" \
    "stage.0.size=[512, 288]" "stage.0.batch=4" "stage.0.steps=6000" \
    "stage.1.size=[512, 288]" "stage.1.batch=4" "stage.1.steps=3000" \
    "stage.2.size=[512, 288]" "stage.2.steps=1500"
train edge2face "data.source.0.seeds=[0, 200]" "data.source.1.seeds=[200, 600]" \
    "stage.0.batch=8" "stage.0.steps=8000" "stage.1.batch=8" "stage.1.steps=3000" "stage.2.steps=2000"
