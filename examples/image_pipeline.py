"""Image pipeline: an upload is published once, and three sizes of it are made, each by workers of its own.

    python examples/image_pipeline.py [FOLDER] [--out FOLDER] [--workers N] [--uploads N]

FOLDER: your images; without it a few are made, one of them torn. Needs the extra: pip install 'decouple-messaging[images]'

What it shows: a topic that knows nothing of its queues, so a fourth size is one line in SIZES; a filter policy (an image
that is no wider than a thumbnail needs none) that reads attributes, not files; `message.move`, which hands a finished
message on in one step, so it is counted once; an image that cannot be read, which ends in the dead-letter queue of every
size with the reason, and holds up nothing; and `broker.check()`, the proof that every message is accounted for. The names
of the files made are by content: a second run, or a message that comes twice, finds them there and does nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from decouple import Broker, Message, NotInstalled, Queue, Subscription

try:
    from tqdm import tqdm
except ImportError:  # the extra `progress` is not installed: a plain line does
    tqdm = None
try:
    from PIL import Image, ImageOps
except ImportError:  # the extra `images` is not installed: main says so
    Image = None


SIZES = {"thumbnail": 160, "mobile": 640, "web": 1_280}  # pixels of the longer side
# What has no width, because its header cannot be read, goes to everyone: somebody has to say what is wrong with it.
FILTERS = {"thumbnail": {"width": [{"numeric": [">", SIZES["thumbnail"]]}, {"exists": False}]}}
COLUMNS = ("accepted", "filtered out", "made", "there already", "dead letters")


class Way(NamedTuple):
    """What serves one size: the topic's line to its queue, and where that queue's dead letters go."""

    subscription: Subscription
    queue: Queue
    dead: Queue


class Pipeline:
    """The topic `uploads`, a queue and a dead-letter queue for each size, and `done` for what was finished."""

    def __init__(self, arriving: Iterable[Path], out: Path) -> None:
        self.arriving, self.out = arriving, out
        self.files: dict[str, Path] = {}
        self.broker = Broker()
        self.uploads = self.broker.topic("uploads")
        self.done = self.broker.queue("done")
        self.ways = {size: self.open(size) for size in SIZES}
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def open(self, size: str) -> Way:
        dead = self.broker.queue(f"{size}-dead")
        queue = self.broker.queue(size, dead_letter=dead, max_receives=2, visibility_timeout=300)
        return Way(self.uploads.subscribe(queue, filter=FILTERS.get(size)), queue, dead)

    def run(self, workers: int) -> None:
        """Return when every upload is done or a dead letter in every size that wants it."""
        # The broker is left first: closing it ends all waits, and with them the threads that the pool then joins.
        with ThreadPoolExecutor(workers * len(SIZES) + 1) as pool, self.broker:
            publishing = pool.submit(self.publish)
            for size in SIZES:
                for _ in range(workers):
                    pool.submit(self.work, size)
            self.collect(publishing)

    def publish(self) -> None:
        for file in self.arriving:
            # A body is text: a name that is not UTF-8 is published escaped.
            name = file.name.encode(errors="backslashreplace").decode()
            self.files[name] = file
            self.uploads.publish(name, attributes=seen(file))

    def work(self, size: str) -> None:
        """Handle uploads until the queue is closed. An error is kept with its message; the worker goes on."""
        for message in self.ways[size].queue.messages():
            with suppress(Exception), message:
                made = make(self.files[message.body], self.out / size, SIZES[size])
                message.move(self.done, body={"size": size, "what": "made" if made else "there already"})

    def collect(self, publishing: Future[None]) -> None:
        """Count what was done. Dead letters move the bar as well, so none is waited for longer than a moment."""
        with tqdm(unit=" images", disable=None) if tqdm else nullcontext() as bar:
            while not (publishing.done() and self.finished >= self.accepted):
                for message in self.done.receive(max_messages=100, wait=0.1):
                    with message:
                        done = message.json()
                        self.counts[done["size"]][done["what"]] += 1
                show(bar, self.finished, self.accepted)
        publishing.result()  # raises what the publisher raised

    @property
    def accepted(self) -> int:
        return sum(way.subscription.stats().accepted for way in self.ways.values())

    @property
    def finished(self) -> int:
        dead = sum(way.dead.stats().visible for way in self.ways.values())
        return dead + sum(counts.total() for counts in self.counts.values())


def seen(file: Path) -> dict[str, str | int]:
    """What the header of an image says of it; nothing where it cannot be read, which its workers then report."""
    try:
        with Image.open(file) as image:
            return {"format": image.format or "unknown", "width": image.width}
    except Exception:
        return {}


def make(file: Path, folder: Path, longest: int) -> bool:
    """Put a smaller copy of an image into the folder; False if it is there. Raises what Pillow raises, OSError."""
    target = folder / f"{file.stem}-{sha256(file.read_bytes()).hexdigest()[:12]}.jpg"
    if target.exists():
        return False
    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image)
    upright.thumbnail((longest, longest))  # smaller if need be, never larger
    write(flat(upright), "JPEG", target)
    return True


def flat(image: Any) -> Any:
    """The image without transparency, which JPEG does not have: white instead."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def write(image: Any, kind: str, target: Path, share: float = 1.0) -> None:
    """A file that is there is whole: it has its name only when all of it is written. share: how much of it all is."""
    buffer = BytesIO()
    image.save(buffer, kind)
    content = buffer.getvalue()
    part = target.with_name(f"{uuid4().hex}.part")
    try:
        part.write_bytes(content[: int(len(content) * share)])
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


# -- uploads -------------------------------------------------------------------------------------------------------


def images_in(folder: Path) -> list[Path]:
    """The files whose name is that of an image, as far as Pillow knows; not those in folders of the folder."""
    suffixes = Image.registered_extensions()
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in suffixes and file.is_file())


def uploads_made(folder: Path, number: int) -> Iterator[Path]:
    """So many images of all widths, and a torn one, each made when it is asked for and not there."""
    widths, kinds = (1_600, 1_200, 640, 320, 96), (("JPEG", ".jpg"), ("PNG", ".png"))
    plan = [(f"photo-{n + 1:02}", widths[n % len(widths)], *kinds[n % len(kinds)], 1.0) for n in range(number)]
    for turn, (name, width, kind, suffix, share) in enumerate([*plan, ("torn", 800, "JPEG", ".jpg", 0.5)]):
        file = folder / f"{name}{suffix}"
        if not file.exists():
            write(picture(width, turn), kind, file, share)
        yield file


def picture(width: int, turn: int) -> Any:
    """Three gradients, one a colour, each turned in its own way."""
    gradients = [Image.radial_gradient("L"), Image.linear_gradient("L"), Image.radial_gradient("L")]
    colors = [gradient.rotate(40 * turn * (n + 1), translate=(20 * n, 0)) for n, gradient in enumerate(gradients)]
    return Image.merge("RGB", colors).resize((width, width * 3 // 4))


# -- what is shown -------------------------------------------------------------------------------------------------


def show(bar: Any, done: int, accepted: int) -> None:
    """Move tqdm's bar, or write a plain line that the next overwrites; neither where nobody looks."""
    if bar is not None:
        bar.total = accepted
        bar.update(done - bar.n)
    elif sys.stderr.isatty():
        print(f"{done:,} of {accepted:,} images", end="\r", file=sys.stderr, flush=True)


def print_table(pipeline: Pipeline) -> None:
    stats = pipeline.uploads.stats()
    print(f"topic uploads: {stats.published:,} published to {stats.subscriptions} subscriptions\n")
    print(f"{'size':<10}{'pixels':>8}" + "".join(f"{column:>15}" for column in COLUMNS))
    for size, way in pipeline.ways.items():
        numbers, counts = way.subscription.stats(), pipeline.counts[size]
        row = (
            numbers.accepted,
            numbers.filtered_out,
            counts["made"],
            counts["there already"],
            way.dead.stats().visible,
        )
        print(f"{size:<10}{SIZES[size]:>8,}" + "".join(f"{number:>15,}" for number in row))


def print_dead_letters(queues: Iterable[Queue]) -> None:
    for queue in queues:
        letters = queue.peek(queue.stats().visible)
        for letter in sorted(letters, key=lambda letter: letter.body):
            print(f"{queue.name}: {letter.body}\n  {reason(letter)}")


def reason(letter: Message) -> str:
    return f"{letter.failure.error}: {letter.failure.text}" if letter.failure else "its worker was too slow"


def print_law(numbers: dict[str, int]) -> None:
    accepted = numbers.pop("accepted")
    parts = [f"{number:,} {name.replace('_', ' ')}" for name, number in numbers.items() if number]
    print(f"\nthe law: {accepted:,} accepted = {' + '.join(parts) or 0}")


# -- the command ---------------------------------------------------------------------------------------------------


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make three sizes of every image through a topic and its queues.")
    parser.add_argument("folder", nargs="?", help="with your images; without it some are made, in OUT/uploads")
    parser.add_argument("--out", default="image-pipeline", help="gets a folder for each size; default: image-pipeline")
    parser.add_argument("--workers", type=int, default=2, help="threads for each size; default: 2")
    parser.add_argument("--uploads", type=int, default=20, help="how many are made without FOLDER; default: 20")
    options = parser.parse_args(arguments)
    if options.folder is not None and not os.path.isdir(options.folder):
        parser.exit(2, f"{options.folder!r} is not a folder: give one that holds images\n")
    if not 1 <= options.workers <= 100:
        parser.exit(2, f"--workers must be from 1 to 100, not {options.workers}\n")
    if not 0 <= options.uploads <= 10_000:
        parser.exit(2, f"--uploads must be from 0 to 10,000, not {options.uploads}\n")
    return options


def prepared(options: argparse.Namespace) -> Pipeline:
    """The pipeline with its uploads and folders. Raises NotInstalled, ValueError, OSError."""
    if Image is None:
        install = "pip install 'decouple-messaging[images]'"
        raise NotInstalled("the Python package Pillow", purpose="making images smaller", install=install)
    out, given = Path(options.out), options.folder
    arriving = images_in(Path(given)) if given else uploads_made(out / "uploads", options.uploads)
    if not arriving:
        raise ValueError(f"there are no images in {given!r}: give a folder with files like .jpg or .png")
    for folder in SIZES if given else ("uploads", *SIZES):
        (out / folder).mkdir(parents=True, exist_ok=True)
    return Pipeline(arriving, out)


def main(arguments: Sequence[str] | None = None) -> int:
    options, status = parsed(arguments), 0
    try:
        pipeline = prepared(options)
    except (NotInstalled, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename!r} cannot be used: {error.strerror}", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")  # Pillow's, about the images that are read
    try:
        pipeline.run(options.workers)
    except KeyboardInterrupt:
        print("interrupted; done so far:")
        status = 130
    print_table(pipeline)
    print(f"\nin {options.out}: {', '.join(SIZES)}\n")
    print_dead_letters(way.dead for way in pipeline.ways.values())
    print_law(pipeline.broker.check())
    return status


if __name__ == "__main__":
    sys.exit(main())
