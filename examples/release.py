"""A release that a person must approve: test, build, check, ask, publish.

    smithers up examples/release.py --serve

It releases the small package in the folder `almanac` beside this file, and "publishes" to the folder `published`.
It needs no network, and a release can be repeated: a file that is published already stays as it is.
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
    """A file that was built and checked."""

    path: Path
    version: str
    size: int
    sha256: str


class Manifest(BaseModel):
    """What a person approves and what is published then: the same bytes, by their hashes."""

    version: str
    artifacts: list[Artifact]


class Receipt(BaseModel):
    """Which files were published, and where to."""

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
    """Check that the sdist unpacks into one folder only, and read its version."""
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
    """List the artifacts in a manifest; they must all have the same version."""
    versions = {file.version for file in artifacts}
    if len(versions) != 1:
        raise ValueError(f"the artifacts have different versions: {', '.join(sorted(versions))}")
    for file in artifacts:
        print(f"{file.sha256[:16]}  {file.size:>6}  {file.path.name}")
    return Manifest(version=versions.pop(), artifacts=artifacts)


def upload(manifest: Manifest, target: Path) -> Receipt:
    """Publish exactly what was approved; repeating it changes nothing, so a retry is safe."""
    target.mkdir(parents=True, exist_ok=True)
    receipt = Receipt(folder=target, published=[], unchanged=[])
    for file in manifest.artifacts:
        if digest(file.path) != file.sha256:
            raise ValueError(f"{file.path.name} is not the file that was approved")
        published = target / file.path.name
        if not published.exists():
            publish(file.path, published)
            receipt.published.append(published.name)
        elif digest(published) == file.sha256:
            receipt.unchanged.append(published.name)
        else:
            raise FileExistsError(f"another {published.name} is published already; give the release a new version")
    return receipt


def publish(source: Path, target: Path) -> None:
    """Copy a file so that it appears whole or not at all."""
    unfinished = target.with_name(f".{target.name}")
    shutil.copyfile(source, unfinished)
    unfinished.replace(target)


def built(package: Path, pattern: str) -> Path:
    """Return the only file of the build that matches a pattern."""
    (path,) = (package / "dist").glob(pattern)
    return path


def artifact(path: Path, metadata: bytes) -> Artifact:
    """Return the artifact of a file, with the version from its metadata."""
    version = BytesHeaderParser().parsebytes(metadata)["Version"]
    return Artifact(path=path, version=version, size=path.stat().st_size, sha256=digest(path))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
