"""The embedding of a prompt, for models that are told what to draw: `python -m jobs.embed_prompt MODEL "a photo of a church"`."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.printing import console, refuse
from pipeline.errors import UserError
from pipeline.models.prompts import embedding, write_embedding


def embed_prompt(
    model: Annotated[str, typer.Argument(help="Folder of a Stable Diffusion model, or its repository on the hub.")],
    prompt: Annotated[str, typer.Argument(help="What all samples show; '' is the empty prompt.")],
    to: Annotated[Path, typer.Option(help="The file to write.")] = Path("condition.safetensors"),
) -> None:
    """Write what the model's own text encoder makes of a prompt, as a condition to sample under."""
    try:
        embedded = embedding(model, prompt)
        write_embedding(embedded, to)
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    _, tokens, width = embedded.shape
    console.print(f"Condition:  {to}  ({tokens} tokens of {width} numbers)")


if __name__ == "__main__":
    typer.run(embed_prompt)
