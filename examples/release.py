"""A release that a person must wave through: test, build, check, ask, publish.

    smithers up examples/release.py --serve

It releases the small package in the folder `almanac` beside this file, and "publishes" to the folder `published`.
Nothing here needs the network, and a release can be repeated: what is published already is left as it is.
"""

import hashlib
import shutil
import sys
import tarfile
import zipfile
from email.parser import BytesHeaderParser
from pathlib import Path

from pydantic import BaseModel

from smithersd import Approval, Context, Parallel, Sequence, Shell, Task, workflow

HERE = Path(__file__).resolve().parent


class Release(BaseModel):
    """What to release, and where to."""

    package: Path = HERE / "almanac"
    target: Path = HERE / "published"


class Artifact(BaseModel):
    """A file that was built and has been looked into."""

    path: Path
    version: str
    size: int
    sha256: str


class Manifest(BaseModel):
    """What a person approves and what is then published: the same bytes, by their hashes."""

    version: str
    artifacts: list[Artifact]


class Receipt(BaseModel):
    """What publishing did."""

    folder: Path
    published: list[str]
    unchanged: list[str]


@workflow
def release(ctx: Context[Release]) -> Sequence:
    """Release a package once its tests pass and a person says yes."""
    package = ctx.input.package
    wheel = Task("wheel", check_wheel, package)
    sdist = Task("sdist", check_sdist, package)
    manifest = Task("manifest", describe, [wheel, sdist])
    return Sequence(
        Shell("test", [sys.executable, "-m", "doctest", "src/almanac/__init__.py"], cwd=str(package)),
        Shell("build", [sys.executable, "-m", "hatchling", "build", "--clean"], cwd=str(package), timeout="2m"),
        Parallel(wheel, sdist),
        manifest,
        Approval("publish", title=f"Publish {package.name}?", show=manifest),
        Task("upload", upload, manifest, ctx.input.target, retries=2),
    )


def check_wheel(package: Path) -> Artifact:
    """Test the wheel's checksums and read its version."""
    path = built(package, "*.whl")
    with zipfile.ZipFile(path) as wheel:
        if (damaged := wheel.testzip()) is not None:
            raise ValueError(f"{damaged} in {path.name} is damaged")
        metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return artifact(path, wheel.read(metadata))


def check_sdist(package: Path) -> Artifact:
    """See that the sdist unpacks into one folder only, and read its version."""
    path = built(package, "*.tar.gz")
    with tarfile.open(path) as sdist:
        root = path.name.removesuffix(".tar.gz")
        for name in sdist.getnames():
            if Path(name).parts[0] != root or ".." in Path(name).parts:
                raise ValueError(f"{name} in {path.name} would be unpacked outside {root}")
        metadata = sdist.extractfile(f"{root}/PKG-INFO")
        assert metadata is not None
        return artifact(path, metadata.read())


def describe(artifacts: list[Artifact]) -> Manifest:
    """Gather what was built; all of it must be of one version."""
    versions = {one.version for one in artifacts}
    if len(versions) != 1:
        raise ValueError(f"the artifacts have different versions: {', '.join(sorted(versions))}")
    for one in artifacts:
        print(f"{one.sha256[:16]}  {one.size:>6}  {one.path.name}")
    return Manifest(version=versions.pop(), artifacts=artifacts)


def upload(manifest: Manifest, target: Path) -> Receipt:
    """Publish exactly what was approved. Doing it again changes nothing, so a retry is safe."""
    target.mkdir(parents=True, exist_ok=True)
    receipt = Receipt(folder=target, published=[], unchanged=[])
    for one in manifest.artifacts:
        if digest(one.path) != one.sha256:
            raise ValueError(f"{one.path.name} is not the file that was approved")
        goal = target / one.path.name
        if not goal.exists():
            publish(one.path, goal)
            receipt.published.append(goal.name)
        elif digest(goal) == one.sha256:
            receipt.unchanged.append(goal.name)
        else:
            raise FileExistsError(f"another {goal.name} is published already; give the release a new version")
    return receipt


def publish(source: Path, goal: Path) -> None:
    """Let a file appear whole or not at all."""
    unfinished = goal.with_name(f".{goal.name}")
    shutil.copyfile(source, unfinished)
    unfinished.replace(goal)


def built(package: Path, pattern: str) -> Path:
    """The one file that the build left."""
    (path,) = (package / "dist").glob(pattern)
    return path


def artifact(path: Path, metadata: bytes) -> Artifact:
    """Describe a file by its contents and by its own metadata."""
    version = BytesHeaderParser().parsebytes(metadata)["Version"]
    return Artifact(path=path, version=version, size=path.stat().st_size, sha256=digest(path))


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
