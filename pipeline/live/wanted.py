"""What a page asks for, checked: nothing that a stranger sends reaches the model unseen."""

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from pipeline.errors import UserError

MOST_SAMPLES = 8
MOST_DIRECTIONS = 16
SEEDS = 2**32


class Wanted(BaseModel):
    """Pictures of the first samples of a seed, edited by directions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    page: str = Field(
        pattern=r"^[A-Za-z0-9-]{1,64}$", description="which page asks: a newer request of it replaces its older one"
    )
    seed: int = Field(ge=0, lt=SEEDS, description="of the noise")
    samples: int = Field(ge=1, le=MOST_SAMPLES, description="how many")
    strengths: dict[str, FiniteFloat] = Field(
        max_length=MOST_DIRECTIONS,
        description="by the name of the direction, in standard deviations of what it changes",
    )

    @classmethod
    def from_json(cls, text: bytes) -> "Wanted":
        """Read what a page sent. Raises UserError for what is no such request."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the request"
            raise UserError(
                f"This is no request for pictures: {where}: {first['msg']}.\n"
                f"Expected JSON with page, seed (0 to {SEEDS - 1}), samples (1 to {MOST_SAMPLES}) and strengths (a number a "
                f"direction, of at most {MOST_DIRECTIONS})."
            ) from error
