"""Makes events.tfevents: three events by TensorBoard's own writer (tensorboard 2.21.0, protobuf as it comes with it).

    pip install tensorboard==2.21.0 && python tensorboard_events.py

The test beside `src/watch/events.rs` makes the same bytes. With a folder as argument: prints the scalars that TensorBoard's own
reader finds there, a line a run and tag.
"""

import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def scalars(wall_time, step, values):
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values])
    return Event(wall_time=wall_time, step=step, summary=summary)


def write(path):
    tags = ["loss/train", "learning_rate", "accuracy/test"]
    events = [
        Event(wall_time=1_500_000_000.25, file_version="brain.Event:2"),
        scalars(1_500_000_001.5, 1, zip(tags, [2.3, 0.1, 0.0])),
        scalars(1_500_000_002.5, 300, zip(tags, [1e-9, 1 / 3, 1.0])),
    ]
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
        writer.flush()


def read(folder):
    for run in sorted(path.parent for path in Path(folder).rglob("*tfevents*")):
        accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0})
        accumulator.Reload()
        for tag in sorted(accumulator.Tags()["scalars"]):
            values = accumulator.Scalars(tag)
            print(run.name, tag, len(values), "last", values[-1].step, values[-1].value)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        read(sys.argv[1])
    else:
        write(Path(__file__).parent / "events.tfevents")
