"""The command line of a stage's process or processes: alone, under torchrun, or under accelerate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sgpo_cli.pipeline.architecture import on_accelerator
from sgpo_cli.pipeline.machines import Place, place_of
from sgpo_cli.recipe.schema import Launch
from sgpo_cli.runs.files import to_json, write_text
from sgpo_cli.runs.rundir import StageDir


def stage_command(stage: StageDir, launch: Launch, *, alone: bool) -> list[str]:
    """What starts the stage on this machine; `alone` stages are one process whatever the recipe says.

    Writes `accelerate.yaml` into the stage's folder where accelerate starts it.
    """
    module = ["-m", "sgpo_cli.stages", str(stage.path)]
    if alone or launch.engine == "local":
        return [sys.executable, *module]
    place = place_of(launch)
    if launch.engine == "torchrun":
        meeting = ["--standalone"]
        if launch.nodes > 1:
            where = [f"--master_addr={place.address}", f"--master_port={place.port}"]
            meeting = [f"--nnodes={launch.nodes}", f"--node_rank={place.rank}", *where]
        torchrun = [sys.executable, "-m", "torch.distributed.run", *meeting]
        return [*torchrun, f"--nproc_per_node={launch.processes}", *module]
    own = "accelerate.yaml" if place.first else f"accelerate-{place.rank}.yaml"
    file = Path(launch.config_file) if launch.config_file is not None else stage.path / own
    if launch.config_file is None:
        # JSON is YAML.
        write_text(file, to_json(accelerate_config(launch, place, cpu=not on_accelerator())) + "\n")
    return [sys.executable, "-m", "accelerate.commands.launch", f"--config_file={file}", *module]


def accelerate_config(launch: Launch, place: Place, *, cpu: bool) -> dict[str, Any]:
    """accelerate's own configuration of these keys.

    `accelerate launch --cpu` starts one process whatever it is asked for, and so does MULTI_CPU: on a CPU the
    distributed types of accelerators are named, which start torchrun, with `use_cpu` (gloo) beside them. Precision is
    said by the trainer's own arguments.
    """
    shared: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "num_machines": launch.nodes,
        "num_processes": launch.processes * launch.nodes,
        "machine_rank": place.rank,
        "mixed_precision": "no",
        "use_cpu": cpu,
        "main_process_port": place.port,  # 0 is a free one: two runs on one machine must not meet
        "rdzv_backend": "c10d" if launch.nodes == 1 else "static",
        "same_network": True,
    }
    if launch.nodes > 1:
        shared["main_process_ip"] = place.address
    if launch.strategy == "ddp":
        return {**shared, "distributed_type": "MULTI_GPU" if launch.processes * launch.nodes > 1 else "NO"}
    if launch.strategy == "fsdp2":
        return {
            **shared,
            "distributed_type": "FSDP",
            "fsdp_config": {
                "fsdp_version": 2,
                "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
                "fsdp_reshard_after_forward": True,
                "fsdp_state_dict_type": "FULL_STATE_DICT",
                "fsdp_cpu_ram_efficient_loading": False,
                "fsdp_offload_params": False,
                "fsdp_activation_checkpointing": False,
            },
        }
    stage = int(launch.strategy.removeprefix("zero"))
    return {
        **shared,
        "distributed_type": "DEEPSPEED",
        "deepspeed_config": {
            "zero_stage": stage,
            "offload_optimizer_device": "none",
            "offload_param_device": "none",
            "deepspeed_multinode_launcher": "standard",
            "zero3_init_flag": stage == 3,
            "zero3_save_16bit_model": stage == 3,
        },
    }
