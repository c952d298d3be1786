"""What TRL and transformers print is for programmers; the run's own display and ledger speak to the person."""

from __future__ import annotations

import logging
import os
import warnings

from datasets.utils.logging import disable_progress_bar
from transformers import Trainer
from transformers.utils import logging as transformers_logging


def quiet() -> None:
    """TRL's and transformers' remarks to programmers are no news to the person at the screen."""
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    disable_progress_bar()
    transformers_logging.disable_progress_bar()
    for name in ("transformers", "trl", "accelerate"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", message=".*pin_memory.*")


def silence_printing(trainer: Trainer) -> None:
    """transformers prints every log line; the ledger is where they are kept."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
