"""The index of a set of images: one row a piece, which is an image file, or some images of a file that holds many."""

import pyarrow as pa

from schemas.columns import column

INDEX = pa.schema(
    [
        column(
            "file",
            pa.binary(),
            "The file, as its path below the set's folder, in the bytes that it has there.",
            required=True,
        ),
        column("piece", pa.int32(), "Which of the file's pieces: 0, or a row group of Parquet.", required=True),
        column("images", pa.int64(), "How many images it holds.", required=True),
        column("first", pa.int64(), "The number of its first image in the set, counted from 0.", required=True),
        column("bytes", pa.int64(), "Size of the file when it was listed.", unit="bytes", required=True),
        column("modified", pa.int64(), "When the file was last changed.", unit="nanoseconds since 1970", required=True),
        column(
            "fault",
            pa.string(),
            "Why the file cannot be read, which then counts as one image; empty where it can.",
            required=True,
        ),
    ]
)
