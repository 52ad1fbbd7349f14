#!/bin/bash
#SBATCH --job-name=hspace-directions
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --mem=48G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=%x-%j.log
#
# The cluster inside an allocation of Slurm: a head and a worker on the first node, a worker on each of the others. It ends with the
# job, and a job that ran out of time goes on where it was.
#
#     sbatch cluster/slurm.sh RUN.toml --root /shared/runs/NAME          from the root of this project
#     sbatch cluster/slurm.sh -m jobs.annotate IMAGES --annotator NAME --root /shared/runs/NAME
#
# The project and its environment (.venv) lie on a disk that all nodes have. What the script takes is what the job takes:
# jobs.directions, unless -m names another.
set -euo pipefail

job=jobs.directions
if [[ ${1:-} == -m ]]; then
    job=$2
    shift 2
fi

allocation=${SLURM_JOB_ID:?start this script with sbatch}
project=${SLURM_SUBMIT_DIR:-$PWD}
cd "$project"
export PATH="$project/.venv/bin:$PATH"

# The path of a socket of Ray's has at most 107 characters, and TMPDIR of many sites is longer than leaves room for that.
scratch=/tmp/ray-$allocation
export RAY_TMPDIR=$scratch

# Other people's jobs may be on the same nodes: a token that this job's processes alone have, and ports of its own.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
port=$((20000 + allocation % 20000))
cpus=${SLURM_CPUS_PER_TASK:-1}
export SRUN_CPUS_PER_TASK=$cpus # since Slurm 22.05 `srun` takes 1 where this is not said, whatever the allocation has

mapfile -t nodes < <(scontrol show hostnames "${SLURM_JOB_NODELIST:?}")
first=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$first" hostname --ip-address | awk '{print $1}')

started=()
driver=
finish() {
    if [[ -n $driver ]]; then # it ends before its Ray does, and says how far it came
        kill "$driver" 2> /dev/null || true
        wait "$driver" 2> /dev/null || true
    fi
    kill "${started[@]}" 2> /dev/null || true
    wait "${started[@]}" 2> /dev/null || true
    srun --overlap --ntasks-per-node=1 rm -rf "$scratch" "$scratch.log" || true
}
trap finish EXIT
trap 'exit 143' TERM INT

echo "Starting Ray on $first ($address:$port) and $((${#nodes[@]} - 1)) more nodes"
srun --overlap --nodes=1 --ntasks=1 --nodelist="$first" \
    ray start --head --block --node-ip-address="$address" --port="$port" --num-cpus="$cpus" \
    --temp-dir="$scratch" --include-dashboard=false --dashboard-port=$((port + 1)) &
started+=($!)

export RAY_ADDRESS=$address:$port
for ((tries = 1; ; tries++)); do
    kill -0 "${started[0]}" # where the head has ended, this script ends, too
    python -c 'import ray; ray.init("auto", log_to_driver=False)' > "$scratch.log" 2>&1 && break
    ((tries < 30)) || { cat "$scratch.log"; exit 1; }
    sleep 2
done

if ((${#nodes[@]} > 1)); then
    others=$(IFS=,; echo "${nodes[*]:1}")
    srun --overlap --nodes=$((${#nodes[@]} - 1)) --ntasks=$((${#nodes[@]} - 1)) --nodelist="$others" \
        ray start --block --address="$RAY_ADDRESS" --num-cpus="$cpus" &
    started+=($!)
fi

python -m "$job" "$@" --address "$RAY_ADDRESS" &
driver=$!
wait "$driver"
