"""Catalogs of planted directions in folders, of untrained models that are made in a moment. Imported by name."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from diffusers import DDIMScheduler
from safetensors.numpy import save_file

from pipeline.formats.hashes import sha256
from pipeline.formats.parquet import write_table
from pipeline.hspace.capture import singles
from pipeline.hspace.points import h_shape
from pipeline.hspace.reverse_process import ReverseProcess
from schemas.catalog import Capture, Catalog, ModelCard
from schemas.columns import table_of
from schemas.directions import DIRECTIONS
from schemas.profiles import PROFILES
from schemas.samplers import SAMPLERS
from tests.pipeline.catalog.planted_findings import T, catalog_of, component, profile, supervised
from tests.pipeline.planted_models import save, unet

PER_SD = {"smile/ridge": 0.5, "smile/ridge/disentangled": 2.0, "glasses/ridge": 0.25}
STOCHASTIC = {"smile/ridge/disentangled": 1.5, "glasses/ridge": None}  # of the last an effect alone was measured


def planted_model(folder: Path, network: torch.nn.Module | None = None, scheduler: Any = None) -> Path:
    """A folder with a U-Net of images 3 x 8 x 8 and a scheduler."""
    return save(folder, scheduler or DDIMScheduler(clip_sample=False), unet=network or unet(sample_size=8))


def planted_catalog(folder: Path, model: Path, capture: str = "mid_block", eta: float = 0.0) -> Path:
    """Two smiles, of which the second is recommended, glasses and a component, all at these points.

    Write it into a folder.
    """
    network, scheduler = loaded(model)
    known = {"strength_in_range": True, "verified": True, "strength_by": "rise", "capture": capture}
    rows = [
        supervised("smile", "ridge", **known),
        supervised("smile", "ridge", True, **known),
        supervised("glasses", "ridge", **known | {"strength_by": "fall"}, warnings=["Few samples wear them."]),
        {**component(0), "capture": capture, "target": "age"},
    ]
    rows = [{**row, "strength_per_sd": PER_SD.get(row["name"])} for row in rows]
    about = catalog_of(
        rows,
        model=card_of(model, network, scheduler),
        captures=[Capture(point=each, shape=list(h_shape(network, each))) for each in singles(capture)],
        recommended={"smile": "smile/ridge/disentangled", "glasses": "glasses/ridge"},
        recommended_by="Planted.",
    )
    timesteps = ReverseProcess(DDIMScheduler.from_config(scheduler.config), T).timesteps
    sampling = about.sampling.model_copy(update={"timesteps": timesteps, "eta": eta})
    about = about.model_copy(update={"sampling": sampling})
    others = [
        {**dict.fromkeys(SAMPLERS.names), "direction": name, "judge": "judge", "sampler": "stochastic", "eta": 1.0}
        | {"strength": 1.5, "effect": 0.5, "strength_per_sd": strength}
        for name, strength in ({} if eta else STOCHASTIC).items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "samplers.parquet", table_of(others, SAMPLERS))
    return written(folder, about, rows)


def card_of(model: Path, network: torch.nn.Module, scheduler: Any) -> ModelCard:
    config = {key: value for key, value in network.config.items() if key != "_name_or_path"}
    return ModelCard(
        name="a model",
        revision=None,
        weights_sha256=sha256(model / "unet" / "diffusion_pytorch_model.safetensors"),
        unet={**config, "_class_name": type(network).__name__},
        scheduler=dict(scheduler.config),
    )


def loaded(model: Path) -> tuple[Any, DDIMScheduler]:
    """The U-Net and the scheduler of a folder."""
    import json

    import diffusers

    kind = json.loads((model / "unet" / "config.json").read_text())["_class_name"]
    network = getattr(diffusers, kind).from_pretrained(model / "unet").eval()
    return network, DDIMScheduler.from_pretrained(model / "scheduler")


def written(folder: Path, about: Catalog, rows: list[dict]) -> Path:
    """Write a catalog with random vectors, profiles that tell the directions apart, and sums that hold."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes, arrays = {each.point: each.shape for each in about.captures}, {}
    rng = np.random.default_rng(0)
    for row in rows:
        points = singles(row["capture"])
        for point in points:
            key = f"{row['name']}@{point}" if len(points) > 1 else row["name"]
            arrays[key] = rng.standard_normal((about.sampling.steps, *shapes[point])).astype(np.float32)
    save_file(arrays, folder / "directions.safetensors")
    (folder / "catalog.json").write_text(about.model_dump_json())
    tables = {"directions.parquet": DIRECTIONS, "profiles.parquet": PROFILES}
    profiles = [
        {**profile(row, None), "judge": "judge", "on_target": 1.0 + i, "off_target": 0.1 * i}
        for i, row in enumerate(rows)
    ]
    for (name, schema), content in zip(tables.items(), (rows, profiles), strict=True):
        known = [{key: value for key, value in row.items() if key in schema.names} for row in content]
        write_table(folder / name, table_of(known, schema))
    effects = pd.DataFrame([{"direction": row["name"], "effect": 1.5} for row in rows])
    write_table(folder / "effects.parquet", pa.Table.from_pandas(effects, preserve_index=False))
    return summed(folder)


def summed(folder: Path) -> Path:
    """Write SHA256SUMS over whatever lies in a folder: a stranger's sums hold, too."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS" and path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder
