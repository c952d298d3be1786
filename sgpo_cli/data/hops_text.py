"""The tokenizer of task `hops`: one token a word, BOS put first by the tokenizer, and a decoder that prints a step a
line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgpo_cli.data.hops import MARKER
from sgpo_cli.recipe.schema import HopsTask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"


def vocabulary(task: HopsTask) -> list[str]:
    """All tokens, by id: four special ones, the answer's marker, relations, entities (107 with default settings)."""
    relations = [f"r{number}" for number in range(task.relations)]
    entities = [f"e{number}" for number in range(task.entities)]
    return [PAD, BOS, EOS, UNKNOWN, MARKER, *relations, *entities]


def tokenizer(task: HopsTask) -> PreTrainedTokenizerFast:
    """A real tokenizer for the task's text; `e4 e61 # e61` and `e4\\ne61\\n# e61` have the same ids.

    Decoding puts the line breaks in at no token cost: entities and the marker begin a line, relations and the answer
    follow a space, so that a problem reads `e17 r0 r1` and a response `e4\\ne61\\n# e61`.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {token: number for number, token in enumerate(vocabulary(task))}
    words = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, ids[BOS])])
    words.decoder = decoders.Sequence(
        [
            decoders.Replace(Regex("^e"), "\ne"),
            decoders.Replace(Regex("^r"), " r"),
            decoders.Replace(MARKER, f"\n{MARKER}"),
            decoders.Fuse(),
            decoders.Replace(f"{MARKER}\ne", f"{MARKER} e"),
            decoders.Strip("\n", 1, 0),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
